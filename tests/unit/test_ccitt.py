"""The damage-aware decoder alone: bytes in, lines out, and not one line more lost than must be."""

import io
import random
from bisect import bisect
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from fax_bridge.documents.ccitt import Coding, Strip, decode
from tests import ccitt_encoder
from tests.ccitt_encoder import EOL, Habit, group3, group4, one_dimensional, packed

WIDTH, HEIGHT = 600, 90


def page(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Lines and arcs, some white lines and some black ones."""
    image = Image.new("1", (width, height), 255)
    pen = ImageDraw.Draw(image)
    for index in range(25):
        x, y = (index * 137 + seed * 31) % width, (index * 29 + seed * 7) % height
        pen.line((x, 10, (x * 3) % width, height), fill=0, width=1 + index % 4)
        pen.ellipse((x, y, x + 5 + index * 3, y + 30), outline=0)
    pen.rectangle((0, 4, width, 6), fill=0)
    return image


def rows(image: Image.Image) -> list[bytes]:
    data = ImageChops.invert(image).tobytes()
    stride = (image.width + 7) // 8
    return [data[at : at + stride] for at in range(0, len(data), stride)]


def by_libtiff(image: Image.Image, compression: str, options: int = 0) -> bytes:
    out = io.BytesIO()
    extra = {292: options} if compression == "group3" else {}
    ImageChops.invert(image).save(out, "TIFF", compression=compression, strip_size=1 << 30, tiffinfo=extra)
    with Image.open(io.BytesIO(out.getvalue())) as written:
        tags = written.tag_v2  # type: ignore[attr-defined]  # TiffImageFile has it
        return out.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]


def kept(strip: Strip, image: Image.Image) -> int:
    """How many lines are right in their place; a line that is there and wrong fails."""
    expected = rows(image)
    assert len(strip.lines) == len(expected)
    for number, (line, right) in enumerate(zip(strip.lines, expected, strict=True)):
        assert line is None or line == right, f"line {number}"
    return len(expected) - strip.lost


ENCODERS: dict[str, tuple[Coding, Callable[[Image.Image], bytes]]] = {
    "MH": (Coding.MH, lambda image: by_libtiff(image, "tiff_ccitt")),
    "G3 1-D": (Coding.G3_1D, lambda image: by_libtiff(image, "group3")),
    "G3 1-D aligned": (Coding.G3_1D, lambda image: by_libtiff(image, "group3", 4)),
    "G3 2-D": (Coding.G3_2D, lambda image: by_libtiff(image, "group3", 1)),
    "G4": (Coding.G4, lambda image: by_libtiff(image, "group4")),
    "G4 without EOFB": (Coding.G4, lambda image: group4(image, eofb=False)),
    "G4 with runs of no length": (Coding.G4, lambda image: group4(image, empty_runs="counted")),
    "G3 with the EOL behind": (Coding.G3_1D, lambda image: group3(image, Habit(eol_first=False, rtc=False))),
    "G3 with fill": (Coding.G3_1D, lambda image: group3(image, Habit(fill=37))),
    "G3 without RTC": (Coding.G3_1D, lambda image: group3(image, Habit(rtc=False))),
    "G3 without EOLs": (Coding.G3_1D, lambda image: group3(image, Habit(rtc=False, eols=False))),
    "G3 K=4": (Coding.G3_2D, lambda image: group3(image, Habit(k=4))),
    "G3 K=8 aligned": (Coding.G3_2D, lambda image: group3(image, Habit(k=8, aligned=True))),
    "G3 K without end": (Coding.G3_2D, lambda image: group3(image, Habit(k=10**6, eol_first=False))),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("width", [1, 7, 8, 599, 600, 1728, 2432, 4864])
def test_every_encoders_page_is_decoded_whole(name: str, width: int) -> None:
    """libtiff's strips and those of other habits: every pixel of every line, and no word of damage."""
    coding, encode = ENCODERS[name]
    image = page(width=width, height=40)
    strip = decode(encode(image), coding, width, 40)
    assert kept(strip, image) == 40
    assert strip.is_orderly


@pytest.mark.parametrize("colour", [0, 1])
def test_every_run_has_libtiffs_code(colour: int) -> None:
    """All runs of 0 to 2623 in both colours, and two that need more than one make-up code."""
    for length in [*range(2624), 2624, 6000]:
        before = 1 - colour
        width = before + length + 5
        image = Image.new("1", (width, 1), 255)
        image.paste(0, (0, 0, before, 1) if not colour else (before, 0, before + length, 1))
        assert kept(decode(by_libtiff(image, "tiff_ccitt"), Coding.MH, width, 1), image) == 1, length


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_bitmap_survives_every_coding(data: st.DataObject) -> None:
    """Pages of any pixels, narrow and short, through libtiff's encoder and through ours."""
    width, height = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 8))
    stride = (width + 7) // 8
    pixels = data.draw(st.binary(min_size=stride * height, max_size=stride * height))
    image = Image.frombytes("1", (width, height), pixels)
    coding, encode = ENCODERS[data.draw(st.sampled_from([name for name in ENCODERS if name != "G3 without EOLs"]))]
    assert kept(decode(encode(image), coding, width, height), image) == height


def test_runs_of_no_length_may_be_no_changes() -> None:
    """By the standard's letter they are none, for the line below; a reader has to try both."""
    image = page()
    data = group4(image, empty_runs="left out")
    assert decode(data, Coding.G4, WIDTH, HEIGHT).lost > 0
    assert kept(decode(data, Coding.G4, WIDTH, HEIGHT, counts_empty_runs=False), image) == HEIGHT


# --- damage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ENCODERS)
def test_of_a_cut_strip_all_that_came_is_kept(name: str, share: float) -> None:
    """No line before the cut is lost but the one it goes through, and all after it are counted."""
    coding, encode = ENCODERS[name]
    image = page()
    whole = encode(image)
    cut = whole[: int(len(whole) * share)]
    strip = decode(cut, coding, WIDTH, HEIGHT, is_whole=False)
    sizes = range(1, HEIGHT + 1)
    full = bisect(sizes, len(cut), key=lambda count: len(encode(image.crop((0, 0, WIDTH, count)))))
    assert kept(strip, image) >= full - 2
    assert strip.lost >= 1


@pytest.mark.parametrize("name", ["G3 1-D", "G3 1-D aligned", "G3 with fill", "G3 with the EOL behind"])
def test_a_flipped_bit_costs_one_line_of_g3(name: str) -> None:
    """Each bit of a page in turn: at most two lines are lost, never one is wrong, and all others stand in place.

    A flip inside a line may by chance give another line of the same width. Nobody can tell that from the bits, so
    such flips are counted, and they are few.
    """
    coding, encode = ENCODERS[name]
    image = page(height=24)
    expected = rows(image)
    data = bytearray(encode(image))
    positions = range(100, 8 * len(data) - 100, 7)
    unseen = 0
    for position in positions:
        data[position // 8] ^= 0x80 >> position % 8
        strip = decode(bytes(data), coding, WIDTH, 24)
        data[position // 8] ^= 0x80 >> position % 8
        wrong = [at for at, (line, right) in enumerate(zip(strip.lines, expected, strict=True)) if line != right]
        assert len(wrong) <= 2
        unseen += any(strip.lines[at] is not None for at in wrong)
    assert unseen <= 0.05 * len(positions)


def test_a_flipped_bit_in_g3_2d_costs_the_lines_up_to_the_next_one_dimensional() -> None:
    """Two-dimensional lines lean on the one above: after a lost one they are lost too, until T.4's K ends the chain."""
    image = page()
    data = bytearray(group3(image, Habit(k=4)))
    for position in range(200, 8 * len(data) - 200, 97):
        data[position // 8] ^= 0x80 >> position % 8
        strip = decode(bytes(data), Coding.G3_2D, WIDTH, HEIGHT)
        data[position // 8] ^= 0x80 >> position % 8
        wrong = [at for at, (line, right) in enumerate(zip(strip.lines, rows(image), strict=True)) if line != right]
        assert len(wrong) <= 8


def test_a_lost_end_of_line_costs_nothing() -> None:
    """Two lines without the mark between them are still two lines, be the mark deleted or garbled."""
    image = page()
    lines = [one_dimensional(changes, WIDTH) for changes in ccitt_encoder.lines_of(image)]
    codes = [EOL + line for line in lines]
    codes[30] = lines[30]
    codes[50] = "010000000001" + lines[50]
    strip = decode(packed(codes), Coding.G3_1D, WIDTH, HEIGHT)
    assert kept(strip, image) == HEIGHT


def test_what_follows_a_burst_of_noise_stands_in_its_place() -> None:
    """Ten lines of noise with no mark inside: the page keeps its length, and the lines after the hole their places."""
    image = page()
    codes = [EOL + one_dimensional(changes, WIDTH) for changes in ccitt_encoder.lines_of(image)]
    noise = random.Random(1).choices(["1", "01", "001"], k=300)  # noqa: S311 — noise
    strip = decode(packed([*codes[:40], EOL, *noise, *codes[50:], EOL * 6]), Coding.G3_1D, WIDTH, HEIGHT)
    assert kept(strip, image) == HEIGHT - 10
    assert [number for number, line in enumerate(strip.lines) if line is None] == list(range(40, 50))


def test_an_rtc_that_was_counted_as_lines_is_no_loss() -> None:
    """Some programs count the six ends of line that close a page; those lines are white."""
    image = page()
    strip = decode(group3(image, Habit()), Coding.G3_1D, WIDTH, HEIGHT + 6)
    assert strip.lost == 0
    assert strip.lines[HEIGHT:] == (bytes(75),) * 6
    assert decode(by_libtiff(image, "group3"), Coding.G3_1D, WIDTH, HEIGHT + 60).lost == 60


@pytest.mark.parametrize("name", ["MH", "G3 1-D", "G3 2-D", "G4"])
def test_lines_beyond_the_promised_height_are_kept(name: str) -> None:
    """A height that is too small must not cost the end of a page."""
    coding, encode = ENCODERS[name]
    image = page()
    strip = decode(encode(image), coding, WIDTH, HEIGHT - 30)
    assert list(strip.lines) == rows(image)


@pytest.mark.parametrize("name", ["MH", "G4"])
def test_bits_after_the_last_line_are_told(name: str) -> None:
    """They may mean that a line was read wrongly, unless nobody knows where the strip ends."""
    coding, encode = ENCODERS[name] if name == "MH" else ENCODERS["G4 without EOFB"]
    image = page()
    data = encode(image) + b"\x00\x00\x5a\x5a\x5a"
    known, unknown = (decode(data, coding, WIDTH, HEIGHT, is_whole=is_whole) for is_whole in (True, False))
    assert not known.is_orderly
    assert unknown.is_orderly
    assert kept(unknown, image) == HEIGHT


@given(st.binary(max_size=400), st.sampled_from(list(Coding)), st.integers(1, 300), st.integers(1, 60), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_survived(data: bytes, coding: Coding, width: int, height: int, is_whole: bool) -> None:
    """Noise gives lost lines and no error; there are always as many lines as were promised, or more."""
    strip = decode(data, coding, width, height, is_whole=is_whole)
    assert len(strip.lines) >= height
    assert all(line is None or len(line) == (width + 7) // 8 for line in strip.lines)
