"""A PDF whose pages are the very pixels of a fax: nobody on the way has to scale, to dither or to choose a font.

Each page is one G4 picture, and its MediaBox is its pixels divided by the fax's resolution: 1728 at 204 dpi are
215 mm. Whoever draws it at the resolution of the fax gets its own pixels back.
"""

import io
from dataclasses import asdict
from typing import Any

import pikepdf

from fax_bridge.documents.job import Task
from fax_bridge.documents.page import Place, add_g4_page
from fax_bridge.documents.raster import fax_pages
from fax_bridge.documents.transmission import seconds_of
from fax_bridge.fax import FAX_DPI, PageFacts, Paper, Resolution


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """Refused as by :func:`fax_bridge.documents.pdfium.opened`. The same pages give the same bytes."""
    resolution, paper = Resolution(arguments["resolution"]), Paper(arguments["paper"])
    across, down = (dots / 72 for dots in FAX_DPI[resolution])
    facts = []
    with pikepdf.new() as pdf:
        for page in fax_pages(task.blob("0"), task.limits, resolution, paper):
            size = page.image.size
            add_g4_page(pdf, page.g4, size, Place.whole_page(size[0] / across, size[1] / down))
            facts.append(asdict(PageFacts(round(page.ink, 4), round(seconds_of(len(page.g4)), 1))))
        out = io.BytesIO()
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue(), {"facts": facts}
