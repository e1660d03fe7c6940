"""The proof by encoding again: it accepts what libtiff and others write, and never a page that is not its bits."""

import io
from collections.abc import Callable

import pytest
from PIL import Image

from fax_bridge.documents import ccitt_proof
from fax_bridge.documents.ccitt import Coding, decode
from fax_bridge.documents.libtiff import listening
from tests.ccitt_encoder import Habit, group3
from tests.tiff_builder import drawing, sheet, strip_of, tiff_of

WIDTH, HEIGHT = 400, 40
CODES = {Coding.MH: "tiff_ccitt", Coding.G3_1D: "group3", Coding.G3_2D: "group3", Coding.G4: "group4"}


def by_libtiff(strip: bytes, coding: Coding) -> tuple[Image.Image, list[str]]:
    """The image whose 255 is the coding's black, and what libtiff said."""
    complaints: list[str] = []
    options = int(coding is Coding.G3_2D)
    one = sheet(Image.new("1", (WIDTH, HEIGHT)), compression=CODES[coding], options=options, strip=strip)
    data = tiff_of(type(one)({**one.fields, 262: (3, [1])}, one.strips))
    with listening(complaints):
        image = Image.open(io.BytesIO(data))
        image.load()
    return image, complaints


def is_proven(strip: bytes, coding: Coding) -> bool:
    try:
        image, complaints = by_libtiff(strip, coding)
    except OSError:
        return False  # libtiff refuses the strip itself
    every_fourth = coding is Coding.G3_2D and ccitt_proof.every_fourth(strip)
    encoded = ccitt_proof.encode(image, coding, rows_per_strip=HEIGHT, every_fourth=every_fourth)
    return not complaints and ccitt_proof.agree([strip], encoded, coding)


WRITERS: dict[str, tuple[Coding, Callable[[Image.Image], bytes]]] = {
    "MH": (Coding.MH, lambda image: strip_of(image, "tiff_ccitt")),
    "G3 1-D": (Coding.G3_1D, lambda image: strip_of(image, "group3")),
    "G3 1-D aligned": (Coding.G3_1D, lambda image: strip_of(image, "group3", 4)),
    "G3 1-D with fill": (Coding.G3_1D, lambda image: group3(image, Habit(fill=29))),
    "G3 1-D with RTC": (Coding.G3_1D, lambda image: group3(image, Habit())),
    "G3 2-D": (Coding.G3_2D, lambda image: strip_of(image, "group3", 1)),
    "G3 2-D, K=2": (Coding.G3_2D, lambda image: group3(image, Habit(k=2))),
    "G3 2-D, K=4": (Coding.G3_2D, lambda image: group3(image, Habit(k=4, fill=3))),
    "G4": (Coding.G4, lambda image: strip_of(image, "group4")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_these_write_is_proven_without_our_decoder(name: str) -> None:
    """The usual encodings take the fast way, be they filled or ended in another way than libtiff's."""
    coding, write = WRITERS[name]
    assert is_proven(write(drawing(WIDTH, HEIGHT)), coding)


@pytest.mark.parametrize("name", ["MH", "G3 1-D", "G3 2-D", "G4"])
def test_a_proven_page_is_what_its_bits_say(name: str) -> None:
    """Every bit flipped in turn: a strip that is proven all the same reads the same in our own decoder, soundly."""
    coding, write = WRITERS[name]
    data = bytearray(write(drawing(WIDTH, HEIGHT)))
    proven = 0
    for position in range(0, 8 * len(data), 5):
        data[position // 8] ^= 0x80 >> position % 8
        if is_proven(bytes(data), coding):
            proven += 1
            strip = decode(bytes(data), coding, WIDTH, HEIGHT)
            assert strip.lost == 0
            assert b"".join(line or b"" for line in strip.lines) == by_libtiff(bytes(data), coding)[0].tobytes()
        data[position // 8] ^= 0x80 >> position % 8
    assert proven < 0.1 * len(data) * 8 / 5


@pytest.mark.parametrize("name", WRITERS)
def test_a_strip_that_is_cut_is_not_proven(name: str) -> None:
    """Not even when only its last line is gone."""
    coding, write = WRITERS[name]
    whole = write(drawing(WIDTH, HEIGHT))
    shorter = write(drawing(WIDTH, HEIGHT).crop((0, 0, WIDTH, HEIGHT - 1)))
    for strip in (whole[: len(whole) // 2], shorter):
        assert not is_proven(strip, coding)
