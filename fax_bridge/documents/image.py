"""A picture as a page of its own, or made harmless for its place in an HTML page; of an animation the first frame.

Pillow decodes with a fixed list of formats (its EPS reader would start Ghostscript) and after the size is
known, so that a small file cannot unpack into gigabytes.
"""

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pikepdf
from PIL import ExifTags, Image, UnidentifiedImageError

from fax_bridge.documents.grey import grey, upright
from fax_bridge.documents.job import Limits, PartKind
from fax_bridge.documents.page import Place, add_page
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PAPER_POINTS, Paper

_MARGIN = 28.35
"""Points, 10 mm."""
_SCREEN_DPI = 96.0
"""Of a picture that does not say."""
_BELIEVABLE = (60.0, 2400.0)
_NEARLY = 0.03
"""A scan that differs from the paper by less than this is the sheet itself: it gets no margin."""
_FINEST = 400.0
"""Dots per inch on paper beyond which a fax shows nothing more: its finest lines are 204 across and 391 down."""
_FINEST_PHOTO = 300.0
"""The same for what a camera took, whose pixels are no sharper than that; a photo costs by its pixels."""
_ENOUGH = (3400, 3400)
"""Pixels: A4 at that resolution, in its narrow direction."""
_WIDEST_INLINE = 1800

PICTURES = frozenset(
    {PartKind.JPEG, PartKind.PNG, PartKind.GIF, PartKind.BMP, PartKind.WEBP, PartKind.AVIF, PartKind.HEIF}
)
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF")
_LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "HEIF"}
"""MPO is a JPEG that holds further ones, as many phones write."""
_FTYP = slice(4, 8)
"""Where a file of the ISO base media format, AVIF or HEIF, says so (ISO/IEC 14496-12 §4.3)."""


@dataclass(frozen=True, slots=True)
class _Picture:
    image: Image.Image
    """Upright, in mode ``1`` or ``L``."""
    width: float
    height: float
    """Its size in points as it says itself."""
    lossy: bool


def pdf_of_image(data: bytes, limits: Limits, paper: Paper) -> bytes:
    """One upright page of ``paper``. Refused: ``image_broken``, ``image_too_large``."""
    picture = _decoded(data, limits)
    place, turned = _placed(picture.width, picture.height, PAPER_POINTS[paper])
    image = picture.image.transpose(Image.Transpose.ROTATE_270) if turned else picture.image
    with pikepdf.new() as pdf:
        add_page(
            pdf,
            _no_finer_than_shown(image, place, _FINEST_PHOTO if picture.lossy else _FINEST),
            place,
            lossy=picture.lossy,
        )
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


def png_of_image(data: bytes, limits: Limits) -> bytes:
    """The picture decoded and encoded anew, grey, no wider than a page can show. Refused as above."""
    image = _decoded(data, limits).image.convert("L")
    image.thumbnail((_WIDEST_INLINE, _WIDEST_INLINE * 2))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def size_of_image(data: bytes, limits: Limits) -> tuple[int, int]:
    """Width and height in pixels as stored, without decoding. Refused as above."""
    with _opened(data, limits) as image:
        return image.size


@contextmanager
def _opened(data: bytes, limits: Limits) -> Iterator[Image.Image]:
    """The picture, not yet decoded. Refused: ``image_broken``, ``image_too_large``, also for what happens inside."""
    if data[_FTYP] == b"ftyp":
        _register_heif()
    try:
        with Image.open(io.BytesIO(data), formats=(*_FORMATS, *(("HEIF",) if "HEIF" in Image.OPEN else ()))) as image:
            width, height = image.size
            if width * height > limits.image_pixels:
                raise DocumentRefused(0, "image_too_large", f"{width} by {height} pixels")
            yield image
    except UnidentifiedImageError as error:
        raise DocumentRefused(0, "image_broken", "it is no picture of a known kind") from error
    except Image.DecompressionBombError as error:
        raise DocumentRefused(0, "image_too_large", "more pixels than are safe to open") from error
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError) as error:
        raise DocumentRefused(0, "image_broken", str(error)) from error


def _decoded(data: bytes, limits: Limits) -> _Picture:
    with _opened(data, limits) as image:
        width, height = image.size
        x_dpi, y_dpi = _resolution(image)
        lossy = image.format in _LOSSY
        on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) in {5, 6, 7, 8}
        if image.format in {"JPEG", "MPO"}:  # it decodes to a half or a quarter of its size at a fraction of the cost
            image.draft("L" if image.mode in {"L", "RGB"} else None, _ENOUGH)
        shown = grey(upright(image))
    wide, high = width / x_dpi * 72, height / y_dpi * 72
    return _Picture(shown, *((high, wide) if on_its_side else (wide, high)), lossy)


def _register_heif() -> None:
    """HEIC, as iPhones take photos, by libheif; Pillow's wheel reads its sister AVIF only."""
    try:
        pi_heif = importlib.import_module("pi_heif")
    except ImportError:  # no wheel for this machine: the picture is refused as one of an unknown kind
        return
    pi_heif.register_heif_opener(thumbnails=False)


def _resolution(image: Image.Image) -> tuple[float, float]:
    try:
        x_dpi, y_dpi = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return _SCREEN_DPI, _SCREEN_DPI
    believable = all(_BELIEVABLE[0] <= value <= _BELIEVABLE[1] for value in (x_dpi, y_dpi))
    return (x_dpi, y_dpi) if believable else (_SCREEN_DPI, _SCREEN_DPI)


def _placed(width: float, height: float, paper: tuple[float, float]) -> tuple[Place, bool]:
    """Where a picture of this size lies on the paper, and whether it must be turned for that.

    In its own size where that fits inside the margins, otherwise as large as it can be; turned if that is larger.
    """
    sheet_width, sheet_height = paper
    for turned, (wide, high) in enumerate(((width, height), (height, width))):
        if abs(wide / sheet_width - 1) < _NEARLY and abs(high / sheet_height - 1) < _NEARLY:
            return Place.whole_page(sheet_width, sheet_height), bool(turned)
    box_width, box_height = sheet_width - 2 * _MARGIN, sheet_height - 2 * _MARGIN
    scale = min(1.0, box_width / width, box_height / height)
    scale_turned = min(1.0, box_width / height, box_height / width)
    turned = scale_turned > scale
    if turned:
        width, height, scale = height, width, scale_turned
    width, height = width * scale, height * scale
    x, y = (sheet_width - width) / 2, sheet_height - _MARGIN - height
    return Place(sheet_width, sheet_height, x, y, width, height), turned


def _no_finer_than_shown(image: Image.Image, place: Place, finest: float) -> Image.Image:
    most = round(place.width / 72 * finest), round(place.height / 72 * finest)
    if image.mode == "1" or image.width <= most[0] or image.height <= most[1]:
        return image
    return image.resize((max(1, most[0]), max(1, most[1])), Image.Resampling.BICUBIC)
