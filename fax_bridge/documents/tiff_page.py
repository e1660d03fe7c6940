"""One page of a TIFF: what its directory promises, its pixels as an upright image, and its true resolution.

Each page is decoded out of a TIFF of its own, written from checked values only, so that one page's damage
cannot reach another and libtiff never sees a file as a stranger wrote it.
"""

import io
import math
from dataclasses import dataclass, replace

from PIL import Image

from fax_bridge.documents.fault import Fault, FaultKind, PageFault
from fax_bridge.documents.grey import grey
from fax_bridge.documents.libtiff import UNREADABLE, listening
from fax_bridge.documents.tiff_bilevel import Effort, decode_fax_coded
from fax_bridge.documents.tiff_file import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    LONG,
    NEW_SUBFILE_TYPE,
    ORIENTATION,
    PHOTOMETRIC,
    RESOLUTION_UNIT,
    ROWS_PER_STRIP,
    SAMPLES_PER_PIXEL,
    SHORT,
    STRIP_OFFSETS,
    SUBFILE_TYPE,
    T4_OPTIONS,
    T6_OPTIONS,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
    Directory,
    Field,
    write_tiff,
)
from fax_bridge.documents.tiff_reading import REVERSED, is_fax_coded

MM_PER_INCH = 25.4

_KNOWN = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, MH, G3, G4, LZW, JPEG, Deflate, PackBits, and Deflate's older number."""
_ONE_VALUE = (FILL_ORDER, SAMPLES_PER_PIXEL, T4_OPTIONS, T6_OPTIONS, 284, 317, 322, 323, 531)
_MANY_VALUES = (BITS_PER_SAMPLE, 320, 338, 339, 347, 529, 530, 532)
"""Fields that say how the pixels are coded. 284 planes, 317 predictor, 320 colours, 322 and 323 tiles, 338 and 339
samples, 347 JPEG tables, 529 to 532 YCbCr."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FAX_WIDTHS = {1728: 204.0, 2048: 204.0, 2432: 204.0, 2592: 306.0, 3456: 408.0, 4096: 408.0, 4864: 408.0}
"""Pixels of a line → dots per inch: A4, B4 and A3 lines of ITU-T T.4 §2, and their finer forms."""
_FAX_LINES = (98.0, 196.0, 391.0)
_A4_WIDTH, _A4_HEIGHT = 210 / MM_PER_INCH, 297 / MM_PER_INCH
_LONGEST = 200.0
"""Inches: the longest side that every PDF reader takes (ISO 32000-1 annex C.2)."""


@dataclass(frozen=True, slots=True)
class DecodedPage:
    image: Image.Image
    """Upright, mode ``1`` or ``L``; white is 255, or ink is 255 where ``ink_is_255``."""
    x_dpi: float
    y_dpi: float
    lossy: bool = False
    """Whether its pixels were lossy already, so that JPEG takes nothing more from them."""
    ink_is_255: bool = False
    g4: bytes = b""
    """The image as one strip of G4, black where it is 255, if that was made already."""
    faults: tuple[Fault, ...] = ()
    """Without their page's number; none where nothing speaks against the page."""

    @property
    def width_points(self) -> float:
        return self.image.width / self.x_dpi * 72

    @property
    def height_points(self) -> float:
        return self.image.height / self.y_dpi * 72


def is_page(directory: Directory) -> bool:
    """False for thumbnails and masks, which some senders put beside the pages (TIFF 6.0, NewSubfileType)."""
    return not directory.number(NEW_SUBFILE_TYPE) & 0b101 and directory.number(SUBFILE_TYPE) != 2


def decode_page(data: bytes, directory: Directory, effort: Effort, *, most_pixels: int) -> DecodedPage:
    """The page's pixels, upright, with what speaks against them. Raises :class:`PageFault`."""
    width, height = directory.number(WIDTH), directory.number(HEIGHT)
    # A program that was stopped while it received leaves the height at zero; the lines are there all the same.
    if width < 1 or (height < 1 and not (is_fax_coded(directory) and len(directory.numbers(STRIP_OFFSETS)) == 1)):
        raise PageFault(f"it claims to be {width} by {height} pixels")
    if width * height > most_pixels:
        raise PageFault(f"it claims to be {width} by {height} pixels, more than allowed")
    compression = directory.number(COMPRESSION, 1)
    if compression not in _KNOWN:
        raise PageFault(f"its compression {compression} is not known")
    x_dpi, y_dpi = resolution(directory)
    if width / x_dpi > _LONGEST or height / y_dpi > _LONGEST:
        raise PageFault(f"it claims to be {width} by {height} pixels, longer than any paper")
    try:
        if is_fax_coded(directory):
            most_lines = min(most_pixels // width, int(_LONGEST * y_dpi))
            fax = decode_fax_coded(data, directory, effort, most_lines=most_lines)
            page = DecodedPage(fax.coded, x_dpi, y_dpi, False, fax.black_is_one, fax.g4, fax.faults)
        else:
            page = _decoded_by_pillow(data, directory, x_dpi, y_dpi)
    except ValueError as error:
        raise PageFault(str(error)) from error
    turn = directory.number(ORIENTATION, 1)
    return _turned(page, turn) if turn in _TURNS else page


def _decoded_by_pillow(data: bytes, directory: Directory, x_dpi: float, y_dpi: float) -> DecodedPage:
    """Grey and colour, and one bit that is not coded as a fax. Damage is told by what libtiff says on the way."""
    complaints: list[str] = []
    strips, lost = directory.strips(data), 0
    if _is_plain(directory):
        strips, lost = _completed(strips, directory)
    height = directory.number(HEIGHT)
    if lost == height:
        raise PageFault(f"none of its {height} lines can be read")
    try:
        with listening(complaints):
            image = Image.open(io.BytesIO(_alone(strips, directory)), formats=("TIFF",))
            image.load()
            shown = image if image.mode == "1" else grey(image)
    except UNREADABLE as error:
        raise PageFault("; ".join([str(error), *complaints[:1]])) from error
    if directory.is_cut(data) and not lost:
        complaints.insert(0, "the file ends before the page does")
    faults = tuple(Fault(FaultKind.DOUBT, detail=complaint) for complaint in complaints[:1])
    if lost:
        faults = (Fault(FaultKind.LINES, lost=lost, total=height), *faults)
    return DecodedPage(shown, x_dpi, y_dpi, directory.number(COMPRESSION, 1) == 7, faults=faults)


def _is_plain(directory: Directory) -> bool:
    """One bit a pixel and not coded at all."""
    depth = directory.number(BITS_PER_SAMPLE, 1), directory.number(SAMPLES_PER_PIXEL, 1)
    is_coded = directory.is_tiled or directory.number(COMPRESSION, 1) != 1
    return depth == (1, 1) and not is_coded and directory.number(PHOTOMETRIC, 0) in {0, 1}


def _completed(strips: list[bytes], directory: Directory) -> tuple[list[bytes], int]:
    """The strips of a plain page, filled up with white lines, and how many those are."""
    white = b"\xff" if directory.number(PHOTOMETRIC, 0) == 1 else b"\0"
    height, stride = directory.number(HEIGHT), (directory.number(WIDTH) + 7) // 8
    rows = directory.number(ROWS_PER_STRIP, height)
    rows = rows if 0 < rows < height else height
    tops = range(0, height, rows)
    whole, lost = [], 0
    for index, top in enumerate(tops):
        strip = strips[index] if index < len(strips) else b""
        lines = min(rows, height - top)
        kept = min(lines, len(strip) // stride)
        lost += lines - kept
        whole.append(strip[: kept * stride] + white * ((lines - kept) * stride))
    return whole, lost


def _turned(page: DecodedPage, turn: int) -> DecodedPage:
    x_dpi, y_dpi = (page.y_dpi, page.x_dpi) if turn >= 5 else (page.x_dpi, page.y_dpi)
    return replace(page, image=page.image.transpose(_TURNS[turn]), x_dpi=x_dpi, y_dpi=y_dpi, g4=b"")


def _alone(strips: list[bytes], directory: Directory) -> bytes:
    """A TIFF of this page only. Its bits stand highest first, so that libtiff need not turn them."""
    compression = directory.number(COMPRESSION, 1)
    width, height = directory.number(WIDTH), directory.number(HEIGHT)
    fields: dict[int, Field] = {
        tag: (_classic(kind), values[:1] if tag in _ONE_VALUE else values)
        for tag, (kind, values) in directory.fields.items()
        if tag in _ONE_VALUE or tag in _MANY_VALUES
    }
    rows = directory.number(ROWS_PER_STRIP, height)
    fields |= {
        WIDTH: (LONG, (width,)),
        HEIGHT: (LONG, (height,)),
        COMPRESSION: (SHORT, (compression,)),
        PHOTOMETRIC: (SHORT, (directory.number(PHOTOMETRIC, 0) & 0xFFFF,)),
    }
    if not directory.is_tiled:
        fields[ROWS_PER_STRIP] = (LONG, (rows if 0 < rows < height else height,))
    if fields.get(FILL_ORDER, (SHORT, (1,)))[1][0] == 2 and compression == 1:
        strips = [strip.translate(REVERSED) for strip in strips]
        del fields[FILL_ORDER]
    return write_tiff([(fields, strips)], order=directory.order)


def _classic(kind: int) -> int:
    """BigTIFF's 64-bit types have no place in the classic TIFF that is written."""
    return LONG if kind in {13, 16, 17, 18} else kind


# --- resolution -------------------------------------------------------------------------------------


def resolution(directory: Directory) -> tuple[float, float]:
    """Dots per inch across and down, as the file says, or as a fax of this many pixels and lines must have been.

    Real faxes come without resolution, with 0/0, without a unit, or with the one across only.
    """
    width, height = directory.number(WIDTH), directory.number(HEIGHT)
    per_inch = MM_PER_INCH / 10 if directory.number(RESOLUTION_UNIT, 2) == 3 else 1.0
    x_dpi = directory.ratio(X_RESOLUTION) * per_inch
    y_dpi = directory.ratio(Y_RESOLUTION) * per_inch
    # A fax line of 1728 pixels is 215 mm wide; what says it were twice as wide speaks of other units.
    least = 120.0 if width in _FAX_WIDTHS else 60.0
    if not least <= x_dpi <= 5000:
        x_dpi, y_dpi = _FAX_WIDTHS.get(width, max(60.0, width / _A4_WIDTH)), 0.0
    if not 30 <= y_dpi <= 5000:
        y_dpi = _likely_lines(height) if width in _FAX_WIDTHS else x_dpi
    return x_dpi, y_dpi


def _likely_lines(height: int) -> float:
    """The fax resolution at which so many lines come nearest to a sheet of A4."""
    return min(_FAX_LINES, key=lambda lines: abs(math.log(max(height, 1) / lines / _A4_HEIGHT)))
