"""Bytes of unknown encoding become text, and plain text becomes a page of monospaced lines.

Turkish mail comes in UTF-8, in UTF-16 with a byte order mark, or in windows-1254; ISO 8859-9 is the same for
every letter.
"""

import codecs
import html
import re

from fax_bridge.documents.direction import runs_to_the_left
from fax_bridge.errors import DocumentRefused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_DECLARED_WITHIN = 1024
"""HTML §13.2.3.2: the declaration stands in the first 1024 bytes."""
_LONGEST_LINE = 10_000
"""Characters in one block; laying out a block takes time by the square of its length."""
_MOST_OF_PAGE = 8192
_MOST_LINES_OF_PAGE = 100
_CONTROLS = dict.fromkeys((*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F))

STYLE = """
body { font-family: monospace; font-size: 10pt; line-height: 1.25; }
div { white-space: pre-wrap; overflow-wrap: break-word; min-height: 1.25em; }
.feed { page-break-before: always; }
"""


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Refused (``text_undecodable``) where no encoding fits, and where NULs show that it is no text at all."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data.removeprefix(mark) if encoding == "utf-8" else data, encoding)
    for encoding in filter(None, (declared, "utf-8")):
        try:
            return _strictly(data, encoding)
        except DocumentRefused:
            continue
    return _strictly(data, "cp1254")


def decode_html(data: bytes) -> str:
    """As :func:`decode`, with the page's own word on its encoding first where it is one that Python knows."""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    declared = found[1].decode("ascii", "replace") if found else None
    # A page that says UTF-16 in ASCII bytes is not (HTML §13.2.3.2); ISO 8859-9 is read as its superset (§13.2.3.4).
    if declared and (declared.lower().startswith("utf-16") or not _is_known(declared)):
        declared = None
    if declared and codecs.lookup(declared).name == "iso8859-9":
        declared = "cp1254"
    return decode(data, declared=declared)


def page_of(text: str, *, most_pages: int) -> str:
    """The HTML of plain text: one block a line, tabs to every eighth column, form feeds as new pages.

    Refused: ``text_empty``, ``too_many_pages``.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DocumentRefused(0, "text_empty")
    lines = text.count("\n") + 1
    if len(text) > most_pages * _MOST_OF_PAGE or lines > most_pages * _MOST_LINES_OF_PAGE:
        raise DocumentRefused(0, "too_many_pages", f"{len(text)} characters in {lines} lines")
    blocks = []
    for number, sheet in enumerate(text.rstrip("\f\n").split("\f")):
        for index, line in enumerate(sheet.split("\n")):
            shown = line.expandtabs(8).translate(_CONTROLS)
            mark = ' class="feed"' if number and not index else ""
            way = ' dir="rtl"' if runs_to_the_left(shown) else ""
            for start in range(0, max(len(shown), 1), _LONGEST_LINE):
                blocks.append(f"<div{mark}{way}>{_breakable(shown[start : start + _LONGEST_LINE])}</div>")
                mark = ""
    return "<!DOCTYPE html><html><body>" + "\n".join(blocks) + "</body></html>"


def _breakable(line: str) -> str:
    """Runs without a blank may break anywhere, so that nothing runs off the page."""
    pieces = re.split(r"(\S{60})", line)
    return "<wbr>".join(html.escape(piece) for piece in pieces if piece)


def _strictly(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise DocumentRefused(0, "text_undecodable", str(error)) from error
    if "\0" in text:
        raise DocumentRefused(0, "text_undecodable", "it holds NULs, so it is no text")
    return text


def _is_known(encoding: str) -> bool:
    try:
        return bool(codecs.lookup(encoding)._is_text_encoding)  # noqa: SLF001 — the one way to know "rot13" and "zip"
    except LookupError:
        return False
