"""The style of a mail, reduced to what can be drawn on paper: known properties with plain values.

A value is let through only if it is made of words, numbers, colours and lengths of a sane size. So nothing can
name an address, and nothing can ask for a page a kilometre long.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import tinycss2  # type: ignore[import-untyped]  # ships no types

SCOPE = "mail-body"
"""The class of the element around a fragment that brings rules; they reach nothing outside it."""

_LONGEST_SHEET = 200_000
_MOST_RULES = 2000
_LONGEST_LENGTH = 5000.0
"""In CSS pixels: some four pages."""
_PIXELS = {
    "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945,
    "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0,
}  # fmt: skip
_SIDES = ("", "-top", "-right", "-bottom", "-left")
_PROPERTIES = frozenset(
    {
        *("color", "background-color", "background", "font", "font-family", "font-size", "font-style", "font-variant"),
        *("font-weight", "text-align", "text-decoration", "text-decoration-line", "text-indent", "text-transform"),
        *("line-height", "letter-spacing", "word-spacing", "white-space", "vertical-align", "direction"),
        *("unicode-bidi", "tab-size", "quotes", "hyphens"),
        *("width", "max-width", "min-width", "height", "min-height", "display", "visibility", "float", "clear"),
        *("box-sizing", "table-layout", "caption-side", "empty-cells", "border-collapse", "border-spacing"),
        *("list-style", "list-style-type", "list-style-position", "page-break-before", "page-break-after"),
        *("page-break-inside", "break-before", "break-after", "break-inside", "orphans", "widows"),
        *(f"{name}{side}" for name in ("margin", "padding", "border") for side in _SIDES),
        *(f"border{side}-{what}" for side in _SIDES for what in ("color", "style", "width")),
    }
)
_DISPLAYS = frozenset(
    {
        *("none", "block", "inline", "inline-block", "list-item", "table", "inline-table", "table-row"),
        *("table-cell", "table-caption", "table-column", "table-column-group", "table-row-group"),
        *("table-header-group", "table-footer-group"),
    }
)
_COLOURS = {"rgb", "rgba", "hsl", "hsla"}
_MEDIA = re.compile(r"(?:only\s+)?(?:all|print|screen)", re.IGNORECASE)
_SELECTOR = re.compile(r"[\w\s.,#*>+~:-]{1,1000}", re.ASCII)
_PAGE_ROOT = re.compile(r"^(?:html|body|:root)(?![\w-])[.#\w-]*\s*>?\s*", re.IGNORECASE)


@lru_cache(maxsize=4096)
def safe_declarations(style: str) -> str:
    """The harmless declarations of a ``style`` attribute; mails repeat the same few a thousand times."""
    return _declarations(_contents(style[:_LONGEST_SHEET]))


def safe_sheet(sheets: Iterable[str]) -> str:
    """The harmless rules of style sheets, each confined to descendants of :data:`SCOPE`.

    Kept: rules for elements and classes, also inside ``@media print``, ``screen`` and ``all``. Dropped whole:
    ``@import``, ``@font-face``, ``@page``, and any rule with a selector beyond the plain ones.
    """
    text = "\n".join(sheets)[:_LONGEST_SHEET]
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    written = []
    for rule in _style_rules(rules):
        selector = _confined(tinycss2.serialize(rule.prelude).strip())
        declarations = _declarations(_contents(rule.content))
        if selector and declarations:
            written.append(f"{selector}{{{declarations}}}")
        if len(written) >= _MOST_RULES:
            break
    return "\n".join(written)


def _style_rules(rules: Iterable[Any]) -> Iterator[Any]:
    for rule in rules:
        if rule.type == "qualified-rule":
            yield rule
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content is not None:
            media = tinycss2.serialize(rule.prelude).split(",")
            if any(_MEDIA.fullmatch(medium.strip()) for medium in media):
                inside = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
                yield from (rule for rule in inside if rule.type == "qualified-rule")


def _confined(selectors: str) -> str:
    """Each selector below the scope's class; the page's own root becomes the scope itself."""
    if not _SELECTOR.fullmatch(selectors):
        return ""
    confined = []
    for selector in map(str.strip, selectors.split(",")):
        inner = selector
        while found := _PAGE_ROOT.match(inner):
            inner = inner[found.end() :]
        if inner.startswith(f".{SCOPE}"):
            confined.append(inner)
        elif inner or inner != selector:
            confined.append(f".{SCOPE} {inner}".strip())
    return ",".join(confined)


def _contents(block: Any) -> list[Any]:
    return list(tinycss2.parse_blocks_contents(block, skip_comments=True, skip_whitespace=True))


def _declarations(contents: Iterable[Any]) -> str:
    kept = []
    for item in contents:
        if item.type == "declaration" and item.lower_name in _PROPERTIES:
            value = _value(item.value)
            if value and (item.lower_name != "display" or value.lower() in _DISPLAYS):
                kept.append(f"{item.lower_name}:{value}{' !important' if item.important else ''}")
    return ";".join(kept)


def _value(tokens: Iterable[Any]) -> str:
    """The value written anew from its tokens; empty if one of them is not a plain one."""
    written = [_token(token) for token in tokens]
    return "" if None in written else "".join(filter(None, written)).strip()


def _token(token: Any) -> str | None:
    match token.type:
        case "whitespace" | "comment":
            return " "
        case "ident" if re.fullmatch(r"[\w-]{1,60}", token.value, re.ASCII):
            return str(token.value)
        case "hash" if re.fullmatch(r"[0-9a-fA-F]{3,8}", token.value):
            return f"#{token.value}"
        case "literal" if token.value in {",", "/"}:
            return str(token.value)
        case "string" if re.fullmatch(r"[\w .-]{1,60}", token.value):
            return f"'{token.value}'"
        case "number" | "percentage" | "dimension":
            return _number(token)
        case "function" if token.lower_name in _COLOURS:
            inner = _value(token.arguments)
            return f"{token.lower_name}({inner})" if inner and "(" not in inner else None
    return None


def _number(token: Any) -> str | None:
    unit: str = token.lower_unit if token.type == "dimension" else "%" if token.type == "percentage" else ""
    scale = 1.0 if unit in {"", "%", "deg"} else _PIXELS.get(unit, 0.0)
    if not scale:
        return None
    most = _LONGEST_LENGTH / scale
    return f"{min(most, max(-most, token.value)):.6g}{unit}"
