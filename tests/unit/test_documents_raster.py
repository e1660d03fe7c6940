"""A PDF as a fax machine would send it, and back: lines of 1728 pixels, true shapes, one bit a pixel."""

import io
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageChops, ImageDraw

from fax_bridge.documents import raster, tiff
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import FAX_DPI, PAPER_POINTS, Paper, Resolution

A4 = PAPER_POINTS[Paper.A4]
ROUND = 0.5523
"""How far a Bézier curve's handles reach for a quarter of a circle."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


def rasterised(directory: Path, pdf: bytes, resolution: Resolution = Resolution.FINE, paper: Paper = Paper.A4) -> bytes:
    (directory / "0").write_bytes(pdf)
    data, _ = raster.work(Task(directory, Limits(pages=30)), {"resolution": resolution, "paper": paper})
    return data


def pages_of(data: bytes) -> list[Image.Image]:
    """Each page as another reader, libtiff, sees it."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]  # TiffImageFile has it
            image.seek(number)
            found.append(image.copy())
    return found


def circle(x: float, y: float, radius: float) -> bytes:
    """The path of a filled circle in points."""
    k = ROUND * radius
    return (
        f"{x + radius} {y} m {x + radius} {y + k} {x + k} {y + radius} {x} {y + radius} c "
        f"{x - k} {y + radius} {x - radius} {y + k} {x - radius} {y} c "
        f"{x - radius} {y - k} {x - k} {y - radius} {x} {y - radius} c "
        f"{x + k} {y - radius} {x + radius} {y - k} {x + radius} {y} c f\n"
    ).encode()


def pdf_of(*contents: bytes, size: tuple[float, float] = A4, rotate: int = 0) -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for content in contents:
            page = pdf.add_blank_page(page_size=size)
            page.Contents = pdf.make_stream(content)
            if rotate:
                page.Rotate = rotate
        pdf.save(out)
    return out.getvalue()


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    box = ImageChops.invert(image.convert("L")).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize("resolution", Resolution)
@pytest.mark.parametrize("paper", Paper)
def test_every_page_is_a_fax_page(directory: Path, resolution: Resolution, paper: Paper) -> None:
    """G4, 1728 wide, the paper's length, its resolution in inches, white is zero, numbered (RFC 2306)."""
    across, down = FAX_DPI[resolution]
    width, height = PAPER_POINTS[paper]
    data = rasterised(directory, pdf_of(b"0 0 10 10 re f", b"", size=(width, height)), resolution, paper)
    with Image.open(io.BytesIO(data)) as image:
        for number in range(2):
            image.seek(number)
            tags = image.tag_v2  # type: ignore[attr-defined]  # TiffImageFile has it
            assert image.mode == "1"
            assert image.size == (1728, round(height / 72 * down))
            assert (float(tags[282]), float(tags[283]), tags[296]) == (across, down, 2)
            assert (tags[259], tags[262], tags[266], tags[297]) == (4, 0, 1, (number, 2))
            assert len(tags[273]) == 1


@pytest.mark.parametrize("resolution", Resolution)
def test_a_circle_goes_to_fax_and_back_and_stays_round(directory: Path, resolution: Resolution) -> None:
    """PDF to fax pixels to PDF: 100 points across and down, within one per cent, whatever the pixels' shape."""
    data = rasterised(directory, pdf_of(circle(300, 400, 150)), resolution)
    across, down = FAX_DPI[resolution]
    left, top, right, bottom = ink(pages_of(data)[0])
    assert (right - left) / across == pytest.approx(300 / 72, rel=0.01)
    assert (bottom - top) / down == pytest.approx(300 / 72, rel=0.01)
    (directory / "0").write_bytes(data)
    pdf, result = tiff.work(Task(directory, Limits()), {"info": {}})
    (page,) = result["pages"]
    assert (page["x_dpi"], page["y_dpi"], page["fault"]) == (across, down, "")
    assert page["height_mm"] == pytest.approx(297, abs=0.3)
    assert pdf.startswith(b"%PDF-")


def test_letters_are_sharp_and_pictures_are_dots(directory: Path) -> None:
    """A page of words is cut at one threshold; a page with a grey field is dithered, and its paper stays white."""
    words = pdf_of(b"0.5 w " + b"".join(f"50 {y} m 500 {y + 30} l S ".encode() for y in range(100, 700, 10)))
    grey = pdf_of(b"0.5 g 100 100 300 300 re f 0 g 100 500 300 100 re f")
    sheet = pages_of(rasterised(directory, grey))[0]
    field = sheet.crop((500, 1400, 1000, 1900)).convert("L")
    assert 0.35 < 1 - sum(field.tobytes()) / (255 * 500 * 500) < 0.65
    for box, value in (((320, 700, 1100, 900), 0), ((0, 0, 1728, 200), 255), ((0, 2200, 1728, 2292), 255)):
        assert sheet.crop(box).convert("L").getextrema() == (value, value)
    assert len(rasterised(directory, words)) < 40_000


def test_a_page_larger_than_the_paper_is_shown_whole(directory: Path) -> None:
    """A poster is made smaller, both ways alike; its corners are on the sheet."""
    size = (1684.0, 2384.0)
    frame = b"20 w 10 10 1664 2364 re S " + circle(842, 1192, 600)
    sheet = pages_of(rasterised(directory, pdf_of(frame, size=size)))[0]
    left, top, right, bottom = ink(sheet)
    assert left > 0
    assert right < 1728
    assert (right - left) / 204 / ((bottom - top) / 196) == pytest.approx(size[0] / size[1], rel=0.01)
    assert (bottom - top) / 196 == pytest.approx(297 / 25.4, rel=0.02)


def test_a_small_page_keeps_its_size(directory: Path) -> None:
    """A receipt is not blown up to a sheet."""
    left, top, right, bottom = ink(pages_of(rasterised(directory, pdf_of(b"0 0 144 288 re f", size=(144, 288))))[0])
    assert (right - left, bottom - top) == pytest.approx((2 * 204, 4 * 196), abs=2)
    assert left == pytest.approx((1728 - 408) / 2, abs=2)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_wide_page_is_turned_to_stand_on_the_paper(directory: Path, rotate: int) -> None:
    """Landscape A4 fills the sheet rather than half of it, and what is said of its rotation is heeded."""
    size = (A4[1], A4[0]) if rotate in {0, 180} else A4
    sheet = pages_of(rasterised(directory, pdf_of(f"0 0 {size[0]} {size[1]} re f".encode(), size=size, rotate=rotate)))[
        0
    ]
    left, top, right, bottom = ink(sheet)
    assert (right - left) / 204 == pytest.approx(210 / 25.4, rel=0.01)
    assert (bottom - top) / 196 == pytest.approx(297 / 25.4, rel=0.01)


def test_a_fax_is_the_same_after_another_round(directory: Path) -> None:
    """Received, converted, and sent on: a page of fax pixels comes out with its lines in place."""
    image = Image.new("1", (1728, 2292), 255)
    pen = ImageDraw.Draw(image)
    for number in range(20):
        pen.rectangle((80 * number, 100 * number, 80 * number + 60, 100 * number + 80), fill=0)
    written = io.BytesIO()
    image.save(written, "TIFF", compression="group4", dpi=(204, 196))
    (directory / "0").write_bytes(written.getvalue())
    pdf, _ = tiff.work(Task(directory, Limits()), {"info": {}})
    again = pages_of(rasterised(directory, pdf))[0]
    different = ImageChops.difference(image.convert("L"), again.convert("L")).histogram()[255]
    assert different < 0.005 * image.width * image.height


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "pdf_broken"), (b"no pdf", "pdf_broken"), (pdf_of(*[b""] * 31), "too_many_pages")]
)
def test_what_cannot_be_rasterised_is_refused(directory: Path, data: bytes, reason: str) -> None:
    """The same words as for parts of a mail."""
    with pytest.raises(DocumentRefused) as refused:
        rasterised(directory, data)
    assert refused.value.reason == reason


async def test_the_worker_rasterises_and_draws_pictures(documents: Documents) -> None:
    """Through the real process: a fax of two pages, and the picture of its second one."""
    pdf = pdf_of(b"", b"100 100 200 300 re f", size=(400, 500))
    assert len(pages_of(await documents.rasterise(pdf, resolution=Resolution.NORMAL, paper=Paper.LETTER))) == 2
    with Image.open(io.BytesIO(await documents.picture(pdf, page=2, dpi=36))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (200, 250))
        assert ink(picture) == pytest.approx((50, 50, 150, 200), abs=1)
    with pytest.raises(DocumentRefused) as refused:
        await documents.picture(pdf, page=3)
    assert refused.value.reason == "page_missing"
    with pytest.raises(DocumentRefused) as refused:
        await documents.picture(pdf, dpi=100_000)
    assert refused.value.reason == "image_too_large"
