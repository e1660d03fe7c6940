"""A mail to ``preview+NUMBER@domain``, from the client to the mailbox: shown, and never sent."""

import asyncio
import io
import smtplib
from email import policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pikepdf
import pypdfium2
import pytest
from PIL import Image

from fax_bridge.documents.worker import Documents
from tests.e2e.conftest import Bridge, bridge_in


async def sent_faxes(bridge: Bridge) -> list[dict[str, object]]:
    """What ever reached FaxMAX."""
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await http.get(bridge.sandbox.url.replace("/api/v1", "/sandbox/faxes"))
    faxes: list[dict[str, object]] = found.json()
    return faxes


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def files_of(mail: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): bytes(part.get_content()) for part in mail.iter_attachments()}


def pictures_of(mail: EmailMessage) -> list[Image.Image]:
    """Those that the HTML shows, in its order."""
    html = mail.get_body(("html",))
    assert html is not None
    words = str(html.get_content())
    related = {str(part["Content-ID"]).strip("<>"): part for part in mail.walk() if part["Content-ID"]}
    names = sorted(related, key=lambda name: words.index(f"cid:{name}"))
    return [Image.open(io.BytesIO(related[name].get_content())) for name in names]


def words_in(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


async def contract(documents: Documents, pages: int) -> bytes:
    leaves = "".join(f"<p style='page-break-after: always'>Sözleşme, yaprak {n}</p>" for n in range(1, pages))
    return await documents.html_to_pdf(f"<html><body>{leaves}<p>Sözleşme, yaprak {pages}</p></body></html>")


async def test_a_preview_shows_the_fax_and_sends_nothing(
    bridge: Bridge, note: EmailMessage, documents: Documents
) -> None:
    """The very PDF that would be faxed, the cover with its letters, pictures of both, the fate of each part."""
    note.add_attachment(await contract(documents, 5), "application", "pdf", filename="sözleşme.pdf")
    await bridge.send(note, "preview+02163334455")
    shown = await bridge.mail("ayse@example.com")
    files = files_of(shown)
    assert sorted(files) == ["faks.pdf", "kapak.pdf"]
    with pikepdf.Pdf.open(io.BytesIO(files["faks.pdf"])) as document:
        assert len(document.pages) == 5
    assert "yaprak 5" in words_in(files["faks.pdf"])
    cover = words_in(files["kapak.pdf"])
    assert "ğüşıöç ĞÜŞİÖÇ" in cover
    assert "+90 216 333 44 55" in cover
    pictures = pictures_of(shown)
    assert len(pictures) == 4, "the cover and three pages"
    assert all(sum(picture.convert("L").histogram()[:100]) > 50 for picture in pictures), "there is ink on each"
    words = text_of(shown)
    assert "Hiçbir şey gönderilmedi" in words
    assert "5 sayfa ve bir kapak sayfası" in words
    assert "+90 216 333 44 55 (preview+02163334455@fax.example.com)" in words
    assert "sözleşme.pdf" in words
    assert "faks belgesinin 1–5" in words or "1–5" in words
    assert shown["In-Reply-To"] == "<note-1@example.com>"
    assert (shown["Auto-Submitted"], shown["Return-Path"]) == ("auto-replied", "<>")
    assert await bridge.faxes() == []
    assert await sent_faxes(bridge) == []
    await asyncio.sleep(0.3)
    assert len(bridge.mails()) == 1, "one answer, and nothing to anybody else"


async def test_a_preview_tells_why_a_mail_would_be_refused(bridge: Bridge, note: EmailMessage) -> None:
    """In the words of a report, and before anybody waited for a fax; in the sender's language."""
    locked = io.BytesIO()
    with pikepdf.Pdf.new() as document:
        document.add_blank_page()
        document.save(locked, encryption=pikepdf.Encryption(user="geheim", owner="geheim"))
    note.add_attachment(locked.getvalue(), "application", "pdf", filename="offer.pdf")
    await bridge.send(note, "Preview+902163334455", sender="john@english.example.com")
    shown = await bridge.mail("john@english.example.com")
    assert str(shown["Subject"]).startswith("Preview: would not be faxed")
    assert "the PDF is protected by a password; take it off and send again (offer.pdf)" in " ".join(
        text_of(shown).split()
    )
    assert files_of(shown) == {}
    assert await sent_faxes(bridge) == []


async def test_a_preview_shows_what_was_asked_for_beside_the_number(bridge: Bridge, note: EmailMessage) -> None:
    """Options stand behind the number as they do for a fax; a wrong one is refused at RCPT as it is there."""
    await bridge.send(note, "preview+902163334455+at=2359", "preview+02163334466")
    words = text_of(await bridge.mail("ayse@example.com"))
    assert "23:59" in words
    assert "+90 216 333 44 66" in words
    assert "2 alıcıya toplam 2 sayfa" in words
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="no option"):
        await bridge.send(note, "preview+902163334455+loud")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.7\.1"):
        await bridge.send(note, "preview+902163334455", sender="eve@example.org")


async def test_a_mail_is_faxed_or_previewed_but_not_both(bridge: Bridge, note: EmailMessage) -> None:
    """The address of the second kind is refused with words; the mail goes on with the first."""

    def session() -> list[tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", bridge.smtp_port, timeout=10) as smtp:
            smtp.ehlo()
            smtp.mail("ayse@example.com")
            replies = [smtp.rcpt(f"{local}@fax.example.com") for local in ("preview+02163334455", "02163334466")]
            replies.append(smtp.data(note.as_bytes(policy=policy.SMTP)))
            return replies

    first, second, data = await asyncio.to_thread(session)
    assert first == (250, b"2.1.5 preview of a fax to +902163334455")
    assert second[0] == 550
    assert b"faxed or previewed, not both" in second[1]
    assert data[0] == 250
    assert "+90 216 333 44 55" in text_of(await bridge.mail("ayse@example.com"))
    assert await bridge.faxes() == []


async def test_a_large_mail_is_previewed_from_the_spool(tmp_path: Path, note: EmailMessage) -> None:
    """It is a file until it is read, and is not taken for one that belongs to no message."""
    picture = io.BytesIO()
    Image.effect_noise((900, 1200), 90).save(picture, "PNG")
    note.add_attachment(picture.getvalue(), "image", "png", filename="scan.png")
    async with bridge_in(tmp_path) as bridge:
        content = note.as_bytes(policy=policy.SMTP)
        assert len(content) > 2 * bridge.settings.smtp.spool_memory
        await bridge.send(content, "preview+902163334455")
        shown = await bridge.mail("ayse@example.com")
        assert sorted(files_of(shown)) == ["faks.pdf", "kapak.pdf"]


async def test_a_preview_and_the_same_mail_as_a_fax_do_not_stand_for_each_other(
    bridge: Bridge, note: EmailMessage
) -> None:
    """Who liked the preview sends the very same mail, with its Message-ID: that is no repeat of it."""
    await bridge.send(note, "preview+902163334455")
    await bridge.mail("ayse@example.com")
    await bridge.send(note, "902163334455")
    await bridge.ended("delivered")
    assert len(await sent_faxes(bridge)) == 1
    await bridge.send(note, "preview+902163334455")
    await bridge.mail("ayse@example.com", 3)
    assert len(await sent_faxes(bridge)) == 1


async def test_a_preview_of_a_list_has_the_options_of_its_address(bridge: Bridge, note: EmailMessage) -> None:
    """Resolution and time hold for each number of the list, as they do when it is faxed."""
    note.add_attachment(b"902163333344\n902163333355\n", "text", "plain", filename="distribution-list.txt")
    await bridge.send(note, "preview+list+superfine+at=2359", sender="ayse@english.example.com")
    words = text_of(await bridge.mail())
    assert "superfine" in words
    assert words.count("23:59") == 2
    assert "()" not in words


async def test_a_preview_shows_the_cover_of_those_that_get_one(
    bridge: Bridge, note: EmailMessage, documents: Documents
) -> None:
    """The first recipient wants none: the cover that is shown is the second one's, and the first is told as without."""
    note.add_attachment(await contract(documents, 1), "application", "pdf", filename="contract.pdf")
    await bridge.send(note, "preview+902163333344+nocover", "preview+902163333355", sender="ayse@english.example.com")
    answer = await bridge.mail()
    words = " ".join(text_of(answer).split())
    assert "+90 216 333 33 44 (preview+902163333344+nocover@fax.example.com, without the cover page)" in words
    assert "3 sheets to 2 recipients" in words
    assert "+90 216 333 33 55" in words_in(files_of(answer)["cover.pdf"])


async def test_a_preview_of_which_nobody_wants_the_cover_shows_none(
    bridge: Bridge, note: EmailMessage, documents: Documents
) -> None:
    """What would stand on it is told as left out."""
    note.add_attachment(await contract(documents, 1), "application", "pdf", filename="contract.pdf")
    note.add_attachment(b"902163333344\n", "text", "plain", filename="distribution-list.txt")
    await bridge.send(note, "preview+list+nocover", sender="ayse@english.example.com")
    answer = await bridge.mail()
    assert "no cover page" in text_of(answer)
    assert list(files_of(answer)) == ["fax.pdf"]
