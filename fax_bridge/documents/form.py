"""The filled fields of a PDF form get the appearance that their program left to the reader.

qpdf can draw Latin-1 values only and PDFium loses the letters ı, ğ and İ, so the values are laid out by the HTML
engine with our own fonts, one small page for each field, which then becomes the field's appearance.
"""

import html
import io
import math
import re
from collections.abc import Iterator

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Stream, String

from fax_bridge.documents.html import draw
from fax_bridge.errors import DocumentRefused

_MULTILINE, _PASSWORD, _COMB = 1 << 12, 1 << 13, 1 << 24
"""Field flags (ISO 32000-1 table 228)."""
_MOST_FIELDS = 2000
_MOST_CHARACTERS = 20_000
_DEEPEST = 32
_TURNS = {90: (0, 1, -1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, -1, 1, 0, 0, 0)}
"""Only the turn counts: a reader moves the turned box onto the field's rectangle (§12.5.5, algorithm 8.1)."""
_STYLE = """
body { margin: 0; font-family: sans-serif; line-height: 1.15; }
div { white-space: pre-wrap; overflow-wrap: break-word; }
"""
_STEPS = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3)
"""What fits nowhere else is written smaller rather than cut off."""


def draw_values(pdf: pikepdf.Pdf) -> None:
    """Give each field that shows a value an appearance, where it has none or the form asks for new ones.

    Refused (``pdf_broken``) where a value cannot be shown whole.
    """
    form = pdf.Root.get(Name.AcroForm)
    if not isinstance(form, Dictionary):
        return
    anew = bool(form.get(Name.NeedAppearances, False))
    drawn = 0
    for widget in _widgets(pdf):
        has_one = isinstance(_entry(widget, Name.AP, Name.N), Dictionary | Stream)
        kind = _inherited(widget, Name.FT)
        if has_one and (kind == Name.Btn or not anew):
            continue
        text = _mark(widget) if kind == Name.Btn else _value(widget) if kind in {Name.Tx, Name.Ch} else ""
        if text:
            drawn += 1
            if drawn > _MOST_FIELDS or len(text) > _MOST_CHARACTERS:
                raise DocumentRefused(0, "pdf_broken", "the form holds more than can be drawn")
            widget.AP = Dictionary(N=_appearance(pdf, form, widget, text))
    form.NeedAppearances = False  # else flattening would pass over the fields


def _widgets(pdf: pikepdf.Pdf) -> Iterator[Dictionary]:
    for page in pdf.pages:
        annotations = page.obj.get(Name.Annots)
        for annotation in annotations if isinstance(annotations, Array) else ():
            if isinstance(annotation, Dictionary) and annotation.get(Name.Subtype) == Name.Widget:
                yield annotation


def _appearance(pdf: pikepdf.Pdf, form: Dictionary, widget: Dictionary, text: str) -> Object:
    """The value as a form XObject as large as the field."""
    left, bottom, right, top = (float(edge) for edge in widget.Rect)
    width, height = max(abs(right - left), 4.0), max(abs(top - bottom), 4.0)
    turn = _whole(_entry(widget, Name.MK, Name.R)) % 360
    if turn in {90, 270}:
        width, height = height, width
    flags = _whole(_inherited(widget, Name.Ff))
    several = bool(flags & _MULTILINE)
    size = _font_size(widget, form) or (min(12.0, height * 0.7) if not several else 11.0)
    for step in _STEPS:
        page = _page_of(text, widget, flags, min(size, height) * step, 0 if several else height)
        pages, drawn = draw(page, (width, height), 0.0, _STYLE, {}, 1)
        if pages == 1:
            break
    else:
        raise DocumentRefused(0, "pdf_broken", "a field of the form holds more than it can show")
    with pikepdf.open(io.BytesIO(drawn)) as small:
        appearance = pdf.copy_foreign(small.pages[0].as_form_xobject())
        if turn in _TURNS:
            appearance.Matrix = Array(list(_TURNS[turn]))
    return appearance


def _page_of(text: str, widget: Dictionary, flags: int, size: float, line: float) -> str:
    align = {1: "center", 2: "right"}.get(_whole(_inherited(widget, Name.Q)), "left")
    style = f"font-size:{size:.2f}pt; text-align:{align}; padding:0 2pt;"
    if line:
        style += f"line-height:{line * 0.98:.2f}pt; white-space:pre;"
    cells = _whole(_inherited(widget, Name.MaxLen)) if flags & _COMB else 0
    if cells > 0:
        cell = f'<span style="display:inline-block; width:{100 / cells:.3f}%; text-align:center">'
        shown = "".join(f"{cell}{html.escape(letter)}</span>" for letter in text[:cells])
        style = style.replace("padding:0 2pt;", "")
    else:
        shown = html.escape("*" * len(text) if flags & _PASSWORD else text)
    return f'<!DOCTYPE html><html><body><div style="{style}">{shown}</div></body></html>'


def _value(widget: Dictionary) -> str:
    value = _inherited(widget, Name.V)
    if isinstance(value, Stream):
        value = String(value.read_bytes())
    values = [str(item) for item in value if isinstance(item, String)] if isinstance(value, Array) else [_words(value)]
    shown = {}
    options = _inherited(widget, Name.Opt)
    for option in options if isinstance(options, Array) else ():
        if isinstance(option, Array) and len(option) == 2:  # what is sent, and what is shown for it
            shown[str(option[0])] = str(option[1])
    text = "\n".join(shown.get(item, item) for item in values)
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def _words(value: object) -> str:
    return str(value) if isinstance(value, String | Name) else ""


def _mark(widget: Dictionary) -> str:
    """A ticked box that brings no picture of itself."""
    state = widget.get(Name.AS, _inherited(widget, Name.V))
    return "✔" if isinstance(state, Name) and state != Name.Off else ""


def _font_size(widget: Dictionary, form: Dictionary) -> float:
    """From the default appearance, ``/Helv 12 Tf 0 g``; 0 leaves it to the reader (§12.7.3.3)."""
    appearance = _inherited(widget, Name.DA) or form.get(Name.DA)
    found = re.search(r"([\d.]+)\s+Tf", str(appearance)) if isinstance(appearance, String) else None
    try:
        size = float(found[1]) if found else 0.0
    except ValueError:
        return 0.0
    return size if math.isfinite(size) and size <= 144 else 0.0


def _inherited(field: Dictionary, key: Name) -> object:
    """An entry of the field or of the fields above it."""
    current: object = field
    for _ in range(_DEEPEST):
        if not isinstance(current, Dictionary):
            return None
        if key in current:
            return current.get(key)
        current = current.get(Name.Parent)
    return None


def _entry(holder: Dictionary, outer: Name, inner: Name) -> object:
    found = holder.get(outer)
    return found.get(inner) if isinstance(found, Dictionary) else None


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int) else 0
