"""The time a page takes on the line, against the code that would really be sent."""

import io
from email.message import EmailMessage
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from fax_bridge.documents import build, raster_pdf
from fax_bridge.documents.html import render
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.transmission import seconds_of
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.explain import explain
from fax_bridge.fax import Language, PageFacts, Paper, Resolution
from fax_bridge.mail.page_warnings import page_warnings
from fax_bridge.mail.words import Words

WORDS = Words()
LETTER = (
    "Sayın yetkili, 24 Kasım 2026 tarihli sözleşmenin imzalı nüshasını ekte bulacaksınız. Ödeme koşulları ikinci "
    "maddede, teslim süresi ise üçüncü maddede düzenlenmiştir. "
)


def pages_of(html: str, images: dict[str, bytes] | None = None) -> bytes:
    return render(f"<html><body>{html}</body></html>", paper=Paper.A4, most_pages=200, images=images)


def photo() -> bytes:
    picture = Image.blend(
        Image.effect_noise((600, 800), 50).convert("L"), Image.linear_gradient("L").resize((600, 800)), 0.7
    )
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def night() -> bytes:
    """White letters on black, the whole page."""
    picture = Image.new("L", (1240, 1754), 0)
    ImageDraw.Draw(picture).text((200, 200), "SUNUM", fill=255, font_size=120)
    out = io.BytesIO()
    picture.save(out, "PDF", resolution=150)
    return out.getvalue()


def table() -> str:
    rows = "".join(f"<tr>{''.join(f'<td border>{n * c % 997}</td>' for c in range(1, 8))}</tr>" for n in range(40))
    return f"<table border=1 style='border-collapse:collapse'>{rows}</table>"


def facts_of(directory: Path, pdf: bytes, resolution: Resolution = Resolution.FINE) -> list[PageFacts]:
    (directory / "0").write_bytes(pdf)
    parts = [{"kind": "pdf", "data": "0", "images": {}, "decoration": False, "by_libreoffice": False}]
    arguments = {"parts": parts, "paper": Paper.A4, "resolution": resolution}
    _, result = build.work(Task(directory, Limits()), arguments)
    return [PageFacts(**page) for page in result["facts"]]


SAMPLES = {
    "letter": pages_of(f"<p>{LETTER * 3}</p>" * 5),
    "table": pages_of(table()),
    "photo": pages_of("<img src='cid:p'>", {"p": photo()}),
}


@pytest.mark.parametrize("resolution", Resolution)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_estimate_is_near_to_the_code_that_is_sent(tmp_path: Path, name: str, resolution: Resolution) -> None:
    """Drawn at the lowest resolution and reckoned up, within a third of the true code of each."""
    (estimated,) = facts_of(tmp_path, SAMPLES[name], resolution)
    _, result = raster_pdf.work(Task(tmp_path, Limits()), {"resolution": resolution, "paper": Paper.A4})
    (true,) = result["facts"]
    assert estimated.seconds == pytest.approx(true["seconds"], rel=0.33)


@pytest.mark.parametrize(
    ("octets", "least", "most"),
    [(0, 0, 4), (20_000, 14, 16), (66_000, 40, 45), (1_300_000, 780, 830)],
)
def test_a_page_takes_its_bits_and_the_answers_between(octets: int, least: float, most: float) -> None:
    """14,400 bit/s are 1800 octets a second, less 5 % for frames; an answer every 64 KiB takes 3 seconds."""
    assert least <= seconds_of(octets) <= most


def test_a_letter_is_neither_dark_nor_slow(tmp_path: Path) -> None:
    """No warning where nothing is the matter, at the highest resolution either."""
    facts = facts_of(tmp_path, SAMPLES["letter"], Resolution.SUPERFINE)
    assert not page_warnings(facts, WORDS, Language.EN)


def test_a_black_page_is_dark_and_a_photo_is_slow(tmp_path: Path) -> None:
    """Each in its own way: black areas cost no time, dots do."""
    (black,) = facts_of(tmp_path, night())
    (picture,) = facts_of(tmp_path, SAMPLES["photo"])
    assert (black.is_dark, black.is_slow) == (True, False)
    assert picture.is_slow
    assert black.ink > 0.9


def test_only_the_first_pages_are_measured(tmp_path: Path) -> None:
    """The others are drawn too, but small; a document of hundreds of scans must not reach its limits for it."""
    pdf = pages_of("<p style='page-break-after: always'>x</p>" * (build.MEASURED + 20))
    assert len(facts_of(tmp_path, pdf)) == build.MEASURED


async def test_pages_are_measured_where_somebody_asks(documents: Documents) -> None:
    """A document that is put together anew behind each recipient's cover is not measured again."""
    part = SourcePart(PartKind.PDF, "", SAMPLES["letter"])
    assert (await documents.build([part])).facts == ()
    (page,) = (await documents.build([part], resolution=Resolution.NORMAL)).facts
    assert 0.02 < page.ink < 0.1


async def test_explain_tells_and_warns() -> None:
    """Before anything is sent, in numbers and in the sender's language."""
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ayse@example.com", "Sunum"
    mail.set_content("Ekte.")
    mail.add_attachment(SAMPLES["letter"], maintype="application", subtype="pdf", filename="a.pdf")
    mail.add_attachment(night(), maintype="application", subtype="pdf", filename="b.pdf")
    told = (await explain(mail.as_bytes(), ["902163333344@fax.example.com"])).facts
    assert [page["ink"] > 0.4 for page in told["page_facts"]] == [False, True]
    (warning,) = told["warnings"]
    assert warning.startswith("2. sayfa çok koyu")


# --- the sentences -------------------------------------------------------------------------------------


GOOD, DARK, SLOW = PageFacts(0.05, 30), PageFacts(0.62, 40), PageFacts(0.3, 238)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.EN, ("Page 3 is very dark (62% black)", "Page 5 takes about 4 minutes to send")),
        (Language.TR, ("3. sayfa çok koyu (%62 siyah)", "5. sayfanın gönderilmesi yaklaşık 4 dakika sürer")),
    ],
)
def test_a_page_is_named_with_what_is_the_matter(language: Language, said: tuple[str, str]) -> None:
    """In the reader's language, with the number and the mend."""
    sentences = page_warnings([GOOD, GOOD, DARK, GOOD, SLOW], WORDS, language)
    assert len(sentences) == 2
    for sentence, beginning in zip(sentences, said, strict=True):
        assert sentence.startswith(beginning)
        assert sentence.endswith(".")


def test_many_pages_are_one_sentence() -> None:
    """A scanned book does not make a mail of a hundred warnings."""
    dark, slow = page_warnings([DARK, DARK, DARK, GOOD, DARK, *[SLOW] * 90], WORDS, Language.EN)
    assert dark.startswith("Pages 1–3, 5 are very dark (up to 62% black)")
    assert slow.startswith("Pages 6–95 take up to about 4 minutes each")
    (odd,) = page_warnings([GOOD, DARK] * 50, WORDS, Language.TR)
    assert "20 …" in odd
    assert "22" not in odd


def test_nothing_to_say_is_nothing_said() -> None:
    """No document, no sentences."""
    assert page_warnings([], WORDS, Language.TR) == ()
