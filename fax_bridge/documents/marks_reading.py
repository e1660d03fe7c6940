"""The number that :mod:`fax_bridge.documents.marks` drew, read back from the first page of a received fax.

On its way a fax machine may have shifted the page, shrunk it a little, written a line above it and lost some lines.
"""

from typing import Any

from PIL import Image

from fax_bridge.documents.job import Task
from fax_bridge.documents.marks import ACROSS, COLUMNS, DOWN, GAP, HEIGHT, LINE, ROWS, WIDTH
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.errors import DocumentRefused

_DPI = 72
_BLACK = 128


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """The number on the first page, in decimal digits since JSON's numbers end at 53 bits; ``None`` where none is."""
    with opened(task.blob("0"), most_pages=task.limits.pages) as document:
        page = document[0]
        canvas = Canvas.of_page(page, _DPI)
        if canvas.width * canvas.height > task.limits.image_pixels:
            raise DocumentRefused(0, "image_too_large", f"{canvas.width} by {canvas.height} pixels")
        number = read(draw(page, canvas))
    return b"", None if number is None else str(number)


def read(image: Image.Image) -> int | None:
    """``image`` is grey."""
    frame = _frame(image)
    if frame is None:
        return None
    left, top, width, height = frame
    number = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            x = left + width * (LINE + GAP + (column + 0.5) * ACROSS) / WIDTH
            y = top + height * (LINE + GAP + (row + 0.5) * DOWN) / HEIGHT
            number |= _is_black(image, round(x), round(y)) << (row * COLUMNS + column)
    return number


def _frame(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Left, top, width, height: from the first line that is black over half of the page to the last one."""
    width, height = image.size
    pixels = image.tobytes()
    lines = [y for y in range(height) if sum(v < _BLACK for v in pixels[y * width : (y + 1) * width]) > width / 2]
    if not lines:
        return None
    top, bottom = lines[0], lines[-1]
    row = pixels[(top + 1) * width : (top + 2) * width]
    black = [x for x, value in enumerate(row) if value < _BLACK]
    if not black or bottom - top < 10:
        return None
    return black[0], top, black[-1] + 1 - black[0], bottom + 1 - top


def _is_black(image: Image.Image, x: int, y: int) -> bool:
    """By the majority of the pixels around: a line that was lost on the way is white."""
    around = image.crop((x - 3, y - 3, x + 4, y + 4)).tobytes()
    return sum(value < _BLACK for value in around) * 2 > len(around)
