"""The container of TIFF 6.0 and BigTIFF: directories read with every value checked, and written anew.

Nothing in a file is believed: offsets may lie outside, directories may form a ring, values may be of any type.
What cannot be read is reported in words, and what was read before it is kept.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fax_bridge.documents.fault import Fault, FaultKind

NEW_SUBFILE_TYPE = 254
SUBFILE_TYPE = 255
WIDTH = 256
HEIGHT = 257
BITS_PER_SAMPLE = 258
COMPRESSION = 259
PHOTOMETRIC = 262
FILL_ORDER = 266
STRIP_OFFSETS = 273
ORIENTATION = 274
SAMPLES_PER_PIXEL = 277
ROWS_PER_STRIP = 278
STRIP_BYTE_COUNTS = 279
X_RESOLUTION = 282
Y_RESOLUTION = 283
T4_OPTIONS = 292
T6_OPTIONS = 293
RESOLUTION_UNIT = 296
PAGE_NUMBER = 297
TILE_OFFSETS = 324
TILE_BYTE_COUNTS = 325

BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7

_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""Field type → struct code; 13 is IFD, 16 to 18 are BigTIFF's."""
_RATIONALS = {5: "II", 10: "ii"}
_SIZES = {**{kind: struct.calcsize(code) for kind, code in _INTEGERS.items()}, 2: 1, 5: 8, 10: 8, 11: 4, 12: 8}
_OFFSETS = (STRIP_OFFSETS, TILE_OFFSETS)
_MOST_FIELDS = 4096
_MOST_VALUES = 1 << 20

Field = tuple[int, Sequence[int]]
"""Field type and values; a rational is two values."""


class NotTiff(ValueError):
    """The bytes do not begin as a TIFF does."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this file writes numbers: byte order, and the widths in which classic and BigTIFF differ."""

    order: str
    count: str
    entries: str

    @property
    def inline(self) -> int:
        return struct.calcsize(self.count)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a strip lies in the file; its end is known only if it is counted."""

    start: int
    end: int
    room: int
    """Where the next thing begins, or the file ends."""
    is_counted: bool
    is_cut: bool

    @property
    def stretched(self) -> "Extent":
        """As far as it may reach if its count is too small."""
        return replace(self, end=max(self.end, self.room), is_counted=False)


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory. Fields outside the file or of an unknown type are absent."""

    order: str
    fields: Mapping[int, Field]
    landmarks: Sequence[int] = ()
    """Where anything of the file begins, ascending: the strips and directories of all its pages."""

    def numbers(self, tag: int) -> Sequence[int]:
        kind, values = self.fields.get(tag, (LONG, ()))
        return values if kind in _INTEGERS else ()

    def number(self, tag: int, default: int = 0) -> int:
        values = self.numbers(tag)
        return values[0] if values else default

    def ratio(self, tag: int) -> float:
        """A rational, or an integer written in its stead; 0 where there is none."""
        kind, values = self.fields.get(tag, (LONG, ()))
        if kind in _RATIONALS:
            return values[0] / values[1] if len(values) > 1 and values[1] else 0.0
        return float(values[0]) if values else 0.0

    @property
    def is_tiled(self) -> bool:
        return TILE_OFFSETS in self.fields

    def strips(self, data: bytes) -> list[bytes]:
        """The strips (or tiles) as far as they lie in the file. Raises :class:`ValueError` as :meth:`extents` does."""
        return [data[extent.start : extent.end] for extent in self.extents(data)]

    def is_cut(self, data: bytes) -> bool:
        """Whether the file ends before the last byte of a strip."""
        return any(extent.is_cut for extent in self.extents(data))

    def extents(self, data: bytes) -> list[Extent]:
        """Where the strips (or tiles) lie.

        Byte counts that are missing, zero or too large are common; a strip then ends where the next thing in the
        file begins, or with the file. Raises :class:`ValueError` if there is none, or they overlap to more than the
        file holds.
        """
        offsets = self.numbers(TILE_OFFSETS if self.is_tiled else STRIP_OFFSETS)
        counts = self.numbers(TILE_BYTE_COUNTS if self.is_tiled else STRIP_BYTE_COUNTS)
        if not offsets:
            raise ValueError("it has no image data")
        landmarks = self.landmarks or sorted(offsets)
        extents = []
        for index, start in enumerate(offsets):
            count = counts[index] if index < len(counts) else 0
            after = bisect_right(landmarks, start)
            room = min(landmarks[after], len(data)) if after < len(landmarks) else len(data)
            wanted = start + count if count > 0 else max(room, start + 1)
            extents.append(Extent(start, min(wanted, len(data)), room, count > 0, wanted > len(data)))
        if sum(max(0, extent.end - extent.start) for extent in extents) > 2 * len(data):
            raise ValueError("its pieces overlap")
        return extents


@dataclass(frozen=True, slots=True)
class TiffFile:
    directories: tuple[Directory, ...]
    faults: tuple[Fault, ...]
    """What is wrong with the list of pages itself."""


def read_tiff(data: bytes, *, most: int) -> TiffFile:
    """Read up to ``most`` directories. Raises :class:`NotTiff`."""
    layout, offset = _header(data)
    directories: list[Directory] = []
    faults: list[Fault] = []
    seen: set[int] = set()
    while offset and len(directories) < most:
        if offset in seen:
            faults.append(Fault(FaultKind.LIST_RING, total=len(directories)))
            break
        seen.add(offset)
        try:
            directory, offset = _directory(data, layout, offset)
        except struct.error:
            faults.append(Fault(FaultKind.LIST_CUT, total=len(directories)))
            break
        directories.append(directory)
    landmarks = sorted(seen.union(*(directory.numbers(tag) for directory in directories for tag in _OFFSETS)))
    return TiffFile(tuple(replace(directory, landmarks=landmarks) for directory in directories), tuple(faults))


def write_tiff(pages: Sequence[tuple[Mapping[int, Field], Sequence[bytes]]], *, order: str = "<") -> bytes:
    """A classic TIFF from fields and strips (tiles, where the fields name a tile width) of each page."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for fields, strips in pages:
        offsets = []
        for strip in strips:
            offsets.append(len(out))
            out += strip
            out += bytes(len(out) % 2)  # a directory begins on a word boundary (TIFF 6.0 §2)
        tiled = 322 in fields
        full = {
            **fields,
            TILE_OFFSETS if tiled else STRIP_OFFSETS: (LONG, offsets),
            TILE_BYTE_COUNTS if tiled else STRIP_BYTE_COUNTS: (LONG, [len(strip) for strip in strips]),
        }
        packed = [(tag, kind, values, _pack(order, kind, values)) for tag, (kind, values) in sorted(full.items())]
        places = {}
        for tag, _, _, value in packed:
            if len(value) > 4:
                places[tag] = struct.pack(order + "I", len(out))
                out += value + bytes(len(value) % 2)
        struct.pack_into(order + "I", out, link, len(out))
        out += struct.pack(order + "H", len(packed))
        for tag, kind, values, value in packed:
            count = len(values) // (2 if kind in _RATIONALS else 1)
            out += struct.pack(order + "HHI", tag, kind, count) + places.get(tag, value.ljust(4, b"\0"))
        link = len(out)
        out += bytes(4)
    return bytes(out)


def _pack(order: str, kind: int, values: Sequence[int]) -> bytes:
    code = "I" if kind in _RATIONALS else _INTEGERS[kind]
    return struct.pack(f"{order}{len(values)}{code}", *values)


def _header(data: bytes) -> tuple[_Layout, int]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        version = struct.unpack_from(order + "H", data, 2)[0] if order else 0
        if version == 42:
            return _Layout(order, "I", "H"), struct.unpack_from(order + "I", data, 4)[0]
        if version == 43 and struct.unpack_from(order + "HH", data, 4) == (8, 0):
            return _Layout(order, "Q", "Q"), struct.unpack_from(order + "Q", data, 8)[0]
    except struct.error:
        pass
    raise NotTiff(f"it is no TIFF, it begins with {data[:12]!r}")


def _directory(data: bytes, layout: _Layout, offset: int) -> tuple[Directory, int]:
    """One directory and the offset of the next. Raises :class:`struct.error` where the file ends too early."""
    if offset > len(data):
        raise struct.error("outside the file")
    (entries,) = struct.unpack_from(layout.order + layout.entries, data, offset)
    if not 0 < entries <= _MOST_FIELDS:
        raise struct.error("no directory")
    position = offset + struct.calcsize(layout.entries)
    size = 4 + 2 * layout.inline
    fields = dict(_fields(data, layout, position, entries, size))
    position += entries * size
    try:
        (following,) = struct.unpack_from(layout.order + layout.count, data, position)
    except struct.error:
        following = len(data) + 1  # this page is whole; that the list goes on cannot be told, and is reported
    return Directory(layout.order, fields), following


def _fields(data: bytes, layout: _Layout, position: int, entries: int, size: int) -> Iterator[tuple[int, Field]]:
    for start in range(position, position + entries * size, size):
        tag, kind, count = struct.unpack_from(f"{layout.order}HH{layout.count}", data, start)
        length = _SIZES.get(kind, 0) * count
        if length == 0 or count > _MOST_VALUES:
            continue
        at = start + 4 + layout.inline
        if length > layout.inline:
            (at,) = struct.unpack_from(layout.order + layout.count, data, at)
        if at + length > len(data):
            continue
        if kind in _INTEGERS:
            yield tag, (kind, struct.unpack_from(f"{layout.order}{count}{_INTEGERS[kind]}", data, at))
        elif kind in _RATIONALS:
            yield tag, (kind, struct.unpack_from(f"{layout.order}{count * 2}{_RATIONALS[kind][0]}", data, at))
