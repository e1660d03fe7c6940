"""PDFium as this house uses it: a document opened from bytes, a page drawn grey on white at any two scales."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from fax_bridge.errors import DocumentRefused

_LOCKED = {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}
Page = pypdfium2.PdfPage
QUARTER_TURN = 1
"""Clockwise, as PDFium counts."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A white sheet of ``width`` by ``height`` pixels, and where on it the page comes to lie."""

    width: int
    height: int
    x: int
    y: int
    page_width: int
    page_height: int
    turn: int = 0

    @classmethod
    def of_page(cls, page: pypdfium2.PdfPage, dpi: float) -> "Canvas":
        """Exactly as large as the page."""
        width, height = (max(1, round(points * dpi / 72)) for points in page.get_size())
        return cls(width, height, 0, 0, width, height)


@contextmanager
def opened(data: bytes, *, most_pages: int) -> Iterator[pypdfium2.PdfDocument]:
    """Refused: ``pdf_password``, ``pdf_broken``, ``pdf_empty``, ``too_many_pages``."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise DocumentRefused(0, "pdf_password" if error.err_code in _LOCKED else "pdf_broken", str(error)) from error
    with document:
        if not len(document):
            raise DocumentRefused(0, "pdf_empty")
        if len(document) > most_pages:
            raise DocumentRefused(0, "too_many_pages", f"{len(document)} pages, {most_pages} are allowed")
        yield document


def draw(page: pypdfium2.PdfPage, canvas: Canvas) -> Image.Image:
    """The page as it prints, in mode ``L``."""
    bitmap = pypdfium2.PdfBitmap.new_native(canvas.width, canvas.height, pdfium.FPDFBitmap_Gray)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, canvas.width, canvas.height)
    place = (canvas.x, canvas.y, canvas.page_width, canvas.page_height)
    flags = pdfium.FPDF_ANNOT | pdfium.FPDF_PRINTING | pdfium.FPDF_GRAYSCALE
    pdfium.FPDF_RenderPageBitmap(bitmap, page, *place, canvas.turn, flags)
    image: Image.Image = bitmap.to_pil()
    return image


def through_pdfium(data: bytes, *, most_pages: int) -> bytes:
    """The pages as PDFium reads and writes them, with what a form shows. Refused as :func:`opened`."""
    with opened(data, most_pages=most_pages) as source, pypdfium2.PdfDocument.new() as copy:
        if source.init_forms():
            for index in range(len(source)):
                source[index].flatten(pdfium.FLAT_PRINT)
        copy.import_pages(source)
        out = io.BytesIO()
        copy.save(out)
    return out.getvalue()
