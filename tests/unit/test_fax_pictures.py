"""Pictures of pages as faxed: only the first ones, in true shape, small."""

import io
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from fax_bridge.documents import fax_pictures
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper, Resolution


def document(pages: int) -> bytes:
    """A4 pages, each with a black square of 200 points."""
    pdf = pikepdf.new()
    for _ in range(pages):
        pdf.add_blank_page(page_size=(595.276, 841.89))
        pdf.pages[-1].Contents = pdf.make_stream(b"0 g 100 400 200 200 re f")
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


@pytest.mark.parametrize("resolution", Resolution)
def test_a_square_is_square_in_every_resolution(tmp_path: Path, resolution: Resolution) -> None:
    """Fax pixels are not; the picture is drawn from them all the same."""
    (tmp_path / "0").write_bytes(document(3))
    arguments = {"pages": 2, "resolution": resolution, "paper": Paper.A4}
    data, sizes = fax_pictures.work(Task(tmp_path, Limits()), arguments)
    assert len(sizes) == 2
    assert len(data) == sum(sizes) < 20_000
    with Image.open(io.BytesIO(data[: sizes[0]])) as picture:
        assert picture.width == fax_pictures.WIDTH
        box = picture.convert("L").point(lambda grey: 255 if grey < 128 else 0).getbbox()
    assert box is not None
    assert abs((box[2] - box[0]) - (box[3] - box[1])) <= 2


async def test_the_worker_gives_as_many_pictures_as_there_are_pages(documents: Documents) -> None:
    """A document shorter than what was asked for has them all."""
    assert len(await documents.fax_pictures(document(2), pages=10)) == 2
    with pytest.raises(DocumentRefused, match="pdf_broken"):
        await documents.fax_pictures(b"no PDF")
