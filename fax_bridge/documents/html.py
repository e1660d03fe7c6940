"""HTML → PDF by an engine that is given no way out: no file, no address, only the pictures handed in.

Plutoprint lays out and draws; where it has no wheel (ARM, musl) pyfulgur stands in. Both see only the fonts
that come with this program, so that a page looks the same on every machine.
"""

import re
from collections.abc import Mapping
from typing import Any

from fax_bridge.documents.job import Task
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PAPER_POINTS, Paper

__all__ = ["BLACK_ON_WHITE", "breakable", "draw", "fonts", "render", "work"]

try:
    from fax_bridge.documents.html_plutoprint import draw, fonts
except ImportError:
    from fax_bridge.documents.html_fulgur import draw, fonts

MARGIN = 42.5
"""Points, 15 mm: what fax machines and printers leave white, and a little more."""

_DEEP = "table " * 9
_STYLE = f"""
html {{ font-family: "DejaVu Sans", sans-serif; font-size: 11pt; line-height: 1.3; color: #000; }}
body {{ margin: 0; }}
img {{ max-width: 100%; }}
pre {{ white-space: pre-wrap; }}
td[align=center] > table {{ margin-left: auto; margin-right: auto; }}
{_DEEP}table, {_DEEP}tbody, {_DEEP}tr, {_DEEP}td {{ display: block !important; }}
"""
"""What a page looks like where it does not say. Layout of nested tables takes 2^depth: from the tenth on, blocks."""

BLACK_ON_WHITE = "* { background: transparent !important; color: #000 !important; }"
"""For a mail on its way into a fax: grey and coloured text and backgrounds become dots that nobody can read."""

_MARKUP = re.compile(r"(<style>.*?</style>|<[^>]*>)", re.DOTALL)
_LONG_WORD = re.compile(r"(?:&[a-z]+;|[^\s&]){40}(?=\S)")
_LONG_RUN = re.compile(r"(?:&[a-z]+;|[^&]){20000}(?:&[a-z]+;|[^\s&]){0,2000}")
"""Characters in one block; laying out a block takes time by the square of its length."""


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    text = task.blob("0").decode("utf-8", "replace")
    return render(text, paper=Paper(arguments["paper"]), most_pages=task.limits.pages), None


def render(
    html: str,
    *,
    paper: Paper,
    most_pages: int,
    images: Mapping[str, bytes] | None = None,
    style: str = "",
    on_its_side: bool = False,
) -> bytes:
    """``images``: content id → PNG. Raises :class:`DocumentRefused` (``too_many_pages``, ``html_empty``)."""
    width, height = PAPER_POINTS[paper]
    size = (height, width) if on_its_side else (width, height)
    pages, pdf = draw(html, size, MARGIN, _STYLE + style, images or {}, most_pages)
    if pages < 1:
        raise DocumentRefused(0, "html_empty")
    if pages > most_pages:
        raise DocumentRefused(0, "too_many_pages", f"{pages} pages, {most_pages} are allowed")
    return pdf


def breakable(fragment: str) -> str:
    """A cleaned fragment with places to break: in words that no line can hold, and in endless paragraphs.

    One long address in a table makes the table wider than the page, and the engine then shrinks everything.
    """
    pieces = _MARKUP.split(fragment)
    for index in range(0, len(pieces), 2):  # the text stands between the markup
        runs = _LONG_RUN.sub("\\g<0>\0", pieces[index]).split("\0")  # a cleaned fragment holds no NUL
        pieces[index] = "<div></div>".join(_LONG_WORD.sub(r"\g<0><wbr>", run) for run in runs)
    return "".join(pieces)
