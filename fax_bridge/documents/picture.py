"""One page of a PDF as a grey PNG: the picture in the mail that brings a fax."""

import io
from typing import Any

from fax_bridge.documents.job import Task
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.errors import DocumentRefused


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """Refused, besides what :func:`opened` refuses: ``page_missing``, ``image_too_large``."""
    number = arguments["page"]
    with opened(task.blob("0"), most_pages=task.limits.pages) as document:
        if not 1 <= number <= len(document):
            raise DocumentRefused(0, "page_missing", f"page {number} of {len(document)}")
        page = document[number - 1]
        canvas = Canvas.of_page(page, arguments["dpi"])
        if canvas.width * canvas.height > task.limits.image_pixels:
            raise DocumentRefused(0, "image_too_large", f"{canvas.width} by {canvas.height} pixels")
        image = draw(page, canvas)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue(), None
