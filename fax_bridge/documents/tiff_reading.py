"""How a fax page's bits may be read: as its directory says, and in what other ways if that makes no sense."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fax_bridge.documents.ccitt import Coding, Strip
from fax_bridge.documents.tiff_file import (
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    ROWS_PER_STRIP,
    T4_OPTIONS,
    WIDTH,
    Directory,
    Extent,
)

REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_CODINGS = {2: Coding.MH, 3: Coding.G3_1D, 4: Coding.G4}
_DIMENSIONS = {Coding.G3_1D: Coding.G3_2D, Coding.G3_2D: Coding.G3_1D}
_FAX_WIDTHS = (1728, 2048, 2432)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the directory says, as far as it can be believed."""

    coding: Coding
    width: int
    height: int
    rows_per_strip: int
    strips: tuple[bytes, ...]
    is_whole: bool
    """Whether each strip's end is known and lies in the file."""
    is_cut: bool
    counts_empty_runs: bool = True

    @property
    def heights(self) -> list[int]:
        """Lines of each strip that there ought to be."""
        return [min(self.rows_per_strip, self.height - top) for top in range(0, self.height, self.rows_per_strip)]

    @property
    def cost(self) -> int:
        return 8 * sum(map(len, self.strips)) + 8 * self.height


def is_fax_coded(directory: Directory) -> bool:
    """MH, G3 or G4. These are of one bit by nature, whatever BitsPerSample claims."""
    return directory.number(COMPRESSION, 1) in _CODINGS and not directory.is_tiled


def reading_of(data: bytes, directory: Directory) -> Reading:
    coding = _CODINGS[directory.number(COMPRESSION)]
    if coding is Coding.G3_1D and directory.number(T4_OPTIONS) & 1:
        coding = Coding.G3_2D
    height = directory.number(HEIGHT)
    rows = directory.number(ROWS_PER_STRIP, height)
    extents = directory.extents(data)
    turned = directory.number(FILL_ORDER, 1) == 2
    return Reading(
        coding=coding,
        width=directory.number(WIDTH),
        height=height,
        rows_per_strip=rows if 0 < rows < height else max(height, 1),
        strips=tuple(_bits_highest_first(data, extents, turned=turned)),
        is_whole=all(extent.is_counted and not extent.is_cut for extent in extents),
        is_cut=any(extent.is_cut for extent in extents),
    )


def _bits_highest_first(data: bytes, extents: Sequence[Extent], *, turned: bool) -> Iterator[bytes]:
    for extent in extents:
        strip = data[extent.start : extent.end]
        yield strip.translate(REVERSED) if turned else strip


def other_readings(data: bytes, directory: Directory, stored: Reading, first: Strip) -> Iterator[Reading]:
    """What the bits may be if the directory does not tell the truth, the likeliest lie first."""
    if first.lines and first.lines[-1] is None and not stored.is_cut:
        extents = [extent.stretched for extent in directory.extents(data)]
        turned = directory.number(FILL_ORDER, 1) == 2
        strips = tuple(_bits_highest_first(data, extents, turned=turned))
        if strips != stored.strips:
            yield replace(stored, strips=strips, is_whole=False)
    if stored.coding in {Coding.G3_2D, Coding.G4}:
        yield replace(stored, counts_empty_runs=False)
    kept = len(first.lines) - first.lost
    if first.lines and 3 * first.lost <= stored.height:
        return
    if stored.coding in _DIMENSIONS:  # T4Options is the likeliest lie, and lets every other line be read
        yield replace(stored, coding=_DIMENSIONS[stored.coding])
    if 10 * kept > stored.height:
        return  # so many lines are no accident: what is missing is damage
    tried = {stored.coding, _DIMENSIONS.get(stored.coding)}
    yield from (replace(stored, coding=coding) for coding in Coding if coding not in tried)
    turned_strips = tuple(strip.translate(REVERSED) for strip in stored.strips)
    yield from (replace(stored, coding=coding, strips=turned_strips) for coding in (stored.coding, *Coding))
    for width in _FAX_WIDTHS:
        if width != stored.width:
            yield replace(stored, width=width)
