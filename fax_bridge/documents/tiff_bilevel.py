"""A page of one bit a pixel, as faxes are: decoded by libtiff and proven, or else line by line by our own decoder."""

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from PIL import Image

from fax_bridge.documents import ccitt_proof
from fax_bridge.documents.ccitt import Coding, Strip, decode
from fax_bridge.documents.fault import Fault, FaultKind, PageFault
from fax_bridge.documents.tiff_file import (
    COMPRESSION,
    FILL_ORDER,
    HEIGHT,
    LONG,
    PHOTOMETRIC,
    ROWS_PER_STRIP,
    SHORT,
    T4_OPTIONS,
    WIDTH,
    Y_RESOLUTION,
    Directory,
    Extent,
    Field,
    write_tiff,
)

REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
_CODINGS = {2: Coding.MH, 3: Coding.G3_1D, 4: Coding.G4}
_MIN_IS_BLACK = 1
_MOST_WIDTH = 10_000
"""Pixels; the widest fax has 4864."""


@dataclass(slots=True)
class Effort:
    """What our own decoder may still do for one file, in bits: a tenth of a microsecond each, a quarter at worst."""

    bits: int = 64_000_000

    def spend(self, bits: int) -> bool:
        """False where there is not enough left; then nothing is spent."""
        if bits > self.bits:
            return False
        self.bits -= bits
        return True


@dataclass(frozen=True, slots=True)
class BilevelPage:
    coded: Image.Image
    """Mode ``1`` as it is stored; 255 is the coding's black, bit 1."""
    black_is_one: bool
    """Whether that black is ink, as it is in a fax."""
    faults: tuple[Fault, ...] = ()
    g4: bytes = b""
    """``coded`` as one strip of G4, if the proof has made it already."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the directory says, as far as it can be believed."""

    coding: Coding
    width: int
    height: int
    rows_per_strip: int
    y_dpi: float
    strips: tuple[bytes, ...]
    is_whole: bool
    """Whether each strip's end is known and lies in the file."""
    is_cut: bool
    faults: tuple[Fault, ...] = field(default=())

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


def decode_fax_coded(data: bytes, directory: Directory, effort: Effort, *, most_lines: int) -> BilevelPage:
    """The page with what is wrong with it. Raises :class:`PageFault` where not one line of it can be read.

    ``most_lines`` bounds a page that is longer than its directory says.
    """
    stored = _stored(data, directory)
    black_is_one = directory.number(PHOTOMETRIC, 0) != _MIN_IS_BLACK
    complaints: list[str] = []
    image = None if stored.is_cut else _by_libtiff(stored, complaints)
    if image is not None and not complaints:
        encoded = ccitt_proof.encode(image, stored.coding, rows_per_strip=stored.rows_per_strip, y_dpi=stored.y_dpi)
        if ccitt_proof.agree(stored.strips, encoded, stored.coding):
            is_g4 = stored.coding is Coding.G4 and len(encoded) == 1
            return BilevelPage(image, black_is_one, g4=encoded[0] if is_g4 else b"")
    if stored.width > _MOST_WIDTH or not effort.spend(stored.cost):
        return _unexamined(stored, black_is_one, image or _by_libtiff(stored, complaints), complaints)
    return _examined(data, directory, stored, effort, black_is_one=black_is_one, most_lines=most_lines)


def _stored(data: bytes, directory: Directory) -> _Stored:
    coding = _CODINGS[directory.number(COMPRESSION)]
    if coding is Coding.G3_1D and directory.number(T4_OPTIONS) & 1:
        coding = Coding.G3_2D
    height = directory.number(HEIGHT)
    rows = directory.number(ROWS_PER_STRIP, height)
    extents = directory.extents(data)
    turned = directory.number(FILL_ORDER, 1) == 2
    return _Stored(
        coding=coding,
        width=directory.number(WIDTH),
        height=height,
        rows_per_strip=rows if 0 < rows < height else height,
        y_dpi=directory.ratio(Y_RESOLUTION),
        strips=tuple(_bits_highest_first(data, extents, turned=turned)),
        is_whole=all(extent.is_counted and not extent.is_cut for extent in extents),
        is_cut=any(extent.is_cut for extent in extents),
    )


def _bits_highest_first(data: bytes, extents: Sequence[Extent], *, turned: bool) -> Iterator[bytes]:
    for extent in extents:
        strip = data[extent.start : extent.end]
        yield strip.translate(REVERSED) if turned else strip


# --- libtiff ----------------------------------------------------------------------------------------------


def _by_libtiff(stored: _Stored, complaints: list[str]) -> Image.Image | None:
    """libtiff sees a file that was written from checked values, and only one page of it."""
    compression = 3 if stored.coding in {Coding.G3_1D, Coding.G3_2D} else 2 if stored.coding is Coding.MH else 4
    fields: dict[int, Field] = {
        WIDTH: (LONG, (stored.width,)),
        HEIGHT: (LONG, (stored.height,)),
        COMPRESSION: (SHORT, (compression,)),
        PHOTOMETRIC: (SHORT, (_MIN_IS_BLACK,)),  # so that the coding's black comes out as 255
        ROWS_PER_STRIP: (LONG, (stored.rows_per_strip,)),
        T4_OPTIONS: (LONG, (int(stored.coding is Coding.G3_2D),)),
    }
    if len(stored.strips) != len(stored.heights):
        return None
    try:
        with listening(complaints):
            image = Image.open(io.BytesIO(write_tiff([(fields, stored.strips)])), formats=("TIFF",))
            image.load()
    except (OSError, ValueError, SyntaxError) as error:
        complaints.append(str(error))
        return None
    return image


@contextmanager
def listening(lines: list[str]) -> Iterator[None]:
    """What libtiff writes to standard error: it reports damage there, and returns the page as if all were well."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read(4096).decode("utf-8", "replace").splitlines()


def _unexamined(
    stored: _Stored, black_is_one: bool, image: Image.Image | None, complaints: Sequence[str]
) -> BilevelPage:
    """There is too much of it to be gone through line by line."""
    if image is None:
        raise PageFault("; ".join(["it is too large to be examined line by line", *complaints[:1]]))
    cause = complaints[0] if complaints else "it is too large to be examined line by line"
    return BilevelPage(image, black_is_one, (Fault(FaultKind.DOUBT, detail=cause),))


# --- line by line -----------------------------------------------------------------------------------------


def _examined(
    data: bytes, directory: Directory, stored: _Stored, effort: Effort, *, black_is_one: bool, most_lines: int
) -> BilevelPage:
    best = _lines(stored)
    if not _is_sound(best, stored):
        for other in _other_readings(data, directory, stored, best):
            if not effort.spend(other.cost):
                break
            found = _lines(other)
            if _is_sound(found, stored) or (found.lost < best.lost and 2 * found.lost < stored.height):
                best = found
            if _is_sound(best, stored):
                break
    lines, faults = best.lines, []
    if len(lines) > most_lines:
        lines = lines[: stored.height]
        faults.append(Fault(FaultKind.DOUBT, detail="its data goes on after its last line"))
    lost = sum(line is None for line in lines)
    if lost == len(lines):
        raise PageFault(f"none of its {len(lines)} lines can be read")
    if lost:
        faults.append(Fault(FaultKind.LINES, lost=lost, total=len(lines)))
    elif not best.is_orderly:
        faults.append(Fault(FaultKind.DOUBT, detail="its data does not end where its lines do"))
    if len(lines) > stored.height:
        faults.append(Fault(FaultKind.LONGER, lost=len(lines) - stored.height, total=stored.height))
    white = (b"\0" if black_is_one else b"\xff") * ((stored.width + 7) // 8)
    pixels = b"".join(white if line is None else line for line in lines)
    return BilevelPage(Image.frombytes("1", (stored.width, len(lines)), pixels), black_is_one, tuple(faults))


def _is_sound(strip: Strip, stored: _Stored) -> bool:
    return strip.is_orderly and len(strip.lines) == stored.height and not strip.lost


def _lines(stored: _Stored) -> Strip:
    """All strips of the page as one. Only a page of one strip may be longer than it ought to be."""
    strips, heights = stored.strips, stored.heights
    if len(strips) == 1:
        return decode(strips[0], stored.coding, stored.width, stored.height, is_whole=stored.is_whole)
    lines: list[bytes | None] = []
    is_orderly = True
    if len(strips) == len(heights):
        for data, height in zip(strips, heights, strict=True):
            strip = decode(data, stored.coding, stored.width, height, is_whole=stored.is_whole)
            lines += strip.lines[:height]
            is_orderly = is_orderly and strip.is_orderly and len(strip.lines) == height
        return Strip(tuple(lines), is_orderly)
    for data in strips:  # RowsPerStrip is not true: each strip has as many lines as it has
        strip = decode(data, stored.coding, stored.width, stored.height - len(lines), is_whole=False)
        known = list(strip.lines[: stored.height - len(lines)])
        while known and known[-1] is None:
            known.pop()
        lines += known
    lines += [None] * (stored.height - len(lines))
    return Strip(tuple(lines), is_orderly)


def _other_readings(data: bytes, directory: Directory, stored: _Stored, first: Strip) -> Iterator[_Stored]:
    """What the bits may be if the directory does not tell the truth, the likeliest lie first."""
    if first.lines and first.lines[-1] is None and not stored.is_cut:
        extents = [extent.stretched for extent in directory.extents(data)]
        turned = directory.number(FILL_ORDER, 1) == 2
        strips = tuple(_bits_highest_first(data, extents, turned=turned))
        if strips != stored.strips:
            yield replace(stored, strips=strips, is_whole=False)
    if 3 * first.lost < stored.height:
        return
    others = sorted(Coding, key=lambda coding: coding is stored.coding)
    if stored.coding in {Coding.G3_1D, Coding.G3_2D}:
        others.sort(key=lambda coding: coding not in {Coding.G3_1D, Coding.G3_2D})
    turned_strips = tuple(strip.translate(REVERSED) for strip in stored.strips)
    for strips in (stored.strips, turned_strips):
        for coding in others:
            if strips is not stored.strips or coding is not stored.coding:
                yield replace(stored, coding=coding, strips=strips)
