"""A page of one bit a pixel, as faxes are: decoded by libtiff and proven, or else line by line by our own decoder."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from fax_bridge.documents import ccitt_proof
from fax_bridge.documents.ccitt import Coding, Strip, decode
from fax_bridge.documents.fault import Fault, FaultKind, PageFault
from fax_bridge.documents.libtiff import UNREADABLE, listening
from fax_bridge.documents.tiff_file import (
    COMPRESSION,
    HEIGHT,
    LONG,
    PHOTOMETRIC,
    ROWS_PER_STRIP,
    SHORT,
    T4_OPTIONS,
    WIDTH,
    Directory,
    Field,
    write_tiff,
)
from fax_bridge.documents.tiff_reading import Reading, other_readings, reading_of

_MIN_IS_BLACK = 1
_MOST_WIDTH = 10_000
"""Pixels; the widest fax has 4864."""


@dataclass(slots=True)
class Effort:
    """What our own decoder may still do for one file, in bits: a tenth of a microsecond each, a quarter at worst.

    As it begins: 12 MB of coded lines, some 250 full pages, so that even the worst ends before the worker's time does.
    """

    bits: int = 100_000_000

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


def decode_fax_coded(data: bytes, directory: Directory, effort: Effort, *, most_lines: int) -> BilevelPage:
    """The page with what is wrong with it. Raises :class:`PageFault` where not one line of it can be read.

    ``most_lines`` bounds a page that is longer than its directory says.
    """
    stored = reading_of(data, directory)
    black_is_one = directory.number(PHOTOMETRIC, 0) != _MIN_IS_BLACK
    complaints: list[str] = []
    image = None if stored.is_cut or not stored.height else _by_libtiff(stored, complaints)
    if image is not None and not complaints:
        every_fourth = stored.coding is Coding.G3_2D and ccitt_proof.every_fourth(stored.strips[0])
        encoded = ccitt_proof.encode(
            image, stored.coding, rows_per_strip=stored.rows_per_strip, every_fourth=every_fourth
        )
        if ccitt_proof.agree(stored.strips, encoded, stored.coding):
            is_g4 = stored.coding is Coding.G4 and len(encoded) == 1
            return BilevelPage(image, black_is_one, g4=encoded[0] if is_g4 else b"")
    if stored.width > _MOST_WIDTH or not effort.spend(stored.cost):
        return _unexamined(black_is_one, image, complaints)
    return _examined(data, directory, stored, effort, black_is_one=black_is_one, most_lines=most_lines)


# --- libtiff ----------------------------------------------------------------------------------------------


def _by_libtiff(stored: Reading, complaints: list[str]) -> Image.Image | None:
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
    except UNREADABLE as error:
        complaints.append(str(error))
        return None
    return image


def _unexamined(black_is_one: bool, image: Image.Image | None, complaints: Sequence[str]) -> BilevelPage:
    """There is too much of it to be gone through line by line."""
    if image is None:
        raise PageFault("; ".join(["it is too large to be examined line by line", *complaints[:1]]))
    cause = complaints[0] if complaints else "it is too large to be examined line by line"
    return BilevelPage(image, black_is_one, (Fault(FaultKind.DOUBT, detail=cause),))


# --- line by line -----------------------------------------------------------------------------------------


def _examined(
    data: bytes, directory: Directory, stored: Reading, effort: Effort, *, black_is_one: bool, most_lines: int
) -> BilevelPage:
    best = _lines(stored)
    if not _is_sound(best, stored):
        for other in other_readings(data, directory, stored, best):
            if not effort.spend(other.cost):
                break
            found = _lines(other)
            if _is_sound(found, stored):
                best, stored = found, other
                break
            is_likely = 2 * found.lost < stored.height == len(found.lines)
            if is_likely and found.lost < best.lost and other.width == stored.width:
                best = found
    lines, faults = best.lines, []
    if len(lines) > most_lines:
        lines = lines[: stored.height]
        faults.append(Fault(FaultKind.DOUBT, detail="its data goes on after its last line"))
    lost = sum(line is None for line in lines)
    if lost == len(lines):
        raise PageFault(f"none of its {len(lines) or 'unknown number of'} lines can be read")
    if lost:
        faults.append(Fault(FaultKind.LINES, lost=lost, total=len(lines)))
    elif not best.is_orderly:
        faults.append(Fault(FaultKind.DOUBT, detail="its data does not end where its lines do"))
    if len(lines) > stored.height:
        faults.append(Fault(FaultKind.LONGER, lost=len(lines) - stored.height, total=stored.height))
    white = (b"\0" if black_is_one else b"\xff") * ((stored.width + 7) // 8)
    pixels = b"".join(white if line is None else line for line in lines)
    return BilevelPage(Image.frombytes("1", (stored.width, len(lines)), pixels), black_is_one, tuple(faults))


def _is_sound(strip: Strip, stored: Reading) -> bool:
    return strip.is_orderly and 0 < len(strip.lines) == stored.height and not strip.lost


def _lines(stored: Reading) -> Strip:
    """All strips of the page as one. Only a page of one strip may be longer than it ought to be."""

    def decoded(data: bytes, height: int, *, is_whole: bool) -> Strip:
        counts = stored.counts_empty_runs
        return decode(data, stored.coding, stored.width, height, is_whole=is_whole, counts_empty_runs=counts)

    strips, heights = stored.strips, stored.heights
    if len(strips) == 1:
        return decoded(strips[0], stored.height, is_whole=stored.is_whole)
    lines: list[bytes | None] = []
    is_orderly = True
    if len(strips) == len(heights):
        for data, height in zip(strips, heights, strict=True):
            strip = decoded(data, height, is_whole=stored.is_whole)
            lines += strip.lines[:height]
            is_orderly = is_orderly and strip.is_orderly and len(strip.lines) == height
        return Strip(tuple(lines), is_orderly)
    for data in strips:  # RowsPerStrip is not true: each strip has as many lines as it has
        strip = decoded(data, stored.height - len(lines), is_whole=False)
        known = list(strip.lines[: stored.height - len(lines)])
        while known and known[-1] is None:
            known.pop()
        lines += known
    lines += [None] * (stored.height - len(lines))
    return Strip(tuple(lines), is_orderly)
