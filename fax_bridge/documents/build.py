"""The parts of a mail become one PDF: each made into pages by its kind, all joined in order, every page proven.

All or nothing: the first part that cannot be shown whole refuses the document.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from fax_bridge.documents import office, table, text
from fax_bridge.documents.clean import clean
from fax_bridge.documents.embedded import without_embedded
from fax_bridge.documents.html import BLACK_ON_WHITE, breakable, render
from fax_bridge.documents.image import PICTURES, pdf_of_image, png_of_image, size_of_image
from fax_bridge.documents.job import Limits, PartKind, Task
from fax_bridge.documents.letters import boxes_in, boxes_in_html, boxes_in_pdf
from fax_bridge.documents.pdf import Merger
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.documents.raster import fax_page
from fax_bridge.documents.tiff import pdf_of_whole_tiff
from fax_bridge.documents.transmission import seconds_at
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PageFacts, Paper, Resolution

_POINT = 4
"""Pixels across, of the picture that a mail carries to be told of its being opened, or to hold a table open."""
_LOGO_PIXELS, _LOGO_HEIGHT = 240_000, 320
"""No scan or photo of a page is as small: A4 at the 72 dpi of a screen has twice as many."""
_PROOF_WIDTH = 120
"""Pixels of the small picture by which a page is proven to be drawable."""
MEASURED = 100
"""Pages that are drawn as a fax for what can be told of them; the others only small. A page of letters takes 6 ms
more of the processor than its small picture, a form 15, a photo 50."""


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    paper, parts = Paper(arguments["paper"]), arguments["parts"]
    counts: list[int] = []
    left_out: list[str] = []
    boxes: list[str] = []
    with Merger(task.limits.pages, paper) as merger:
        for index, part in enumerate(parts):
            task.take_in_hand(index)
            with _laid_to(index):
                left_out.append(_reason_to_leave_out(part, task))
                pages = _Pages(b"") if left_out[-1] else _pages_of(part, task, paper)
                counts.append(0 if left_out[-1] else merger.add(pages.pdf))
                boxes.append(pages.boxes)
        pdf = merger.finished() if any(counts) else b""
    resolution = Resolution(asked) if (asked := arguments["resolution"]) else None
    facts = _proven(pdf, counts, task, resolution, paper) if pdf else []
    return pdf, {"pages": counts, "left_out": left_out, "boxes": boxes, "facts": [asdict(page) for page in facts]}


def _reason_to_leave_out(part: Mapping[str, Any], task: Task) -> str:
    """Pictures that nobody would call a page: one that only tells that a mail was opened, and a signature's logo.

    And a text that shows no others: it can go on the cover.
    """
    kind = PartKind(part["kind"])
    if kind == PartKind.HTML and part["decoration"]:
        sizes = [size_of_image(task.blob(blob), task.limits) for blob in part["images"].values()]
        return "text_for_cover" if all(_is_logo(*size) for size in sizes) else ""
    if kind not in PICTURES:
        return ""
    width, height = size_of_image(task.blob(part["data"]), task.limits)
    if min(width, height) <= _POINT:
        return "tracking_pixel"
    return "inline_picture_unreferenced" if part["decoration"] and _is_logo(width, height) else ""


def _is_logo(width: int, height: int) -> bool:
    return width * height <= _LOGO_PIXELS and min(width, height) <= _LOGO_HEIGHT


@dataclass(frozen=True, slots=True)
class _Pages:
    pdf: bytes
    boxes: str = ""
    """Symbols that no font has (:func:`fax_bridge.documents.letters.boxes_in`)."""


def _pages_of(part: Mapping[str, Any], task: Task, paper: Paper) -> _Pages:
    data, limits = task.blob(part["data"]), task.limits
    kind = PartKind(part["kind"])
    if kind in PICTURES:
        return _Pages(pdf_of_image(data, limits, paper))
    if kind in office.FORMATS:
        return _Pages(*office.pdf_of_office(data, kind, limits))
    match kind:
        case PartKind.PDF:
            return _Pages(data, boxes_in_pdf(data) if part["by_libreoffice"] else "")
        case PartKind.TIFF:
            return _Pages(pdf_of_whole_tiff(data, limits))
        case PartKind.TEXT:
            words = text.decode(data)
            return _Pages(_pdf_of_text(words, limits, paper), boxes_in(words))
        case PartKind.CSV:
            words = text.decode(data)
            return _Pages(_pdf_of_csv(words, limits, paper), boxes_in(words))
        case PartKind.HTML:
            images = {name: task.blob(blob) for name, blob in part["images"].items()}
            return _pages_of_html(data, images, limits, paper)
        case _:
            raise DocumentRefused(0, "unsupported_type", kind)


def _pdf_of_text(words: str, limits: Limits, paper: Paper) -> bytes:
    page = text.page_of(words, most_pages=limits.pages)
    return render(page, paper=paper, most_pages=limits.pages, style=text.STYLE)


def _pdf_of_csv(words: str, limits: Limits, paper: Paper) -> bytes:
    rows = table.rows_of(words)
    if rows is None:
        return _pdf_of_text(words, limits, paper)
    page, wide = table.page_of(rows)
    return render(breakable(page), paper=paper, most_pages=limits.pages, style=table.STYLE, on_its_side=wide)


def _pages_of_html(data: bytes, images: Mapping[str, bytes], limits: Limits, paper: Paper) -> _Pages:
    words, embedded = without_embedded(text.decode_html(data), "page")
    fragment = clean(words, images=True)
    if not fragment:
        raise DocumentRefused(0, "html_empty")
    shown = {name: png_of_image(image, limits) for name, image in (*images.items(), *embedded.items())}
    page = f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{breakable(fragment)}</body></html>'
    pdf = render(page, paper=paper, most_pages=limits.pages, images=shown, style=BLACK_ON_WHITE)
    return _Pages(pdf, boxes_in_html(fragment))


def _proven(pdf: bytes, counts: list[int], task: Task, resolution: Resolution | None, paper: Paper) -> list[PageFacts]:
    """Draw every page once: what no reader can draw must not be promised to anyone.

    With a resolution the first are drawn as a fax of the lowest one, which tells how dark and how slow they will be.
    """
    facts = []
    with opened(pdf, most_pages=task.limits.pages) as document:
        index = 0
        for part, count in enumerate(counts):
            task.take_in_hand(part)
            for _ in range(count):
                page = document[index]
                if resolution and index < MEASURED:
                    drawn = fax_page(page, Resolution.NORMAL, paper)
                    seconds = seconds_at(resolution, len(drawn.g4), dots=drawn.dots)
                    facts.append(PageFacts(round(drawn.ink, 4), round(seconds, 1)))
                else:
                    draw(page, Canvas.of_page(page, _PROOF_WIDTH / max(*page.get_size(), 1) * 72))
                page.close()
                index += 1
    return facts


@contextmanager
def _laid_to(part: int) -> Iterator[None]:
    """What is refused inside is this part's fault."""
    try:
        yield
    except DocumentRefused as refusal:
        raise DocumentRefused(part, refusal.reason, refusal.detail) from refusal
