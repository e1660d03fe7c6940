"""TIFF → PDF: every page decoded, encoded anew and put on a PDF page of its true size.

Nothing of the file's own bytes is passed through: valid G4 exists that breaks PDF readers, and so do bombs.
Pillow's PDF writer is not used; it gives all pages the first one's resolution and inherits reversed bits.
"""

import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import pikepdf

from fax_bridge.documents.fault import Fault, FaultKind, PageFault
from fax_bridge.documents.job import Limits, Task, TiffPage
from fax_bridge.documents.page import Place, add_g4_page, add_page, encode_g4
from fax_bridge.documents.tiff_bilevel import Effort
from fax_bridge.documents.tiff_file import NotTiff, TiffFile, read_tiff
from fax_bridge.documents.tiff_page import MM_PER_INCH, DecodedPage, decode_page, is_page
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PAPER_POINTS, Paper

_INFO = {"Title", "Author", "Subject", "Keywords", "CreationDate"}


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """A received fax: what can be shown is shown, what cannot is said."""
    data = task.blob("0")
    file = _read(data, task.limits)
    faults = list(file.faults)
    rows: list[TiffPage] = []
    shown = 0
    with pikepdf.new() as pdf:
        for number, page in enumerate(_pages(data, file, task.limits), 1):
            if isinstance(page, PageFault):
                found = [Fault(FaultKind.NOT_SHOWN, number, detail=str(page))]
                _add_placeholder(pdf, number, str(page))
                rows.append(_placeholder(number, str(found[0])))
            else:
                shown += 1
                found = [replace(fault, page=number) for fault in page.faults]
                _add(pdf, page)
                rows.append(_described(number, page, found))
            faults += found
        if not shown:
            raise DocumentRefused(0, "tiff_broken", " ".join(map(str, faults)) or "there is no page in it")
        for name in _INFO & arguments["info"].keys():
            pdf.docinfo[f"/{name}"] = arguments["info"][name]
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue(), {"pages": [asdict(row) for row in rows], "faults": [asdict(fault) for fault in faults]}


def pdf_of_whole_tiff(data: bytes, limits: Limits) -> bytes:
    """An attachment to be sent: all of it, or :class:`DocumentRefused` (``tiff_broken``, ``too_many_pages``)."""
    file = _read(data, limits)
    if file.faults:
        raise DocumentRefused(0, "tiff_broken", str(file.faults[0]))
    with pikepdf.new() as pdf:
        for number, page in enumerate(_pages(data, file, limits), 1):
            if isinstance(page, PageFault):
                raise DocumentRefused(0, "tiff_broken", f"page {number}: {page}")
            if page.faults:
                raise DocumentRefused(0, "tiff_broken", str(replace(page.faults[0], page=number)))
            _add(pdf, page)
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def _read(data: bytes, limits: Limits) -> TiffFile:
    try:
        file = read_tiff(data, most=2 * limits.pages + 1)  # each page may bring a thumbnail
    except NotTiff as error:
        raise DocumentRefused(0, "tiff_broken", str(error)) from error
    pages = tuple(filter(is_page, file.directories)) or file.directories
    if len(pages) > limits.pages:
        raise DocumentRefused(0, "too_many_pages", f"more than {limits.pages} pages")
    if not pages:
        raise DocumentRefused(0, "tiff_broken", " ".join(map(str, file.faults)) or "there is no page in it")
    return TiffFile(pages, file.faults)


def _pages(data: bytes, file: TiffFile, limits: Limits) -> Iterator[DecodedPage | PageFault]:
    effort = Effort()
    for directory in file.directories:
        try:
            yield decode_page(data, directory, effort, most_pixels=limits.image_pixels)
        except PageFault as fault:
            yield fault


def _add(pdf: pikepdf.Pdf, page: DecodedPage) -> None:
    place = Place.whole_page(page.width_points, page.height_points)
    if page.g4:
        add_g4_page(pdf, page.g4, page.image.size, place, black_is_ink=page.ink_is_255)
    elif page.ink_is_255:
        add_g4_page(pdf, encode_g4(page.image, ink_is_255=True), page.image.size, place)
    else:
        add_page(pdf, page.image, place, lossy=page.lossy)


def _described(number: int, page: DecodedPage, faults: Sequence[Fault]) -> TiffPage:
    return TiffPage(
        number=number,
        width_px=page.image.width,
        height_px=page.image.height,
        x_dpi=page.x_dpi,
        y_dpi=page.y_dpi,
        width_mm=page.image.width / page.x_dpi * MM_PER_INCH,
        height_mm=page.image.height / page.y_dpi * MM_PER_INCH,
        lines_unreadable=sum(fault.lost for fault in faults if fault.kind is FaultKind.LINES),
        fault=" ".join(map(str, faults)),
    )


def _placeholder(number: int, fault: str) -> TiffPage:
    width, height = (points / 72 * MM_PER_INCH for points in PAPER_POINTS[Paper.A4])
    return TiffPage(number, 0, 0, 0.0, 0.0, width, height, 0, fault)


def _add_placeholder(pdf: pikepdf.Pdf, number: int, cause: str) -> None:
    """In both of the house's languages, since nobody knows yet who will read the fax."""
    from fax_bridge.documents.html import render  # the engine is loaded for broken faxes only

    words = f"""
      <div style="margin-top:30%; text-align:center; font-family:sans-serif; font-size:14pt">
      <p><b>Bu faksın {number}. sayfası gösterilemiyor.</b><br>Gönderenden bu sayfayı yeniden isteyin.</p>
      <p lang="en"><b>Page {number} of this fax cannot be shown.</b><br>Ask the sender for this page again.</p>
      <p style="font-size:9pt" lang="en">{html.escape(cause)}</p></div>"""
    with pikepdf.open(io.BytesIO(render(words, paper=Paper.A4, most_pages=1))) as placeholder:
        pdf.pages.extend(placeholder.pages)
