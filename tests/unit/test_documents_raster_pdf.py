"""A document that is the dots of the fax already: whoever draws it at the fax's resolution gets the same dots."""

import io
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageChops, ImageDraw

from fax_bridge.documents import build, raster, raster_pdf
from fax_bridge.documents.html import render
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.transmission import seconds_of
from fax_bridge.documents.worker import Documents
from fax_bridge.fax import FAX_DPI, PAPER_POINTS, Paper, Resolution
from fax_bridge.settings.faxmax import FaxMax

LIMITS = Limits(pages=30)
WORDS = "<p>Sayın yetkili, <i>ğüşıöç</i> <b>ĞÜŞİÖÇ</b>, 24.11.2026 tarihli sözleşme ektedir.</p>"


def task_with(directory: Path, *blobs: bytes) -> Task:
    for number, blob in enumerate(blobs):
        (directory / str(number)).write_bytes(blob)
    return Task(directory, LIMITS)


def sample(paper: Paper = Paper.A4) -> bytes:
    """A page of words, a page with a photo, a page on its side."""
    photo = Image.linear_gradient("L").resize((700, 700))
    ImageDraw.Draw(photo).ellipse((200, 200, 500, 500), fill=90)
    png = io.BytesIO()
    photo.save(png, "PNG")
    words = render(f"<html><body>{WORDS * 20}</body></html>", paper=paper, most_pages=9)
    shown = render(
        "<html><body><img src='cid:p'></body></html>", paper=paper, most_pages=9, images={"p": png.getvalue()}
    )
    wide = render(f"<html><body>{WORDS}</body></html>", paper=paper, most_pages=9, on_its_side=True)
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for data in (words, shown, wide):
            with pikepdf.open(io.BytesIO(data)) as one:
                pdf.pages.extend(one.pages)
        pdf.save(out)
    return out.getvalue()


def rastered(directory: Path, pdf: bytes, resolution: Resolution, paper: Paper) -> bytes:
    made, _ = raster_pdf.work(task_with(directory, pdf), {"resolution": resolution, "paper": paper})
    return made


def faxed(directory: Path, pdf: bytes, resolution: Resolution, paper: Paper) -> bytes:
    tiff, _ = raster.work(task_with(directory, pdf), {"resolution": resolution, "paper": paper})
    return tiff


def frames(tiff: bytes) -> list[Image.Image]:
    found = []
    with Image.open(io.BytesIO(tiff)) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]  # TiffImageFile has it
            image.seek(number)
            found.append(image.convert("L"))
    return found


@pytest.mark.parametrize(
    ("resolution", "paper"),
    [
        *((resolution, Paper.A4) for resolution in Resolution),
        (Resolution.FINE, Paper.LETTER),
        (Resolution.FINE, Paper.LEGAL),
    ],
)
def test_the_dots_are_the_same_however_often_it_is_drawn(tmp_path: Path, resolution: Resolution, paper: Paper) -> None:
    """No rescaling, no moiré: the fax of the dots is the fax of the document, pixel for pixel."""
    pdf = sample(paper)
    wanted = frames(faxed(tmp_path, pdf, resolution, paper))
    dots = rastered(tmp_path, pdf, resolution, paper)
    found = frames(faxed(tmp_path, dots, resolution, paper))
    assert len(found) == len(wanted) == 3
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.size == theirs.size
        assert ImageChops.difference(mine, theirs).getbbox() is None
        assert ImageChops.invert(mine).getbbox() is not None, "there is ink"


@pytest.mark.parametrize("resolution", Resolution)
def test_a_page_is_as_large_as_its_dots(tmp_path: Path, resolution: Resolution) -> None:
    """1728 pixels at 204 dpi are 215 mm; one G4 picture a page, and nothing else that could be drawn otherwise."""
    across, down = FAX_DPI[resolution]
    with pikepdf.open(io.BytesIO(rastered(tmp_path, sample(), resolution, Paper.A4))) as pdf:
        for page in pdf.pages:
            image = page.Resources.XObject.Im
            assert image.Filter == pikepdf.Name.CCITTFaxDecode
            assert (int(image.Width), int(image.Height)) == (1728, round(PAPER_POINTS[Paper.A4][1] / 72 * down))
            width, height = (float(edge) for edge in list(page.MediaBox)[2:])
            assert width == pytest.approx(1728 / across * 72, abs=1e-3)
            assert height == pytest.approx(int(image.Height) / down * 72, abs=1e-3)
            assert list(page.Resources.keys()) == ["/XObject"]


@pytest.mark.parametrize("resolution", [Resolution.NORMAL, Resolution.FINE])
def test_behind_a_cover_the_dots_stay_as_they_are(tmp_path: Path, resolution: Resolution) -> None:
    """Merged with another document, as FaxMAX does with a cover, its pages are neither turned nor made smaller."""
    pdf = sample()
    dots = rastered(tmp_path, pdf, resolution, Paper.A4)
    cover = render(f"<html><body>{WORDS}</body></html>", paper=Paper.A4, most_pages=1)
    parts = [
        {"kind": "pdf", "data": str(n), "images": {}, "decoration": False, "by_libreoffice": False} for n in range(2)
    ]
    arguments = {"parts": parts, "paper": Paper.A4, "resolution": resolution}
    merged, result = build.work(task_with(tmp_path, cover, dots), arguments)
    assert result["pages"] == [1, 3]
    found = frames(faxed(tmp_path, merged, resolution, Paper.A4))[1:]
    for mine, theirs in zip(found, frames(faxed(tmp_path, pdf, resolution, Paper.A4)), strict=True):
        assert ImageChops.difference(mine, theirs).getbbox() is None


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    """Its checksum is in the report; what is made again after a crash must have it too."""
    pdf = sample()
    once = rastered(tmp_path, pdf, Resolution.FINE, Paper.A4)
    assert once == rastered(tmp_path, pdf, Resolution.FINE, Paper.A4)


def test_one_account_may_send_dots_and_another_not() -> None:
    """What an account leaves open is as in ``[faxmax]``."""
    both = FaxMax.model_validate(
        {"token": "a", "accounts": {"dots": {"document": "raster"}, "plain": {}}},
    )
    assert [both.account(name).document for name in ("default", "dots", "plain")] == ["pdf", "raster", "pdf"]


async def test_the_worker_tells_what_the_dots_weigh(documents: Documents) -> None:
    """Ink and time are those of the bits that are sent, not an estimate by another resolution."""
    dots = await documents.raster_pdf(sample(), resolution=Resolution.FINE)
    with pikepdf.open(io.BytesIO(dots.pdf)) as pdf:
        octets = [int(page.Resources.XObject.Im.Length) for page in pdf.pages]
    assert [page.seconds for page in dots.facts] == [pytest.approx(seconds_of(number), abs=0.06) for number in octets]
    words, photo, wide = dots.facts
    assert wide.ink < words.ink < 0.12 < 0.2 < photo.ink
