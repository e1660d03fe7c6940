"""One line of a fax: its bits → the places where its colour changes (ITU-T T.4 §4.1 and §4.2, T.6 §2).

A line begins white, and each place is the first pixel of the other colour: even ones turn black, odd ones white.
A run of no length gives the same place twice. The standard knows no such changes, since its changing elements are
pixels; libtiff and a program that writes such runs count them, and :func:`merged` takes them away for others.
"""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from fax_bridge.documents.ccitt_codes import BLACK, HORIZONTAL, MODE_WINDOW, MODES, PASS, WHITE, WINDOW, Windows


class BadLine(Exception):
    """The bits are no line of this width."""


def one_dimensional(bits: str, position: int, width: int) -> tuple[list[int], int]:
    """The changes of a line of runs, and the position after it. Raises :class:`BadLine`."""
    changes: list[int] = []
    at = 0
    runs, others = WHITE, BLACK
    try:
        while True:
            size, run = runs[bits[position : position + WINDOW]]
            position += size
            at += run
            while run > 63:
                size, run = runs[bits[position : position + WINDOW]]
                position += size
                at += run
                if at > width:
                    raise BadLine
            if at >= width:
                break
            changes.append(at)
            runs, others = others, runs
    except KeyError:
        raise BadLine from None
    if at > width:
        raise BadLine
    return changes, position


def two_dimensional(bits: str, position: int, width: int, above: Sequence[int]) -> tuple[list[int], int]:
    """The same for a line coded against the changes of the line ``above``. Raises :class:`BadLine`."""
    reference = [*above, width, width, width, width]
    changes: list[int] = []
    at = -1  # the imaginary white pixel before the line (T.4 §4.2.1.1)
    b1 = 0  # index of the first change above that lies right of ``at`` and turns into the other colour
    try:
        while at < width:
            size, mode = MODES[bits[position : position + MODE_WINDOW]]
            position += size
            if mode < PASS:
                change = reference[b1] + mode
                if change < at or change > width or change < 0:
                    raise BadLine
                at = change
                if at == width:
                    break
                changes.append(at)
                if mode >= 0:
                    b1 += 1
                else:  # it may have come to lie left of the change before
                    b1 = b1 - 1 if b1 else 1
            elif mode == HORIZONTAL:
                at = max(at, 0)
                for runs in (BLACK, WHITE) if b1 & 1 else (WHITE, BLACK):
                    run, position = _run(bits, position, runs)
                    at += run
                    if at < width:
                        changes.append(at)
                if at > width:
                    raise BadLine
            else:
                at = reference[b1 + 1]
                b1 += 2
            while reference[b1] <= at < width:
                b1 += 2
    except KeyError:
        raise BadLine from None
    return changes, position


def _run(bits: str, position: int, runs: Windows) -> tuple[int, int]:
    total = 0
    while True:
        size, run = runs[bits[position : position + WINDOW]]
        position += size
        total += run
        if run < 64:
            return total, position


def merged(changes: Sequence[int]) -> list[int]:
    """The changes without those that a run of no length has made."""
    places: list[int] = []
    for change in changes:
        if places and places[-1] == change:
            places.pop()
        else:
            places.append(change)
    return places


class Packer:
    """Changes → the line's pixels, eight to a byte, the first highest, black 1.

    A line is the exclusive or of one mask for each change: all pixels right of it. The masks of the usual width
    of a fax are 190 kB and are made as they are needed.
    """

    def __init__(self, width: int) -> None:
        self._size = (width + 7) // 8
        self._end = 8 * self._size
        self._tail = (1 << (self._end - width)) - 1
        self._masks: dict[int, int] = {}

    def pack(self, changes: Sequence[int]) -> bytes:
        masks = self._masks
        for change in changes:
            if change not in masks:
                masks[change] = (1 << (self._end - change)) - 1
        pixels = reduce(xor, [masks[change] for change in changes], 0)
        return (pixels & ~self._tail).to_bytes(self._size, "big")
