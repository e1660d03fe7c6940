"""A read mail becomes its document, through the real worker: what a body really shows decides."""

import io
from email.message import EmailMessage

import pypdfium2
import pytest
from PIL import Image

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.document import Prepared, Unfaxable, prepare
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.fax import Paper


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "black").save(out, "PNG")
    return out.getvalue()


def mail_with(html: str, *, plain: str = "", disposition: str = "inline") -> bytes:
    mail = EmailMessage()
    if plain:
        mail.set_content(plain)
        mail.add_alternative(html, subtype="html")
        body = list(mail.iter_parts())[-1]
    else:
        mail.set_content(html, subtype="html")
        body = mail
    body.add_related(png(), "image", "png", cid="<pic@x>", filename="resim.png", disposition=disposition)
    return mail.as_bytes()


async def fates(content: bytes) -> tuple[dict[str, str], Prepared | Unfaxable]:
    async with Documents() as documents:
        made = await prepare(read_mail(content), documents, paper=Paper.A4)
    return {fate.content_type: str(fate.kind) for fate in made.fates}, made


@pytest.mark.parametrize(
    "html",
    [
        "<p>Ek</p><!-- cid:pic@x -->",
        "<p style='background:url(cid:pic@x)'>Ek</p>",
        "<p>Ek <v:imagedata src='cid:pic@x'></p>",
    ],
)
async def test_a_picture_that_the_cleaned_body_does_not_show_becomes_a_page(html: str) -> None:
    """Named in a comment, a style or an Office tag it would vanish, and the fax would be called complete."""
    told, made = await fates(mail_with(html))
    assert isinstance(made, Prepared)
    assert told == {"text/html": "cover", "image/png": "faxed"}


async def test_a_picture_that_the_body_shows_is_inlined_and_no_page() -> None:
    """A mail with only a body: the body is the document, with its pictures."""
    told, made = await fates(mail_with("<p>Resim: <img src='cid:pic@x'></p>"))
    assert isinstance(made, Prepared)
    assert told == {"text/html": "faxed", "image/png": "inlined"}
    assert b"/Image" in made.pdf


@pytest.mark.parametrize("html", ["<html><body></body></html>", "<p>&nbsp;</p><img src='http://127.0.0.1:1/x.png'>"])
async def test_an_empty_html_wording_gives_way_to_the_plain_one(html: str) -> None:
    """The words are in the mail; they must be on the fax."""
    told, made = await fates(mail_with(html, plain="sipariş: 40 adet"))
    assert isinstance(made, Prepared)
    assert told == {"text/plain": "faxed", "text/html": "left_out", "image/png": "left_out"}
    with pypdfium2.PdfDocument(made.pdf) as pdf:
        assert "sipariş: 40 adet" in pdf[0].get_textpage().get_text_range()


async def test_pictures_that_are_not_taken_are_told(documents: Documents) -> None:
    """A remote or embedded picture is never fetched, and the part's fate says so."""
    mail = EmailMessage()
    mail.set_content("<p>Kroki:</p><img src='data:image/png;base64,AAAA'>", subtype="html")
    made = await prepare(read_mail(mail.as_bytes()), documents, paper=Paper.A4)
    assert [fate.reason for fate in made.fates] == ["body_pictures"]
