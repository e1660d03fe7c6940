"""Whether Turkish letters really come out as ink: asked once at the start, before a fax goes out blank."""

from typing import Any

from fax_bridge.documents.html import render
from fax_bridge.documents.job import Task
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper

LETTERS = "ğüşıöçĞÜŞİÖÇ"
_FAMILIES = ("Arial", "Times New Roman", "Courier New")
_DPI = 144.0


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """Refused (``no_letters``) where a letter is missing, empty, or drawn like another: a box for a missing glyph."""
    for family in _FAMILIES:
        page = f"<div style=\"font-family:'{family}'; font-size:30pt\">{LETTERS}</div>"
        pdf = render(page, paper=Paper.A4, most_pages=1)
        with opened(pdf, most_pages=1) as document:
            text = document[0].get_textpage()
            if LETTERS not in text.get_text_range():
                raise DocumentRefused(0, "no_letters", f"in {family} the letters {LETTERS} are not in the text")
            image = draw(document[0], Canvas.of_page(document[0], _DPI))
            height = image.height
            shapes = set()
            for index in range(text.count_chars()):
                if text.get_text_range(index, 1) in LETTERS:
                    left, bottom, right, top = (edge * _DPI / 72 for edge in text.get_charbox(index))
                    glyph = image.crop((int(left), int(height - top), int(right) + 1, int(height - bottom) + 1))
                    if not any(glyph.histogram()[:128]):
                        raise DocumentRefused(0, "no_letters", f"{family} draws nothing")
                    shapes.add((glyph.size, glyph.tobytes()))
            if len(shapes) < len(LETTERS):
                raise DocumentRefused(0, "no_letters", f"{family} has the same picture for several letters")
    return b"", None
