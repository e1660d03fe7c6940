"""Whether a page that libtiff decoded is what its bits say: they are encoded again and compared.

libtiff hides damage, but it cannot encode what it invented back into the damaged bits. So equal bits prove every
line, at a tenth of the price of decoding in Python. A page of another encoder's habits may fail the proof and be
sound all the same: the proof spares work and condemns nobody.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import islice

from PIL import Image

from fax_bridge.documents.ccitt import Coding
from fax_bridge.documents.tiff_file import T4_OPTIONS, read_tiff

_PILLOWS_NAMES = {Coding.MH: "tiff_ccitt", Coding.G3_1D: "group3", Coding.G3_2D: "group3", Coding.G4: "group4"}
_ZEROS = "0" * 11
_RTC = {"1", "11"}
"""An end of line with nothing after it, without and with its tag bit."""
_MOST_FILL = 4
_THREE_LINES = 4096
"""Bytes that hold three lines of any fax."""


def encode(coded: Image.Image, coding: Coding, *, rows_per_strip: int, every_fourth: bool = False) -> list[bytes]:
    """The strips of a bilevel image whose 255 is the coding's black, as libtiff writes them.

    ``every_fourth`` line of G3 2-D is a one-dimensional one, or else every second.
    """
    written = io.BytesIO()
    extra = {T4_OPTIONS: int(coding is Coding.G3_2D)} if coding in {Coding.G3_1D, Coding.G3_2D} else {}
    stride = (coded.width + 7) // 8
    dpi = (196, 196) if every_fourth else (98, 98)  # by which libtiff decides, as T.4 §4.2.2 does
    compression = _PILLOWS_NAMES[coding]
    coded.save(written, "TIFF", compression=compression, strip_size=rows_per_strip * stride, tiffinfo=extra, dpi=dpi)
    data = written.getvalue()
    (directory,) = read_tiff(data, most=1).directories
    return directory.strips(data)


def every_fourth(strip: bytes) -> bool:
    """Whether a strip of G3 2-D has a one-dimensional line in four and not in two: the third line's tag bit."""
    third = next(islice(_lines(strip[:_THREE_LINES]), 2, None), (0, "11"))
    return third[1].startswith("10")


def agree(found: Sequence[bytes], encoded: Sequence[bytes], coding: Coding) -> bool:
    """Whether ``found`` are the same lines as ``encoded``, be they filled and ended in another way."""
    if len(found) != len(encoded):
        return False
    same = {Coding.G4: _same_g4, Coding.MH: _same_mh}.get(coding, _same_g3)
    return all(one == other or same(one, other) for one, other in zip(found, encoded, strict=True))


def _same_g4(found: bytes, encoded: bytes) -> bool:
    return found.startswith(encoded)  # which ends with its EOFB: what follows is no part of the picture


def _same_mh(found: bytes, encoded: bytes) -> bool:
    rest = found[len(encoded) :]
    return found.startswith(encoded) and len(rest) <= _MOST_FILL and not any(rest)


def _same_g3(found: bytes, encoded: bytes) -> bool:
    ours, theirs = list(_lines(encoded)), list(_lines(found))
    return len(ours) == len(theirs) and all(
        line == other and zeros <= others for (zeros, line), (others, other) in zip(ours, theirs, strict=True)
    )


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """The bits after each run of zeros that makes an end of line, and how many zeros there were; without the RTC.

    An end of line may be filled with any number of zeros (T.4 §4.1.3), so they are counted apart: no fewer than
    the encoder needs, however many more.
    """
    bits = bin(int.from_bytes(b"\1" + data, "big"))[3:].rstrip("0")
    if not bits.startswith(_ZEROS):
        bits = f"{_ZEROS}1{bits}"
    held: list[tuple[int, str]] = []
    zeros = -11
    for piece in bits.split(_ZEROS):
        line = piece.lstrip("0")
        zeros += 11 + len(piece) - len(line)
        if not line:
            continue
        if line in _RTC:
            held.append((zeros, line))
        else:
            yield from held
            held.clear()
            yield zeros, line
        zeros = 0
