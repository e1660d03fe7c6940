"""The first pages of a PDF as a fax machine would send them, each as a small grey PNG: the pictures in a report.

They are made from the very lines of one bit a pixel, so that a page which will be hard to read looks so here too.
"""

import io
from dataclasses import replace
from typing import Any

import pypdfium2
from PIL import Image

from fax_bridge.documents import raster
from fax_bridge.documents.job import Task
from fax_bridge.documents.pdfium import opened
from fax_bridge.fax import FAX_DPI, Resolution

WIDTH = 480
"""Pixels of a picture; twice what a mail shows, for dense displays."""
GREYS = 8


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """The pictures one behind the other, and their sizes in bytes. Refused as :func:`opened`."""
    first = replace(task, directory=task.directory / "first")
    first.directory.mkdir()
    (first.directory / "0").write_bytes(_first_pages(task, arguments["pages"]))
    fax, _ = raster.work(first, {"resolution": arguments["resolution"], "paper": arguments["paper"]})
    x_dpi, y_dpi = FAX_DPI[Resolution(arguments["resolution"])]
    pictures = []
    with Image.open(io.BytesIO(fax)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pictures.append(_small(image, y_dpi / x_dpi))
    return b"".join(pictures), [len(picture) for picture in pictures]


def _first_pages(task: Task, most: int) -> bytes:
    """Only those are drawn: a report needs no more, and a long document would take as long as its faxing."""
    with opened(task.blob("0"), most_pages=task.limits.pages) as source, pypdfium2.PdfDocument.new() as copy:
        copy.import_pages(source, list(range(min(most, len(source)))))
        out = io.BytesIO()
        copy.save(out)
    return out.getvalue()


def _small(page: Image.Image, stretch: float) -> bytes:
    """``stretch``: how many times as dense the lines are as the pixels of a line."""
    height = max(1, round(page.height * WIDTH / page.width / stretch))
    grey = page.convert("L").resize((WIDTH, height), Image.Resampling.BOX)
    out = io.BytesIO()
    grey.quantize(GREYS).save(out, "PNG", optimize=True)
    return out.getvalue()
