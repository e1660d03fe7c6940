"""PDF → what a fax machine would send: lines of 1728 pixels, one bit each, as a G4 TIFF.

Fax pixels are not square, so pages are drawn with a different scale across and down in one step; drawing them
square and resizing costs ten times the time and blurs the letters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.page import encode_g4
from fax_bridge.documents.pdfium import QUARTER_TURN, Canvas, Page, draw, opened
from fax_bridge.documents.tiff_file import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    LONG,
    NEW_SUBFILE_TYPE,
    PAGE_NUMBER,
    PHOTOMETRIC,
    RATIONAL,
    RESOLUTION_UNIT,
    ROWS_PER_STRIP,
    SAMPLES_PER_PIXEL,
    SHORT,
    T6_OPTIONS,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
    Field,
    write_tiff,
)
from fax_bridge.fax import FAX_DPI, PAPER_POINTS, Paper, Resolution

LINE = 1728
"""Pixels of a line on A4 and letter (ITU-T T.4 §2)."""

_INK = [0 if value < 128 else 255 for value in range(256)]
_GREY = [255 if 56 <= value <= 216 else 0 for value in range(256)]
_GREY_SHARE = 0.004
"""Above this share of truly grey blocks a page holds a picture, and is dithered."""
_FIRMER = [min(255, max(0, round((value - 16) * 255 / 216))) for value in range(256)]
"""Before dithering: near-black and near-white made pure, so that letters and paper stay clean."""


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    resolution, paper = Resolution(arguments["resolution"]), Paper(arguments["paper"])
    dpi = FAX_DPI[resolution]
    pages = [(page.image.height, page.g4) for page in fax_pages(task.blob("0"), task.limits, resolution, paper)]
    written = [(_fields(height, dpi, number, len(pages)), (strip,)) for number, (height, strip) in enumerate(pages)]
    return write_tiff(written), None


@dataclass(frozen=True, slots=True)
class FaxPage:
    image: Image.Image
    """Mode ``1``, :data:`LINE` pixels wide."""
    g4: bytes
    """The same as ITU-T T.6, in fax polarity."""
    dots: bool
    """Whether it was dithered."""

    @property
    def ink(self) -> float:
        """The share of its pixels that are black."""
        return self.image.histogram()[0] / (self.image.width * self.image.height)


def fax_pages(pdf: bytes, limits: Limits, resolution: Resolution, paper: Paper) -> Iterator[FaxPage]:
    """One after the other, since a page takes up to 8 MB. Refused as by :func:`opened`."""
    with opened(pdf, most_pages=limits.pages) as document:
        for index in range(len(document)):
            page = document[index]
            yield fax_page(page, resolution, paper)
            page.close()


def fax_page(page: Page, resolution: Resolution, paper: Paper) -> FaxPage:
    drawn = _drawn(page, FAX_DPI[resolution], PAPER_POINTS[paper])
    dots = _holds_grey(drawn)
    image = _bilevel(drawn, dots=dots)
    return FaxPage(image, encode_g4(image), dots)


def _drawn(page: Page, dpi: tuple[float, float], paper: tuple[float, float]) -> Image.Image:
    """The whole page on a sheet of the paper's length, in its true size unless that is too large, centred.

    A page that is wider than high is turned when it can be shown larger that way.
    """
    x_scale, y_scale = dpi[0] / 72, dpi[1] / 72
    sheet = LINE / x_scale, paper[1]
    width, height = page.get_size()
    fits = min(1.0, sheet[0] / width, sheet[1] / height)
    fits_turned = min(1.0, sheet[0] / height, sheet[1] / width)
    turned = width > height and fits_turned > fits
    if turned:
        width, height, fits = height, width, fits_turned
    high = round(sheet[1] * y_scale)
    page_width = max(1, min(LINE, round(width * fits * x_scale)))
    page_height = max(1, min(high, round(height * fits * y_scale)))
    left, top = (LINE - page_width) // 2, (high - page_height) // 2
    return draw(page, Canvas(LINE, high, left, top, page_width, page_height, QUARTER_TURN if turned else 0))


def _holds_grey(image: Image.Image) -> bool:
    """The edges of letters are grey too, but one pixel thin: only blocks of 3 by 3 that are grey throughout count."""
    blocks = image.point(_GREY).reduce(3)
    return blocks.histogram()[255] > _GREY_SHARE * blocks.width * blocks.height


def _bilevel(image: Image.Image, *, dots: bool) -> Image.Image:
    """One bit a pixel: a plain threshold for letters, error diffusion where the page holds true grey."""
    return image.point(_FIRMER).convert("1") if dots else image.point(_INK, "1")


def _fields(height: int, dpi: tuple[float, float], number: int, total: int) -> dict[int, Field]:
    """The fields of TIFF class F (RFC 2306 §4.2, RFC 3949): white is 0, the first bit is the highest."""
    return {
        NEW_SUBFILE_TYPE: (LONG, (2,)),
        WIDTH: (LONG, (LINE,)),
        HEIGHT: (LONG, (height,)),
        BITS_PER_SAMPLE: (SHORT, (1,)),
        COMPRESSION: (SHORT, (4,)),
        PHOTOMETRIC: (SHORT, (0,)),
        FILL_ORDER: (SHORT, (1,)),
        SAMPLES_PER_PIXEL: (SHORT, (1,)),
        ROWS_PER_STRIP: (LONG, (height,)),
        X_RESOLUTION: (RATIONAL, (round(dpi[0]), 1)),
        Y_RESOLUTION: (RATIONAL, (round(dpi[1]), 1)),
        T6_OPTIONS: (LONG, (0,)),
        RESOLUTION_UNIT: (SHORT, (2,)),
        PAGE_NUMBER: (SHORT, (number, total)),
    }
