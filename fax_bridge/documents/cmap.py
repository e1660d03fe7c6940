"""Which characters a font file has a picture for, by its ``cmap`` table (OpenType, ISO/IEC 14496-22 §5.2.1).

Only the two formats that fonts with Unicode use today are read, 4 and 12; fontTools reads them all, and weighs 30 MB.
A character is looked up where it stands: a font of 30,000 takes no longer to open than one of a hundred.
"""

import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_FONTS = {b"\0\1\0\0", b"OTTO", b"true"}
_COLLECTION = b"ttcf"
_MOST_FONTS = 64
"""In one collection."""
_UNICODE = {(0, 3), (0, 4), (0, 6), (3, 1), (3, 10)}
"""Platform and encoding of the tables that speak of Unicode."""
_LARGEST = 8 << 20
"""Octets of a ``cmap``; the largest known has a tenth."""

Maps = Callable[[int], bool]
"""Whether a code point has a picture, other than the one for what is missing."""


class BrokenFont(ValueError):
    """The file is no font, or none that can be read here."""


def read_cmap(path: Path) -> Maps:
    """Of all fonts in the file together. Raises :class:`BrokenFont` and ``OSError``."""
    with path.open("rb") as file:
        data = _Reader(file.read(min(path.stat().st_size, 256 << 20)))
    try:
        found = [maps for start in _starts(data) for maps in _tables(data, start)]
    except (struct.error, IndexError, OverflowError) as error:
        raise BrokenFont(f"{path}: {error}") from error
    if not found:
        raise BrokenFont(f"{path}: it has no table of Unicode characters")
    return lambda code: any(maps(code) for maps in found)


@dataclass(frozen=True, slots=True)
class _Reader:
    data: bytes

    def one(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(">" + kind, self.data, at)[0])

    def many(self, kind: str, count: int, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f">{count}{kind}", self.data, at)


def _starts(data: _Reader) -> tuple[int, ...]:
    tag = data.data[:4]
    if tag in _FONTS:
        return (0,)
    if tag != _COLLECTION:
        raise BrokenFont("it is neither TrueType nor OpenType")
    return data.many("I", min(data.one("I", 8), _MOST_FONTS), 12)


def _tables(data: _Reader, start: int) -> list[Maps]:
    """The lookups of one font."""
    for record in range(start + 12, start + 12 + 16 * data.one("H", start + 4), 16):
        if data.data[record : record + 4] == b"cmap":
            at, length = data.many("I", 2, record + 8)
            break
    else:
        raise BrokenFont("it has no cmap table")
    table = _Reader(data.data[at : at + min(length, _LARGEST)])
    offsets = set()
    for record in range(4, 4 + 8 * table.one("H", 2), 8):
        if table.many("H", 2, record) in _UNICODE:
            offsets.add(table.one("I", record + 4))
    readers = {4: _segments, 12: _groups}
    return [
        readers[form](_Reader(table.data[offset:]))
        for offset in sorted(offsets)
        if (form := table.one("H", offset)) in readers
    ]


def _segments(table: _Reader) -> Maps:
    """Format 4: segments of 16-bit codes, each shifted, or looked up glyph by glyph."""
    count = table.one("H", 6) // 2
    ends = table.many("H", count, 14)
    starts = table.many("H", count, 16 + 2 * count)
    shifts = table.many("H", count, 16 + 4 * count)
    offsets_at = 16 + 6 * count
    offsets = table.many("H", count, offsets_at)

    def maps(code: int) -> bool:
        segment = bisect_left(ends, code)
        if segment == count or code < starts[segment]:
            return False
        if not offsets[segment]:
            return (code + shifts[segment]) & 0xFFFF != 0
        glyph_at = offsets_at + 2 * segment + offsets[segment] + 2 * (code - starts[segment])
        if glyph_at + 2 > len(table.data):
            return False
        glyph = table.one("H", glyph_at)
        return glyph != 0 and (glyph + shifts[segment]) & 0xFFFF != 0

    return maps


def _groups(table: _Reader) -> Maps:
    """Format 12: groups of any codes whose glyphs follow each other."""
    count = table.one("I", 12)
    numbers = table.many("I", 3 * count, 16)
    starts, ends, glyphs = numbers[::3], numbers[1::3], numbers[2::3]

    def maps(code: int) -> bool:
        group = bisect_left(ends, code)
        return group < count and starts[group] <= code and glyphs[group] + code - starts[group] != 0

    return maps
