"""TIFF → PDF: every page decoded, encoded anew and put on a PDF page of its true size.

Nothing of the file's own bytes is passed through: valid G4 exists that breaks PDF readers, and so do bombs.
Pillow's PDF writer is not used; it gives all pages the first one's resolution and inherits reversed bits.
"""

import html
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pikepdf

from fax_bridge.documents.job import Limits, Task, TiffPage
from fax_bridge.documents.page import Place, add_page
from fax_bridge.documents.tiff_file import NotTiff, TiffFile, read_tiff
from fax_bridge.documents.tiff_page import MM_PER_INCH, DecodedPage, PageFault, decode_page, is_page
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PAPER_POINTS, Paper

_INFO = {"Title", "Author", "Subject", "Keywords"}


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """A received fax: what can be shown is shown, what cannot is said."""
    file = _read(task.blob("0"), task.limits)
    faults = list(file.problems)
    rows: list[TiffPage] = []
    decoded = 0
    with pikepdf.new() as pdf:
        for number, page in enumerate(_pages(task.blob("0"), file, task.limits), 1):
            if isinstance(page, PageFault):
                _add_placeholder(pdf, number, str(page))
                width, height = (points / 72 * MM_PER_INCH for points in PAPER_POINTS[Paper.A4])
                fault = f"Page {number} cannot be shown: {page}. A page that says so stands in its place."
                rows.append(TiffPage(number, 0, 0, 0.0, 0.0, width, height, fault))
            else:
                decoded += 1
                _add(pdf, page)
                fault = f"Page {number} may be incomplete: {page.fault}." if page.fault else ""
                rows.append(_described(number, page, fault))
            if fault:
                faults.append(fault)
        if not decoded:
            raise DocumentRefused(0, "tiff_broken", " ".join(faults) or "there is no page in it")
        for name in _INFO & arguments["info"].keys():
            pdf.docinfo[f"/{name}"] = arguments["info"][name]
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue(), {"pages": [asdict(row) for row in rows], "faults": faults}


def pdf_of_whole_tiff(data: bytes, limits: Limits) -> bytes:
    """An attachment to be sent: all of it, or :class:`DocumentRefused` (``tiff_broken``, ``too_many_pages``)."""
    file = _read(data, limits)
    if file.problems:
        raise DocumentRefused(0, "tiff_broken", file.problems[0])
    with pikepdf.new() as pdf:
        for number, page in enumerate(_pages(data, file, limits), 1):
            if isinstance(page, PageFault) or page.fault:
                words = page if isinstance(page, PageFault) else page.fault
                raise DocumentRefused(0, "tiff_broken", f"page {number}: {words}")
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
        raise DocumentRefused(0, "tiff_broken", " ".join(file.problems) or "there is no page in it")
    return TiffFile(pages, file.problems)


def _pages(data: bytes, file: TiffFile, limits: Limits) -> Iterator[DecodedPage | PageFault]:
    for directory in file.directories:
        try:
            yield decode_page(data, directory, most_pixels=limits.image_pixels)
        except PageFault as fault:
            yield fault


def _add(pdf: pikepdf.Pdf, page: DecodedPage) -> None:
    add_page(pdf, page.image, Place.whole_page(page.width_points, page.height_points), lossy=page.lossy)


def _described(number: int, page: DecodedPage, fault: str) -> TiffPage:
    return TiffPage(
        number=number,
        width_px=page.image.width,
        height_px=page.image.height,
        x_dpi=page.x_dpi,
        y_dpi=page.y_dpi,
        width_mm=page.image.width / page.x_dpi * MM_PER_INCH,
        height_mm=page.image.height / page.y_dpi * MM_PER_INCH,
        fault=fault,
    )


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
