"""A stranger's HTML becomes a fragment that can only be looked at.

What is kept is listed; all else falls away: scripts, forms' fields, frames, anything that names an address.
nh3 parses as a browser does and writes the document anew. Before it comes a guard against nesting, since
browsers' parsing and layout take time by the square of the depth, or worse.
"""

import html as entities
import importlib
import re
from collections import Counter
from typing import Any

import nh3

from fax_bridge.documents.css import SCOPE, safe_declarations, safe_sheet
from fax_bridge.documents.direction import with_directions
from fax_bridge.documents.job import UNSHOWABLE, Task
from fax_bridge.errors import DocumentRefused

_LONGEST = 2_000_000
"""Bytes: 300 pages of plain words."""
_DEEPEST = 400

_TAGS = {
    *("address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code"),
    *("col", "colgroup", "dd", "del", "dfn", "dir", "div", "dl", "dt", "em", "figcaption", "figure", "font", "footer"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "i", "ins", "kbd", "li", "main", "mark", "menu"),
    *("nav", "ol", "p", "pre", "q", "s", "samp", "section", "small", "span", "strike", "strong", "sub", "sup", "table"),
    *("tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var", "wbr"),
}
_WITH_CONTENT = {
    *("applet", "audio", "canvas", "datalist", "embed", "frameset", "head", "iframe", "map", "math", "noembed"),
    *("noframes", "noscript", "object", "option", "script", "select", "style", "svg", "template", "textarea", "title"),
    *("video", "xml"),
}
"""Elements that go with all that is in them; of others the words stay."""
_ATTRIBUTES = {
    "*": {"align", "class", "dir", "lang", "style", "valign", "width", "height", "bgcolor"},
    "table": {"border", "cellpadding", "cellspacing", "rules", "frame"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "hr": {"size", "noshade"},
    "br": {"clear"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
}
_SPANS = {"colspan", "rowspan", "span"}
_WIDEST_SPAN = 100
_NUMBERS = {"width", "height", "border", "cellpadding", "cellspacing", "size", "start", "value"}
_NUMBER = re.compile(r"\s*([+-]?\d{1,4})(?:\.\d*)?\s*(%|px)?\s*")
_WORDS = re.compile(r"[\w #,.%'-]{0,200}")
_SOURCELESS = re.compile(r"<img(?![^>]* src=)[^>]*>")
_CID = re.compile(r"cid:[^\s\"'<>()\\]{1,250}", re.IGNORECASE)


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    text = task.blob("0").decode("utf-8", "replace")
    quoted, signed = (False, set[str]()), (False, set[str]())
    if len(text) <= _LONGEST:
        if arguments.get("without_quoted"):
            text, *quoted = importlib.import_module("fax_bridge.documents.quoted").without_quoted(text)
        if arguments.get("without_signature"):
            text, *signed = importlib.import_module("fax_bridge.documents.signature").without_signature(text)
    return clean(text, images=arguments["images"]).encode(), {
        "quoted": quoted[0],
        "quoted_pictures": sorted(quoted[1]),
        "signature": signed[0],
        "signature_pictures": sorted(signed[1]),
    }


def clean(html: str, *, images: bool = False) -> str:
    """The safe fragment; empty when nothing is left that a person would see. Cleaning it again changes nothing.

    Refused: ``html_too_large``.
    """
    if len(html.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise DocumentRefused(0, "html_too_large", f"more than {_LONGEST} bytes")
    html = UNSHOWABLE.sub("\ufffd", html)
    body, sheets = _without_raw_text(html)
    if _is_too_deep(body):
        body = _words_only(body)
    fragment = (_WITH_IMAGES if images else _WITHOUT_IMAGES).clean(body)
    fragment = with_directions(_SOURCELESS.sub("", fragment).strip())
    if not _shows_something(fragment):
        return ""
    rules = safe_sheet(sheets)
    return f"<style>{rules}</style>{_scoped(fragment)}" if rules else fragment


def _attribute(tag: str, name: str, value: str) -> str | None:
    """The value that an attribute may keep; ``None`` drops it."""
    if name == "style":
        return safe_declarations(value) or None
    if name == "src":
        return value if _CID.fullmatch(value) else None
    if name in _SPANS:
        return str(min(int(value), _WIDEST_SPAN)) if value.strip().isdecimal() and len(value) < 10 else None
    if name in _NUMBERS:
        found = _NUMBER.fullmatch(value)
        return found[1] + ("%" if found[2] == "%" else "") if found else None
    if name == "alt":
        return re.sub(r"[<>]", " ", value)[:1000]
    return value if _WORDS.fullmatch(value) else None


def _cleaner(tags: set[str], attributes: dict[str, set[str]]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=tags,
        clean_content_tags=_WITH_CONTENT,
        attributes=attributes,
        attribute_filter=_attribute,
        link_rel=None,
        url_schemes={"cid"},
        url_relative="deny",
    )


_WITHOUT_IMAGES = _cleaner(_TAGS, _ATTRIBUTES)
_WITH_IMAGES = _cleaner(_TAGS | {"img"}, _ATTRIBUTES | {"img": {"src", "alt", "border"}})


# --- before the parser -------------------------------------------------------------------------------

_RAW = re.compile(r"<(?:(!--)|(style|script|title|noscript|textarea|xmp)(?=[\s/>])[^>]*>)", re.IGNORECASE)
_COMMENT_END = re.compile(r"--!?>")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_SELF_CLOSING = {
    *("br", "hr", "img", "input", "meta", "link", "col", "wbr", "area", "base", "embed", "param", "source", "track"),
}
_OFTEN_UNCLOSED = {"p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot", "html", "body", "head"}
"""Their end tags may be left out (HTML §13.1.2.4), so that counting them would count siblings as nested."""
_REOPENED = {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
"""Formatting that a parser opens again after each block until it is closed by name (HTML §13.2.4.3)."""


def _without_raw_text(html: str) -> tuple[str, list[str]]:
    """The document without comments and without elements whose content is no markup; and its style sheets.

    What remains holds no place where a tag is not a tag, so that the depth can be counted on it.
    """
    kept: list[str] = []
    sheets: list[str] = []
    position = 0
    while found := _RAW.search(html, position):
        kept.append(html[position : found.start()])
        if found[1]:
            position = _after_comment(html, found.end())
            continue
        name = found[2].lower()
        end = re.compile(rf"</{name}(?=[\s/>])[^>]*>?", re.IGNORECASE).search(html, found.end())
        if name == "style":
            sheets.append(_uncommented(html[found.end() : end.start() if end else len(html)]))
        position = end.end() if end else len(html)
    kept.append(html[position:])
    return "".join(kept), sheets


def _after_comment(html: str, start: int) -> int:
    """Where a comment ends; ``<!-->`` and ``<!--->`` are whole ones, and an open one takes the rest (§13.2.5.43)."""
    for short in (">", "->"):
        if html.startswith(short, start):
            return start + len(short)
    end = _COMMENT_END.search(html, start)
    return end.end() if end else len(html)


def _uncommented(sheet: str) -> str:
    """Outlook wraps its style sheets in HTML comment marks, which CSS passes over (CSS Syntax §5.4.1)."""
    return sheet.replace("<!--", " ").replace("-->", " ")


def _is_too_deep(html: str) -> bool:
    """A bound from above of how deep the parser will nest."""
    blocks: list[str] = []
    within: Counter[str] = Counter()
    reopened: Counter[str] = Counter()
    for closing, name in _TAG.findall(html):
        tag = name.lower()
        if tag in _SELF_CLOSING or tag in _OFTEN_UNCLOSED:
            continue
        if tag in _REOPENED:
            reopened[tag] = max(0, reopened[tag] + (-1 if closing else 1))
        elif not closing:
            blocks.append(tag)
            within[tag] += 1
        elif within[tag]:
            while (last := blocks.pop()) != tag:
                within[last] -= 1
            within[tag] -= 1
        if len(blocks) + reopened.total() > _DEEPEST:
            return True
    return False


def _words_only(html: str) -> str:
    """The text alone, a line for each block: what is left of a document that is nested beyond sense."""
    lines = re.sub(r"<(?:/?(?:p|div|tr|li|table|h[1-6])|br)\b[^>]*>", "\n", html, flags=re.IGNORECASE)
    text = entities.unescape(re.sub(r"<[^>]*>", "", lines))
    return "<br>\n".join(entities.escape(line.strip()) for line in text.split("\n") if line.strip())


# --- after the parser --------------------------------------------------------------------------------


def _shows_something(fragment: str) -> bool:
    if "<img" in fragment or "<hr" in fragment:
        return True
    text = entities.unescape(re.sub(r"<[^>]*>", "", fragment))
    return any(character.isprintable() and not character.isspace() for character in text)


def _scoped(fragment: str) -> str:
    """Inside one element of the class that the rules are confined to, unless it is already."""
    opening = f'<div class="{SCOPE}">'
    if fragment.startswith(opening):
        depth = 0
        for found in re.finditer(r"<(/?)div\b", fragment):
            depth += -1 if found[1] else 1
            if not depth:
                if fragment[found.start() :] == "</div>":
                    return fragment
                break
    return f"{opening}{fragment}</div>"
