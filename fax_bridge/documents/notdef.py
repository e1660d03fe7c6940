"""Whether a PDF that was made here shows boxes for letters its maker had no font for.

The picture for what is missing is glyph 0 of every font (OpenType, ``.notdef``). A PDF that names its glyphs by their
numbers (``Identity-H``, ISO 32000-1 §9.7.5.2), as office2pdf's do, shows whether one is used.
"""

import io

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, String

_SHOWS = {"Tj", "TJ", "'", '"'}
_DEEPEST = 8
"""Forms within forms."""


def draws_boxes(pdf: bytes) -> bool:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        return any(_shows(page.obj, page.obj.get(Name.Resources), 0) for page in document.pages)


def _shows(content: Object, resources: Object | None, depth: int) -> bool:
    """In the content of a page or a form, and in the forms that it can use."""
    if not isinstance(resources, Dictionary) or depth > _DEEPEST:
        return False
    fonts = _by_number(resources.get(Name.Font))
    if fonts and _uses_glyph_0(content, fonts):
        return True
    forms = resources.get(Name.XObject)
    return any(
        form.get(Name.Subtype) == Name.Form and _shows(form, form.get(Name.Resources), depth + 1)
        for form in (forms.values() if isinstance(forms, Dictionary) else ())
    )


def _by_number(fonts: Object | None) -> set[str]:
    if not isinstance(fonts, Dictionary):
        return set()
    return {name for name, font in fonts.items() if font.get(Name.Encoding) == Name("/Identity-H")}


def _uses_glyph_0(content: Object, fonts: set[str]) -> bool:
    chosen = False
    for step in pikepdf.parse_content_stream(content):
        if str(step.operator) == "Tf":
            chosen = str(step.operands[0]) in fonts
        elif chosen and str(step.operator) in _SHOWS and any(_holds_0(operand) for operand in step.operands):
            return True
    return False


def _holds_0(operand: object) -> bool:
    if isinstance(operand, Array):
        return any(map(_holds_0, operand))
    codes = bytes(operand) if isinstance(operand, String) else b""
    return any(codes[at : at + 2] == b"\0\0" for at in range(0, len(codes), 2))
