"""Arabic and Hebrew lines run to the left, whoever forgot to say so, and stand at the right of the page."""

import io

import pypdfium2
import pytest
from PIL import Image, ImageChops

from fax_bridge.documents import table, text
from fax_bridge.documents.clean import clean
from fax_bridge.documents.direction import runs_to_the_left, with_directions
from fax_bridge.documents.html import render
from fax_bridge.email_to_fax.mail_text import text_to_html
from fax_bridge.fax import Paper

ARABIC, HEBREW, TURKISH = "السيد المحترم، العقد (رقم 1234)!", "שלום, (12)!", "Sayın yetkili (12)!"


def page(html: str, style: str = "") -> Image.Image:
    with pypdfium2.PdfDocument(io.BytesIO(render(html, paper=Paper.A4, most_pages=1, style=style))) as document:
        image: Image.Image = document[0].render(scale=1.5).to_pil().convert("L")
        return image


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    box = ImageChops.invert(image).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("line", "leftwards"),
    [(ARABIC, True), (HEBREW, True), (TURKISH, False), ("12 (3): שלום", True), ("> العقد", True), ("123 ...", False)],
)
def test_the_first_letter_decides(line: str, leftwards: bool) -> None:
    """Figures and signs have no direction of their own (UAX #9)."""
    assert runs_to_the_left(line) == leftwards


@pytest.mark.parametrize("line", [ARABIC, HEBREW])
def test_a_line_of_plain_text_looks_as_one_that_says_its_direction(line: str) -> None:
    """In an attached text, a table, and a mail's own text: at the right, with its mark of exclamation at the left."""
    attached = page(text.page_of(line, most_pages=1), text.STYLE)
    said = page(f"<body><div dir=rtl>{line}</div></body>", text.STYLE)
    assert attached.tobytes() == said.tobytes()
    assert ink(attached)[2] > attached.width * 0.9
    body = page(f"<body>{clean(text_to_html(line))}</body>")
    assert body.tobytes() == page(f"<body><div dir=rtl>{line}</div></body>").tobytes()
    shown, _ = table.page_of([["ad", "adres"], ["x", line]])
    assert f'<td dir="rtl">{line}' in shown
    assert "<td>ad</td>" in shown


def test_a_mail_in_two_directions_keeps_its_lines() -> None:
    """Each paragraph in its own, blank lines with the paragraph before them, none of them lost."""
    made = text_to_html(f"{TURKISH}\n\n{ARABIC}\n123\n\n{TURKISH}")
    assert made == (
        f'<div>{TURKISH}<br>\n<br></div>\n<div dir="rtl">{ARABIC}<br>\n123<br>\n<br></div>\n<div>{TURKISH}</div>'
    )
    six = ink(page(f"<body>{clean(made)}</body>"))
    plain = ink(page("<body>" + "<br>".join([TURKISH, "", TURKISH, TURKISH, "", TURKISH]) + "</body>"))
    assert six[3] - six[1] == pytest.approx(plain[3] - plain[1], abs=4)


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        (f'<div dir="auto">{ARABIC}</div>', f'<div dir="rtl">{ARABIC}</div>'),
        (f'<div dir="auto"><b>1.</b> {HEBREW}</div>', f'<div dir="rtl"><b>1.</b> {HEBREW}</div>'),
        (f'<p class="x" dir="auto" lang="tr">{TURKISH}</p>', f'<p class="x" dir="ltr" lang="tr">{TURKISH}</p>'),
        ('<p dir="auto"></p>', '<p dir="ltr"></p>'),
        ('<p dir="rtl">x dir="auto" y</p>', '<p dir="rtl">x dir="auto" y</p>'),
    ],
)
def test_auto_becomes_what_it_means(html: str, wanted: str) -> None:
    """As the mail programs of phones write around every paragraph; the engine takes it for left to right."""
    assert with_directions(html) == wanted


def test_a_paragraph_of_a_phone_is_drawn_in_its_direction() -> None:
    """Through the cleaner; what was cleaned is not changed by cleaning it again."""
    once = clean(f'<div dir="auto">{ARABIC}</div><div dir="auto">{TURKISH}</div>')
    assert once == f'<div dir="rtl">{ARABIC}</div><div dir="ltr">{TURKISH}</div>'
    assert clean(once) == once
