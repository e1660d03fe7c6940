"""A CSV file becomes a table: its delimiter found, its numbers to the right, wide ones on their side.

What turns out to be no table is plain text, as it would be in any editor.
"""

import csv
import html
import io
import re
from collections import Counter

from fax_bridge.documents.direction import runs_to_the_left
from fax_bridge.errors import DocumentRefused

_DELIMITERS = ";,\t|"
_SAMPLE = 50
"""Lines by which the delimiter is judged."""
_MOST_CELLS = 60_000
_NUMBER = re.compile(r"[+-]?[\d.,'\u00a0 ]*\d\s*(?:%|TL|₺|€|\$|EUR|USD|TRY)?")
_UPRIGHT, _ON_ITS_SIDE = 95, 140
"""Characters of 9 points in a line of an A4 page, borders and all."""
_WRAPPED = 40
"""Characters at which a cell may be broken into lines."""

STYLE = """
table { border-collapse: collapse; font-size: 9pt; }
table + table { page-break-before: always; }
td { border: 0.75pt solid #000; padding: 1pt 3pt; vertical-align: top; overflow-wrap: break-word; }
tr { page-break-inside: avoid; }
.n { text-align: right; white-space: nowrap; }
.h { font-weight: bold; }
"""


def rows_of(text: str) -> list[list[str]] | None:
    """The cells, each row as long as the longest; ``None`` where the text is no table.

    Excel writes semicolons where commas are decimal points, and may say so in a first line ``sep=;``.
    """
    text = text.lstrip("\ufeff")
    first, _, rest = text.partition("\n")
    if said := re.fullmatch(r"sep=([;,\t|])\r?", first, re.IGNORECASE):
        return _read(rest, said[1])
    counted = {delimiter: _columns(text, delimiter) for delimiter in _DELIMITERS}
    best = max(counted, key=lambda delimiter: counted[delimiter])
    return _read(text, best) if counted[best] > (0.5, 1) else None


def page_of(rows: list[list[str]]) -> tuple[str, bool]:
    """The HTML of the table, and whether it needs a page on its side.

    A table that is too wide even for that comes in several, side by side on the pages that follow, each with the
    first column again. Refused: ``too_many_pages``.
    """
    if sum(map(len, rows)) > _MOST_CELLS:
        raise DocumentRefused(0, "too_many_pages", f"a table of {len(rows)} rows and {len(rows[0])} columns")
    widths = [min(max(len(row[column]) for row in rows), _WRAPPED) + 2 for column in range(len(rows[0]))]
    if sum(widths) <= _UPRIGHT:
        return _html([rows]), False
    return _html([[[row[column] for column in block] for row in rows] for block in _blocks(widths)]), True


def _blocks(widths: list[int]) -> list[list[int]]:
    """The columns of each table, as many as fit beside the first one."""
    blocks = [[0]]
    taken = widths[0]
    for column, width in enumerate(widths[1:], 1):
        if taken + width > _ON_ITS_SIDE and len(blocks[-1]) > 1:
            blocks.append([0])
            taken = widths[0]
        blocks[-1].append(column)
        taken += width
    return blocks


def _html(tables: list[list[list[str]]]) -> str:
    return "<!DOCTYPE html><html><body>" + "\n".join(map(_table, tables)) + "</body></html>"


def _table(rows: list[list[str]]) -> str:
    written = [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    if len(rows) > 1 and all(rows[0]) and not any(map(_NUMBER.fullmatch, rows[0])):
        written[0] = '<tr class="h">' + written[0].removeprefix("<tr>")
    return "<table>" + "\n".join(written) + "</table>"


def _columns(text: str, delimiter: str) -> tuple[float, int]:
    """How many of the first lines agree on a number of columns above one, as a share, and that number."""
    lines = io.StringIO("".join(text[: _SAMPLE * 2000].splitlines(keepends=True)[:_SAMPLE]))
    try:
        lengths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    counted = Counter(length for length in lengths if length > 1)
    if not counted:
        return 0.0, 0
    columns, agreeing = counted.most_common(1)[0]
    return agreeing / len(lengths), columns


def _read(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        ]
    except csv.Error:
        return None
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if width < 1:
        return None
    return [row + [""] * (width - len(row)) for row in rows]


def _cell(text: str) -> str:
    mark = ' class="n"' if _NUMBER.fullmatch(text) and len(text) < 30 else ""
    mark += ' dir="rtl"' if runs_to_the_left(text) else ""
    return f"<td{mark}>{html.escape(text).replace(chr(10), '<br>')}</td>"
