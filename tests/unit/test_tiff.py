"""A received TIFF as PDF: every pixel, the true size of each page, and a word about each thing that is wrong."""

import base64
import hashlib
import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageDraw

from fax_bridge.documents import tiff
from fax_bridge.documents.fault import FaultKind
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.worker import ConvertedFax, Documents
from fax_bridge.errors import DocumentRefused
from tests.tiff_builder import REVERSED, Sheet, drawing, sheet, strip_of, tiff_of

DATA = Path(__file__).parents[1] / "data" / "tiff"
LIMITS = Limits(pages=40)

Convert = Callable[..., ConvertedFax]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """The job itself, without the worker process around it."""

    def run(data: bytes, **info: str) -> ConvertedFax:
        (tmp_path / "0").write_bytes(data)
        pdf, result = tiff.work(Task(tmp_path, LIMITS), {"info": info})
        return ConvertedFax.of_reply(pdf, result)

    return run


# --- looking at PDFs --------------------------------------------------------------------------------------


def images_in(pdf: bytes) -> list[Image.Image]:
    """The image of each page, decoded by PDFium."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = []
        for page in document:
            (image,) = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
            found.append(image.get_bitmap().to_pil().convert("L"))
        return found


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("L"), other.convert("L")).getbbox() is None


def drawn(pdf: bytes, page: int = 0, dpi: float = 144) -> Image.Image:
    """A page as a reader shows it, at square pixels."""
    with pypdfium2.PdfDocument(pdf) as document:
        image: Image.Image = document[page].render(scale=dpi / 72).to_pil().convert("L")
        return image


def text_in(pdf: bytes, page: int = 0) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return str(document[page].get_textpage().get_text_range())


# --- every pixel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["g3-1d-lsb-strips", "g3-2d-fill", "g4-lsb", "g4-be"])
def test_each_coding_of_another_encoder_comes_out_pixel_for_pixel(convert: Convert, name: str) -> None:
    """G3 and G4, both bit orders, both byte orders, one strip or many: the image in the PDF is the reference."""
    made = convert((DATA / f"{name}.tif").read_bytes())
    (image,) = images_in(made.pdf)
    assert same(image, Image.open(DATA / "page.png"))
    assert made.faults == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("width", [1728, 1727, 1, 2432])
@pytest.mark.parametrize(
    ("compression", "options"), [("raw", 0), ("tiff_ccitt", 0), ("group3", 0), ("group3", 1), ("group4", 0)]
)
def test_each_coding_width_and_byte_order_keeps_every_pixel(
    convert: Convert, compression: str, options: int, width: int, order: str
) -> None:
    """MH, MR, MMR and plain bits, also in widths that are no whole number of bytes."""
    image = drawing(width, 64)
    made = convert(tiff_of(sheet(image, compression=compression, options=options), order=order))
    assert same(images_in(made.pdf)[0], image)
    assert made.faults == ()


@pytest.mark.parametrize("compression", ["raw", "tiff_ccitt", "group3", "group4"])
def test_reversed_bits_are_turned(convert: Convert, compression: str) -> None:
    """FillOrder 2 means the lowest bit first (TIFF 6.0 §8); fax modems store it so."""
    image = drawing()
    plain = sheet(image, compression=compression)
    reversed_bits = Sheet({**plain.fields, 266: (3, [2])}, [strip.translate(REVERSED) for strip in plain.strips])
    assert same(images_in(convert(tiff_of(reversed_bits)).pdf)[0], image)


def test_black_may_be_zero_or_one(convert: Convert) -> None:
    """MinIsBlack shows the same bits the other way round, and a missing word means fax: white is zero."""
    image = drawing()
    inverted = ImageChops.invert(image)
    assert same(images_in(convert(tiff_of(sheet(image, fields={262: (3, [1])}))).pdf)[0], inverted)
    assert same(images_in(convert(tiff_of(sheet(image, fields={262: None}))).pdf)[0], image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_stands_upright_in_its_true_size(convert: Convert, orientation: int) -> None:
    """TIFF 6.0 Orientation 1 to 8: the stored rows and columns are turned, and the two resolutions with them."""
    upright = drawing(320, 200)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    dpi = (98.0, 204.0) if orientation >= 5 else (204.0, 98.0)
    made = convert(tiff_of(sheet(stored, dpi=dpi, fields={274: (3, [orientation])})))
    assert same(images_in(made.pdf)[0], upright)
    assert (made.pages[0].x_dpi, made.pages[0].y_dpi) == (204, 98)
    assert made.pages[0].width_mm == pytest.approx(320 / 204 * 25.4)


def test_strips_may_be_many_or_one_line_each(convert: Convert) -> None:
    """Each strip is coded on its own, down to one line."""
    image = drawing(600, 50)
    for rows in (1, 7, 49, 50):
        pieces = [image.crop((0, top, 600, min(top + rows, 50))) for top in range(0, 50, rows)]
        many = Sheet({**sheet(image).fields, 278: (4, [rows])}, [strip_of(piece) for piece in pieces])
        assert same(images_in(convert(tiff_of(many)).pdf)[0], image)


@pytest.mark.parametrize("rows", [None, (4, [2**32 - 1]), (3, [0]), (2, [])])
def test_rows_per_strip_may_be_missing_or_absurd(convert: Convert, rows: tuple[int, Sequence[int]] | None) -> None:
    """Then all rows are in the one strip (TIFF 6.0, RowsPerStrip)."""
    image = drawing()
    assert same(images_in(convert(tiff_of(sheet(image, fields={278: rows}))).pdf)[0], image)


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("counts", [(4, [0]), (2, [])])
def test_a_strip_without_a_length_ends_where_the_file_does(
    convert: Convert, counts: tuple[int, Sequence[int]], front: bool
) -> None:
    """StripByteCounts of zero, or none at all, are common in faxes; the picture is there all the same."""
    image = drawing()
    made = convert(tiff_of(sheet(image, fields={279: counts}), front=front))
    assert same(images_in(made.pdf)[0], image)
    assert made.faults == ()


def test_grey_and_colour_pages_are_kept_as_grey(convert: Convert) -> None:
    """A scanner's page is no fax, but it is a page: lossless stays lossless."""
    grey = Image.linear_gradient("L").resize((300, 200))
    for mode, compression in (("L", "tiff_lzw"), ("L", "packbits"), ("L", "tiff_adobe_deflate"), ("RGB", "tiff_lzw")):
        out = io.BytesIO()
        grey.convert(mode).save(out, "TIFF", compression=compression, dpi=(100, 100))
        made = convert(out.getvalue())
        assert same(images_in(made.pdf)[0], grey)
        assert made.pages[0].width_mm == pytest.approx(76.2)
    out = io.BytesIO()
    grey.save(out, "TIFF", compression="jpeg", quality=95, dpi=(100, 100))
    (image,) = images_in(convert(out.getvalue()).pdf)
    assert max(ImageChops.difference(image, grey).tobytes()) < 24


def test_a_big_tiff_is_read_like_any(convert: Convert) -> None:
    """The 64-bit form of the container (magic 43) holds the same pages."""
    grey = Image.linear_gradient("L")
    out = io.BytesIO()
    grey.save(out, "TIFF", big_tiff=True, dpi=(100, 100))
    assert out.getvalue()[2] == 43
    assert same(images_in(convert(out.getvalue()).pdf)[0], grey)


def test_sixteen_bit_samples_keep_their_upper_half(convert: Convert) -> None:
    """Pillow alone would turn nearly every 16-bit sample white."""
    out = io.BytesIO()
    Image.new("I;16", (80, 80), 0x8000).save(out, "TIFF", dpi=(100, 100))
    (image,) = images_in(convert(out.getvalue()).pdf)
    assert image.getextrema() == (128, 128)


# --- true size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpi", [(204, 98), (204, 196), (204, 391), (408, 391), (200, 100)])
def test_a_circle_stays_round(convert: Convert, dpi: tuple[int, int]) -> None:
    """Fax pixels are not square. A 60 mm circle is 60 mm wide and high in the PDF, within one per cent."""
    across, down = (60 / 25.4 * value for value in dpi)
    width = 3456 if dpi[0] == 408 else 1728
    image = Image.new("1", (width, round(dpi[1] * 5)), 255)
    ImageDraw.Draw(image).ellipse((200, 40, 200 + across, 40 + down), fill=0)
    made = convert(tiff_of(sheet(image, dpi=dpi)))
    box = ImageChops.invert(drawn(made.pdf, dpi=300)).point(lambda value: 255 if value > 127 else 0).getbbox()
    assert box is not None
    round_width, round_height = box[2] - box[0], box[3] - box[1]
    assert round_width / round_height == pytest.approx(1, rel=0.01)
    assert round_width == pytest.approx(60 / 25.4 * 300, rel=0.01)


def test_each_page_has_its_own_size_and_resolution(convert: Convert) -> None:
    """One file may hold pages of different width, length and fineness; none takes another's."""
    pages = [
        (drawing(1728, 1145), (204.0, 98.0)),
        (drawing(2432, 600), (204.0, 196.0)),
        (drawing(1728, 4570), (204.0, 391.0)),
        (drawing(100, 50), (100.0, 100.0)),
    ]
    made = convert(tiff_of(*(sheet(image, dpi=dpi) for image, dpi in pages)))
    assert [(page.width_px, page.height_px, page.x_dpi, page.y_dpi) for page in made.pages] == [
        (*image.size, *dpi) for image, dpi in pages
    ]
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        for page, (image, dpi) in zip(pdf.pages, pages, strict=True):
            width, height = float(page.mediabox[2]), float(page.mediabox[3])
            assert width == pytest.approx(image.width / dpi[0] * 72, abs=0.001)
            assert height == pytest.approx(image.height / dpi[1] * 72, abs=0.001)
    assert all(same(image, page[0]) for image, page in zip(images_in(made.pdf), pages, strict=True))


@pytest.mark.parametrize(
    ("size", "fields", "expected"),
    [
        ((1728, 2291), {282: None, 283: None}, (204, 196)),
        ((1728, 1145), {282: None, 283: None}, (204, 98)),
        ((1728, 4570), {282: None, 283: None}, (204, 391)),
        ((2048, 2291), {282: None, 283: None}, (204, 196)),
        ((2432, 2291), {282: None, 283: None}, (204, 196)),
        ((1728, 2291), {282: (5, [0, 0]), 283: (5, [0, 0])}, (204, 196)),
        ((1728, 2291), {282: (5, [1, 1]), 283: (5, [1, 1])}, (204, 196)),
        ((1728, 1145), {283: None}, (204, 98)),
        ((1728, 1145), {282: (5, [72, 1]), 283: (5, [72, 1])}, (204, 98)),
        ((1728, 2291), {282: (5, [8031, 100]), 283: (5, [7717, 100]), 296: (3, [3])}, (204, 196)),
        ((1728, 2291), {296: (3, [1])}, (204, 196)),
        ((1728, 2291), {296: None}, (204, 196)),
        ((1728, 2200), {282: (4, [200]), 283: (4, [200])}, (200, 200)),
        ((1654, 2339), {282: None, 283: None}, (200, 200)),
    ],
)
def test_resolution_that_is_missing_or_absurd_is_read_from_the_shape_of_a_fax(
    convert: Convert,
    size: tuple[int, int],
    fields: dict[int, tuple[int, Sequence[int]] | None],
    expected: tuple[float, float],
) -> None:
    """Missing, 0/0, 1/1, in centimetres, without a unit, one direction only, an integer: all were seen."""
    (page,) = convert(tiff_of(sheet(Image.new("1", size, 255), fields=fields))).pages
    assert (page.x_dpi, page.y_dpi) == pytest.approx(expected, rel=0.005)


def test_thumbnails_are_no_pages(convert: Convert) -> None:
    """Reduced copies (NewSubfileType bit 0, or the older SubfileType 2) and masks are left aside."""
    image = drawing()
    small = image.resize((100, 20))
    made = convert(
        tiff_of(
            sheet(image, fields={254: (4, [2])}),
            sheet(small, fields={254: (4, [1])}),
            sheet(small, fields={255: (3, [2])}),
            sheet(small, fields={254: (4, [4])}),
            sheet(image),
        )
    )
    assert [page.width_px for page in made.pages] == [1728, 1728]
    assert made.faults == ()


def test_the_document_carries_its_information(convert: Convert) -> None:
    """Title and sender are in the PDF's own information, Turkish letters too."""
    made = convert(tiff_of(sheet(drawing())), Title="Faks +90 212 şube", Author="ğüşıöç", Secret="no")
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        assert str(pdf.docinfo["/Title"]) == "Faks +90 212 şube"
        assert str(pdf.docinfo["/Author"]) == "ğüşıöç"
        assert "/Secret" not in pdf.docinfo


def test_the_same_fax_gives_the_same_bytes(convert: Convert) -> None:
    """A conversion that is repeated after a crash attaches the same file."""
    data = tiff_of(sheet(drawing()))
    assert convert(data).pdf == convert(data).pdf


# --- what is broken ---------------------------------------------------------------------------------------


BROKEN_PAGES: dict[str, dict[int, tuple[int, Sequence[int]] | None]] = {
    "outside the file": {273: (4, [0x7FFFFFFF])},
    "no image data": {273: (4, [])},
    "unknown compression": {259: (3, [34661])},
    "no width": {256: None},
    "zero width": {256: (4, [0])},
    "zero height": {257: (4, [0]), 259: (3, [1])},
    "65535 squared": {256: (4, [65535]), 257: (4, [65535])},
    "100,000 squared": {256: (4, [100_000]), 257: (4, [100_000])},
    "a line of 2^31": {256: (4, [2**31 - 1]), 257: (4, [1])},
    "longer than any paper": {256: (4, [1]), 257: (4, [50_000_000])},
    "a width of the wrong type": {256: (5, [1728, 1])},
    "an unknown number of bits": {258: (3, [77]), 259: (3, [1])},
}


@pytest.mark.parametrize("kind", BROKEN_PAGES)
def test_a_broken_page_costs_only_itself(convert: Convert, kind: str) -> None:
    """Nine good pages, and in the tenth's place a page that says in words what happened."""
    pages = [sheet(drawing(seed=number)) for number in range(10)]
    pages[3] = sheet(drawing(seed=3), fields=BROKEN_PAGES[kind])
    made = convert(tiff_of(*pages))
    assert len(made.pages) == 10
    assert [page.number for page in made.pages if page.fault] == [4]
    assert [str(fault) for fault in made.faults] == [made.pages[3].fault]
    assert "Page 4" in made.pages[3].fault
    assert "sayfa" in text_in(made.pdf, 3)
    assert "Page 4 of this fax cannot be shown." in text_in(made.pdf, 3)
    with pypdfium2.PdfDocument(made.pdf) as document:
        assert len(document) == 10
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        kept = [number for number, page in enumerate(pdf.pages) if "/Im" in page.resources.get("/XObject", {})]
    assert kept == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_noise_in_one_page_leaves_the_others_whole(convert: Convert) -> None:
    """The noise is told, whatever libtiff makes of it, and the pages around it are exact."""
    pages = [sheet(drawing(seed=number)) for number in range(3)]
    noise = bytes((value * 73 + 41) % 256 for value in range(3000))
    pages[1] = sheet(drawing(seed=1), strip=noise)
    made = convert(tiff_of(*pages))
    assert [bool(page.fault) for page in made.pages] == [False, True, False]
    with pypdfium2.PdfDocument(made.pdf) as document:
        assert len(document) == 3
        for number in (0, 2):
            (image,) = document[number].get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
            assert same(image.get_bitmap().to_pil(), drawing(seed=number))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"I",
        b"II*\0",
        b"II*\0\x08\0\0\0",
        b"II*\0\0\0\0\0",
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"<html><body>404</body></html>",
        b"%PDF-1.4\n",
        base64.b64encode(b"II*\0\x08\0\0\0" + bytes(100)),
        b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_what_is_no_tiff_is_refused_in_words(convert: Convert, data: bytes) -> None:
    """An HTML page, base64 nobody decoded, a byte, nothing: the original goes on, no empty PDF is made."""
    with pytest.raises(DocumentRefused) as refused:
        convert(data)
    assert refused.value.reason == "tiff_broken"
    assert refused.value.detail


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("front", [True, False])
def test_a_cut_file_is_never_called_whole(convert: Convert, share: float, front: bool) -> None:
    """Cut at any place, the fax is refused or carries a fault; with its directory in front, what is there is shown."""
    whole = tiff_of(*(sheet(drawing(seed=number), compression="group3") for number in range(3)), front=front)
    cut = whole[: int(len(whole) * share)]
    try:
        faults = [str(fault) for fault in convert(cut).faults]
    except DocumentRefused as refused:
        faults = [refused.reason]
    assert faults
    if front and share >= 0.5:
        assert faults[0].startswith("Page ")


def test_a_ring_of_pages_is_ended_and_told(convert: Convert) -> None:
    """A list of pages that leads back to its start would be endless."""
    made = convert(tiff_of(sheet(drawing()), sheet(drawing(seed=1)), loop_to=0))
    assert len(made.pages) == 2
    assert made.faults[0].kind is FaultKind.LIST_RING


def test_more_pages_than_allowed_are_refused(convert: Convert) -> None:
    """Twenty thousand directories on one strip are a bomb; the limit is on pages, and it is reached at once."""
    one = sheet(Image.new("1", (16, 16), 1))
    with pytest.raises(DocumentRefused) as refused:
        convert(tiff_of(*([one] * (LIMITS.pages + 1))))
    assert refused.value.reason == "too_many_pages"


def test_every_single_flipped_byte_of_a_directory_is_survived(convert: Convert) -> None:
    """Any value of any type may stand in any field; the job answers or refuses, and never dies of a bug."""
    whole = bytearray(tiff_of(sheet(drawing(64, 64)), sheet(drawing(64, 64, seed=1))))
    reasons = set()
    for position in range(4, 200):
        for value in (0xFF, whole[position] ^ 0x01):
            broken = bytearray(whole)
            broken[position] = value
            try:
                reasons.add("" if convert(bytes(broken)).pages else "no pages")
            except DocumentRefused as refused:
                reasons.add(refused.reason)
    assert reasons <= {"", "tiff_broken", "too_many_pages"}


async def test_the_worker_converts_the_same(documents: Documents) -> None:
    """Through the real worker process: same bytes, same faults."""
    pages = [sheet(drawing()), sheet(drawing(), fields={259: (3, [34661])})]
    made = await documents.tiff_to_pdf(tiff_of(*pages), info={"Title": "Faks"})
    assert [bool(page.fault) for page in made.pages] == [False, True]
    assert made.pages[0].width_mm == pytest.approx(215.15, abs=0.01)
    assert "34661" in text_in(made.pdf, 1)


async def test_a_page_that_promises_gigabytes_costs_nothing() -> None:
    """Ten thousand million pixels in a few bytes are refused by their number, before they are decoded."""
    bomb = tiff_of(sheet(drawing(8, 8), fields={256: (4, [100_000]), 257: (4, [100_000])}))
    async with Documents(limits=Limits(wall_seconds=5)) as documents:
        with pytest.raises(DocumentRefused) as refused:
            await documents.tiff_to_pdf(bomb)
    assert refused.value.reason == "tiff_broken"
    assert "100000" in refused.value.detail


# --- directories that do not tell the truth ---------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {292: (4, [1])},  # T4Options: two-dimensional
        {259: (3, [4])},
        {259: (3, [2])},
        {266: (3, [2])},
        {256: (4, [1712])},
        {258: (3, [8])},
        {277: (3, [3])},
        {279: (4, [600])},
        {278: (4, [5])},
    ],
)
def test_what_the_bits_prove_is_shown_whatever_the_directory_says(
    convert: Convert, fields: dict[int, tuple[int, Sequence[int]]]
) -> None:
    """Dimension, coding, bit order, width, depth and lengths that are not true: every line is read."""
    image = drawing()
    made = convert(tiff_of(sheet(image, compression="group3", fields=fields)))
    assert same(images_in(made.pdf)[0], image)
    assert made.faults == ()


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
def test_a_page_whose_height_was_never_written_is_shown_and_told(convert: Convert, compression: str) -> None:
    """A program that is stopped while it receives leaves zero there; the lines are in the file."""
    image = drawing()
    made = convert(tiff_of(sheet(image, compression=compression, fields={257: (4, [0]), 278: None})))
    assert same(images_in(made.pdf)[0], image)
    assert [(fault.kind, fault.lost) for fault in made.faults] == [(FaultKind.LONGER, 300)]


@pytest.mark.parametrize("photometric", [0, 1])
def test_a_plain_page_that_is_cut_keeps_its_lines(convert: Convert, photometric: int) -> None:
    """Uncoded bits need no decoder to be counted: what came is shown, the rest is white."""
    image = drawing()
    stored = image.tobytes() if photometric else ImageChops.invert(image).tobytes()
    one = sheet(image, compression="raw", strip=stored, fields={262: (3, [photometric])})
    made = convert(tiff_of(one)[: -99 * 216 - 5])
    (shown,) = images_in(made.pdf)
    assert same(shown.crop((0, 0, 1728, 200)), image.crop((0, 0, 1728, 200)))
    assert shown.crop((0, 200, 1728, 300)).getextrema() == (255, 255)
    assert [str(fault) for fault in made.faults] == ["Page 1: 100 of 300 lines unreadable."]


@pytest.mark.parametrize("front", [True, False])
def test_a_page_without_lengths_takes_nothing_of_the_next(convert: Convert, front: bool) -> None:
    """Without byte counts a strip ends where the next page's begins, not with the file."""
    images = [drawing(seed=number) for number in range(4)]
    pages = [sheet(image, compression="group3", fields={279: (4, [0])}) for image in images]
    made = convert(tiff_of(*pages, front=front))
    assert all(same(shown, image) for shown, image in zip(images_in(made.pdf), images, strict=True))
    assert made.faults == ()


@pytest.mark.parametrize("dpi", [(204.0, 98.0), (204.0, 196.0), (204.0, 4.0e6)])
def test_g3_2d_is_proven_whatever_its_resolution(convert: Convert, dpi: tuple[float, float]) -> None:
    """Resolutions decide how libtiff encodes; an absurd one must not reach it."""
    image = drawing()
    made = convert(tiff_of(sheet(image, compression="group3", options=1, dpi=dpi)))
    assert same(images_in(made.pdf)[0], image)


def test_a_colour_map_of_negative_numbers_costs_its_page_only(convert: Convert) -> None:
    """Pillow trusts such values and raises what nobody expects of it."""
    out = io.BytesIO()
    Image.linear_gradient("L").convert("P").save(out, "TIFF")
    data = bytearray(out.getvalue())
    (at,) = struct.unpack_from("<I", data, 4)
    for place in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        tag, _, _, values = struct.unpack_from("<HHII", data, place)
        if tag == 320:
            struct.pack_into("<H", data, place + 2, 8)  # signed
            data[values : values + 100] = b"\xff\x80" * 50
    with pytest.raises(DocumentRefused) as refused:
        convert(bytes(data))
    assert refused.value.reason == "tiff_broken"


# --- real files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("empty-runs.tif", "981f0d9fcd1f83cd313de3cbf538f169a07e1b7aeaeb7be09e87ee80c77ee45b"),
        ("fillorder.tif", "c9e0042af4f1601998dbca1024c96858f1ecdebafdbac2173d4cac8d921f71a7"),
    ],
)
def test_real_files_are_what_their_makers_say(convert: Convert, name: str, digest: str) -> None:
    """The digest is of the bitmap that came with the file, out of another program's lossless copy."""
    made = convert((DATA / name).read_bytes())
    (image,) = images_in(made.pdf)
    assert hashlib.sha256(image.convert("1").tobytes()).hexdigest() == digest
    assert made.faults == ()


def test_a_file_that_once_crashed_a_reader_is_told_broken(convert: Convert) -> None:
    """The same page with a few bytes changed by a fuzzer: some lines are left, and the rest is counted."""
    (page,) = convert((DATA / "fillorder-broken.tif").read_bytes()).pages
    assert 0 < page.lines_unreadable < page.height_px
