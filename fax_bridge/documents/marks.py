"""A number drawn on a page in black squares, so large that a fax line leaves them readable.

A frame tells where they are; within it stand four rows of sixteen. There is no check digit: who looks for a number of
64 bits knows which. :mod:`fax_bridge.documents.marks_reading` reads it.
"""

COLUMNS, ROWS = 16, 4
WIDTH, HEIGHT, LINE, GAP = 150.0, 56.0, 2.0, 6.0
"""Millimetres of the frame, of its line, and between it and the squares."""
ACROSS = (WIDTH - 2 * (LINE + GAP)) / COLUMNS
DOWN = (HEIGHT - 2 * (LINE + GAP)) / ROWS


def html_of(number: int) -> str:
    """The frame, for a page that :meth:`fax_bridge.documents.worker.Documents.html_to_pdf` makes."""
    squares = "".join(
        f'<div style="position: absolute; left: {GAP + column * ACROSS:.3f}mm; top: {GAP + row * DOWN:.3f}mm;'
        f' width: {ACROSS:.3f}mm; height: {DOWN:.3f}mm; background: #000"></div>'
        for row in range(ROWS)
        for column in range(COLUMNS)
        if number >> (row * COLUMNS + column) & 1
    )
    frame = (
        f"position: relative; width: {WIDTH - 2 * LINE}mm; height: {HEIGHT - 2 * LINE}mm; border: {LINE}mm solid #000"
    )
    return f'<div style="{frame}">{squares}</div>'
