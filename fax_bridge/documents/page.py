"""One raster image on one page of a PDF, losslessly: bilevel as G4, grey as Flate with the PNG predictors.

Both are encoded by Pillow and taken out of its TIFF and PNG, since qpdf encodes no images.
"""

import io
import struct
from dataclasses import dataclass

import pikepdf
from PIL import Image

from fax_bridge.documents.tiff_file import COMPRESSION, read_tiff

_JPEG_QUALITY = 88
_INVERTED = [255] + 255 * [0]
"""Not ``ImageChops.invert``: a bilevel image may hold any number for white, and 255 - 1 is white again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies, in PDF points from the lower left corner of its page."""

    page_width: float
    page_height: float
    x: float
    y: float
    width: float
    height: float

    @classmethod
    def whole_page(cls, width: float, height: float) -> "Place":
        return cls(width, height, 0, 0, width, height)


def add_page(pdf: pikepdf.Pdf, image: Image.Image, place: Place, *, lossy: bool = False) -> None:
    """Append a page that shows ``image`` (mode ``1`` or ``L``); ``lossy`` writes grey as JPEG."""
    if image.mode == "1":
        add_g4_page(pdf, encode_g4(image), image.size, place)
    else:
        _append(pdf, _jpeg(pdf, image) if lossy else _grey(pdf, image), image.size, place)


def add_g4_page(pdf: pikepdf.Pdf, g4: bytes, size: tuple[int, int], place: Place, *, black_is_ink: bool = True) -> None:
    """Append a page that shows one strip of T.6, whose black is ink, or paper."""
    parameters = pikepdf.Dictionary(K=-1, Columns=size[0], Rows=size[1], BlackIs1=not black_is_ink)
    fax = pikepdf.Name.CCITTFaxDecode
    _append(pdf, pikepdf.Stream(pdf, g4, Filter=fax, DecodeParms=parameters, BitsPerComponent=1), size, place)


def _append(pdf: pikepdf.Pdf, picture: pikepdf.Stream, size: tuple[int, int], place: Place) -> None:
    picture.Type = pikepdf.Name.XObject
    picture.Subtype = pikepdf.Name.Image
    picture.Width, picture.Height = size
    picture.ColorSpace = pikepdf.Name.DeviceGray
    # The same rounded numbers in both places: a MediaBox a hair larger than the image shows a white line.
    width, height = _number(place.page_width), _number(place.page_height)
    matrix = f"{_number(place.width)} 0 0 {_number(place.height)} {_number(place.x)} {_number(place.y)}"
    page = pikepdf.Dictionary(
        Type=pikepdf.Name.Page,
        MediaBox=pikepdf.Array([0, 0, pikepdf.Object.parse(width.encode()), pikepdf.Object.parse(height.encode())]),
        Resources=pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=picture)),
        Contents=pdf.make_stream(f"q {matrix} cm /Im Do Q".encode()),
    )
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))


def encode_g4(image: Image.Image, *, ink_is_255: bool = False) -> bytes:
    """One bilevel image as a single T.6 stream in fax polarity: white is 0, ink is 1, first bit highest."""
    written = io.BytesIO()
    # Inverted, since Pillow's white is 1: white runs get the codes that ITU-T T.6 meant for them.
    coded = image if ink_is_255 else image.point(_INVERTED)
    coded.save(written, "TIFF", compression="group4", strip_size=1 << 30)
    data = written.getvalue()
    (directory,) = read_tiff(data, most=1).directories
    strips = directory.strips(data)
    if directory.number(COMPRESSION) != 4 or len(strips) != 1:  # a PDF image is one stream
        raise RuntimeError(f"Pillow wrote {len(strips)} strips of compression {directory.number(COMPRESSION)}")
    return strips[0]


def _jpeg(pdf: pikepdf.Pdf, image: Image.Image) -> pikepdf.Stream:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=_JPEG_QUALITY)
    return pikepdf.Stream(pdf, written.getvalue(), Filter=pikepdf.Name.DCTDecode, BitsPerComponent=8)


def _grey(pdf: pikepdf.Pdf, image: Image.Image) -> pikepdf.Stream:
    """PNG's IDAT is what PDF calls Flate with predictor 15 (ISO 32000-1 §7.4.4.4)."""
    written = io.BytesIO()
    image.save(written, "PNG")
    parameters = pikepdf.Dictionary(Predictor=15, Colors=1, BitsPerComponent=8, Columns=image.width)
    data = b"".join(_chunks(written.getvalue(), b"IDAT"))
    return pikepdf.Stream(pdf, data, Filter=pikepdf.Name.FlateDecode, DecodeParms=parameters, BitsPerComponent=8)


def _chunks(png: bytes, wanted: bytes) -> list[bytes]:
    found = []
    position = 8
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind == wanted:
            found.append(png[position + 8 : position + 8 + length])
        position += 12 + length
    return found


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
