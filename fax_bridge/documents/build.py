"""The parts of a mail become one PDF: each made into pages by its kind, all joined in order, every page proven.

All or nothing: the first part that cannot be shown whole refuses the document.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fax_bridge.documents import text
from fax_bridge.documents.clean import clean
from fax_bridge.documents.html import BLACK_ON_WHITE, breakable, render
from fax_bridge.documents.image import pdf_of_image, png_of_image
from fax_bridge.documents.job import Limits, PartKind, Task
from fax_bridge.documents.pdf import Merger
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.documents.tiff import pdf_of_whole_tiff
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper

_PROOF_WIDTH = 120
"""Pixels of the small picture by which a page is proven to be drawable."""


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    paper, parts = Paper(arguments["paper"]), arguments["parts"]
    counts: list[int] = []
    with Merger(task.limits.pages) as merger:
        for index, part in enumerate(parts):
            task.take_in_hand(index)
            with _laid_to(index):
                counts.append(merger.add(_pdf_of(part, task, paper)))
        pdf = merger.finished()
    _prove(pdf, counts, task)
    return pdf, counts


def _pdf_of(part: Mapping[str, Any], task: Task, paper: Paper) -> bytes:
    data, limits = task.blob(part["data"]), task.limits
    match PartKind(part["kind"]):
        case PartKind.PDF:
            return data
        case PartKind.JPEG | PartKind.PNG:
            return pdf_of_image(data, limits, paper)
        case PartKind.TIFF:
            return pdf_of_whole_tiff(data, limits)
        case PartKind.TEXT:
            page = text.page_of(text.decode(data), most_pages=limits.pages)
            return render(page, paper=paper, most_pages=limits.pages, style=text.STYLE)
        case PartKind.HTML:
            return _pdf_of_html(data, {name: task.blob(blob) for name, blob in part["images"].items()}, limits, paper)


def _pdf_of_html(data: bytes, images: Mapping[str, bytes], limits: Limits, paper: Paper) -> bytes:
    fragment = clean(text.decode_html(data), images=True)
    if not fragment:
        raise DocumentRefused(0, "html_empty")
    shown = {name: png_of_image(image, limits) for name, image in images.items()}
    page = f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{breakable(fragment)}</body></html>'
    return render(page, paper=paper, most_pages=limits.pages, images=shown, style=BLACK_ON_WHITE)


def _prove(pdf: bytes, counts: list[int], task: Task) -> None:
    """Draw every page once, small: what no reader can draw must not be promised to anyone."""
    with opened(pdf, most_pages=task.limits.pages) as document:
        index = 0
        for part, count in enumerate(counts):
            task.take_in_hand(part)
            for _ in range(count):
                page = document[index]
                draw(page, Canvas.of_page(page, _PROOF_WIDTH / max(*page.get_size(), 1) * 72))
                page.close()
                index += 1


@contextmanager
def _laid_to(part: int) -> Iterator[None]:
    """What is refused inside is this part's fault."""
    try:
        yield
    except DocumentRefused as refusal:
        raise DocumentRefused(part, refusal.reason, refusal.detail) from refusal
