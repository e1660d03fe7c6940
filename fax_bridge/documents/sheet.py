"""Pages of any size and shape are put on sheets of the chosen paper: turned or made smaller where they must be,
never cut, never out of shape, never enlarged.

A fax machine has one width of paper and takes pages upright; what a service does with a page of another shape
is its own affair, so none is left to it.
"""

from dataclasses import dataclass

import pikepdf
from pikepdf import Array, Dictionary, Name

from fax_bridge.fax import PAPER_POINTS, Paper

_NEARLY = 1.03
"""A page up to this much larger than the paper keeps its size: a fax line of 1728 pixels is 215 mm wide, not 210,
and letters drawn in pixels would suffer from any other scale."""
_SAME = 1.0
"""Points by which a page may differ from the paper and still be on it."""
_LETTER = (0.0, 0.0, 612.0, 792.0)
"""What readers take where a page does not say its size."""
_SMALLEST = 1.0
_OTHER_BOXES = (Name.TrimBox, Name.BleedBox, Name.ArtBox)

Box = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A page as a reader shows it, in points, upright."""

    box: Box
    turn: int
    unit: float

    @property
    def size(self) -> tuple[float, float]:
        width, height = (self.box[2] - self.box[0]) * self.unit, (self.box[3] - self.box[1]) * self.unit
        return (height, width) if self.turn in {90, 270} else (width, height)


def put_on_paper(pdf: pikepdf.Pdf, index: int, paper: Paper) -> None:
    """Replace the page ``index`` of ``pdf`` by a sheet that shows it whole.

    A page that still holds notes which the reader draws by itself stays as it is: they would not move along.
    """
    page, sheet = pdf.pages[index], PAPER_POINTS[paper]
    shape = _shape(page)
    page.obj.MediaBox = page.obj.CropBox = Array(list(shape.box))
    if Name.Annots in page.obj or (
        _is_plain(shape) and all(abs(a - b) < _SAME for a, b in zip(shape.size, sheet, strict=True))
    ):
        return
    for box in _OTHER_BOXES:
        if box in page.obj:
            del page.obj[box]
    width, height = shape.size
    turned = width > height and _fit((height, width), sheet) > _fit((width, height), sheet)
    if turned:
        width, height = height, width
    scale = _fit((width, height), sheet)
    if _is_plain(shape) and not turned and scale == 1 and _is_nearly((width, height), sheet):
        return
    form = page.as_form_xobject()
    sheet_width, sheet_height = max(sheet[0], width * scale), max(sheet[1], height * scale)
    shown = _bounds(form)
    left, bottom = (sheet_width - width * scale) / 2, sheet_height - height * scale
    matrix: Matrix
    if turned:  # clockwise: what was the left edge is at the top
        matrix = (0, -scale, scale, 0, left - shown[1] * scale, bottom + height * scale + shown[0] * scale)
    else:
        matrix = (scale, 0, 0, scale, left - shown[0] * scale, bottom - shown[1] * scale)
    written = " ".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in matrix)
    pdf.pages[index] = pikepdf.Page(
        pdf.make_indirect(
            Dictionary(
                Type=Name.Page,
                MediaBox=Array([0, 0, round(sheet_width, 3), round(sheet_height, 3)]),
                Resources=Dictionary(XObject=Dictionary(P=form)),
                Contents=pdf.make_stream(f"q {written} cm /P Do Q".encode()),
            )
        )
    )


def _fit(size: tuple[float, float], sheet: tuple[float, float]) -> float:
    """How many times smaller a page must be; 1 where it is at most a little larger than the paper."""
    scale = min(1.0, sheet[0] * _NEARLY / size[0], sheet[1] * _NEARLY / size[1])
    return 1.0 if scale == 1 else min(sheet[0] / size[0], sheet[1] / size[1])


def _is_nearly(size: tuple[float, float], sheet: tuple[float, float]) -> bool:
    return all(1 / _NEARLY <= mine / other <= _NEARLY for mine, other in zip(size, sheet, strict=True))


def _is_plain(shape: _Shape) -> bool:
    return not shape.turn and shape.unit == 1


def _shape(page: pikepdf.Page) -> _Shape:
    media = _box(page, Name.MediaBox) or _LETTER
    crop = _box(page, Name.CropBox) or media
    both = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
    box = both if both[2] - both[0] >= _SMALLEST and both[3] - both[1] >= _SMALLEST else media
    turn, unit = page.obj.get(Name.Rotate, 0), page.obj.get(Name.UserUnit, 1)
    return _Shape(
        box,
        round(float(turn) / 90) * 90 % 360 if isinstance(turn, int) else 0,
        float(unit) if _is_number(unit) and 0 < float(unit) < 1e6 else 1.0,
    )


def _box(page: pikepdf.Page, name: Name) -> Box | None:
    """The corners in order; they may be written in any (ISO 32000-1 §7.9.5)."""
    found = page.obj.get(name)
    if not isinstance(found, Array) or len(found) != 4 or not all(map(_is_number, found)):
        return None
    x1, y1, x2, y2 = (float(value) for value in found)
    left, bottom, right, top = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    return (left, bottom, right, top) if right - left >= _SMALLEST and top - bottom >= _SMALLEST else None


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError):
        return False
    return True


def _bounds(form: pikepdf.Object) -> Box:
    """Where the form lies once its own matrix, which turns and stretches it, is applied."""
    left, bottom, right, top = (float(value) for value in form.BBox)
    a, b, c, d, e, f = (float(value) for value in form.get(Name.Matrix, Array([1, 0, 0, 1, 0, 0])))
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
