"""The corpus of faxes: valid files with their reference bitmaps, named kinds of damage, and bombs.

Made anew and the same on every run, so that nothing of it lies in the repository: ``scripts/tiff-corpus DIR``
writes it to files, for other programs to be tried on.
"""
# ruff: noqa: S311 — dice that are to fall the same on every run

import io
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont, ImageOps

from tests.ccitt_encoder import EOL, Habit, group3, group4, lines_of, one_dimensional, packed
from tests.tiff_builder import REVERSED, Sheet, drawing, sheet, strip_of, tiff_of

WORDS = "Sayın yetkili öğrenci çığır şube müdürlüğü gün bugün İSTANBUL faks numarası 0216"
FONTS = Path(__file__).parents[1] / "fax_bridge" / "documents" / "fonts"
DPI = {"standard": (204.0, 98.0), "fine": (204.0, 196.0), "superfine": (204.0, 391.0)}
HEIGHT = {"standard": 220, "fine": 320, "superfine": 400}
CODINGS = {
    "mh": ("tiff_ccitt", 0),
    "g3-1d": ("group3", 0),
    "g3-1d-aligned": ("group3", 4),
    "g3-2d": ("group3", 1),
    "g4": ("group4", 0),
}

Fields = Mapping[int, tuple[int, Sequence[int]] | None]


@dataclass(frozen=True)
class Valid:
    """A file in which nothing is wrong, and what its pages show."""

    data: bytes
    pages: tuple[Image.Image, ...]
    millimetres: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Damaged:
    """A file in which something is wrong, and what its pages would show if nothing were."""

    data: bytes
    pages: tuple[Image.Image, ...] = field(default=())


@cache
def letter(width: int = 1728, height: int = 320, down: float = 196.0, seed: int = 0) -> Image.Image:
    """Turkish text, a rule, a box, a halftone and a few white lines, as a fax machine scans them."""
    square = Image.new("L", (width, round(height * 204 / down)), 255)
    pen = ImageDraw.Draw(square)
    font = ImageFont.truetype(min(FONTS.glob("*Serif*.ttf")), 34)
    words = WORDS.split()
    dice = random.Random(seed)
    for top in range(20, square.height - 50, 46):
        pen.text((60, top), " ".join(dice.choices(words, k=14)), font=font, fill=0)
    pen.rectangle((30, 8, width - 30, square.height - 12), outline=0, width=3)
    if width > 1000:
        square.paste(Image.linear_gradient("L").resize((300, 120)), (width - 420, 40))
    return square.resize((width, height)).convert("1", dither=Image.Dither.FLOYDSTEINBERG)


def fax(name: str, coding: str, *, seed: int = 0) -> tuple[Image.Image, Sheet]:
    image = letter(height=HEIGHT[name], down=DPI[name][1], seed=seed)
    compression, options = CODINGS[coding]
    return image, sheet(image, compression=compression, options=options, dpi=DPI[name])


def turned(one: Sheet) -> Sheet:
    """The same page with its bits lowest first."""
    return Sheet({**one.fields, 266: (3, [2])}, [strip.translate(REVERSED) for strip in one.strips])


def in_strips(image: Image.Image, one: Sheet, coding: str, rows: int) -> Sheet:
    pieces = [image.crop((0, top, image.width, min(top + rows, image.height))) for top in range(0, image.height, rows)]
    return Sheet({**one.fields, 278: (4, [rows])}, [strip_of(piece, *CODINGS[coding]) for piece in pieces])


def changed(one: Sheet, fields: Fields = MappingProxyType({}), strips: Sequence[bytes] | None = None) -> Sheet:
    full = {**one.fields, **{tag: value for tag, value in fields.items() if value is not None}}
    kept = {tag: value for tag, value in full.items() if tag not in fields or fields[tag] is not None}
    return Sheet(kept, one.strips if strips is None else strips)


# --- valid files ------------------------------------------------------------------------------------------


def valid() -> Iterator[tuple[str, Valid]]:
    """Name and file, each coding × resolution × bit order × strips first, then everything odd that is still right."""
    for name, (across, down) in DPI.items():
        for coding in CODINGS:
            image, one = fax(name, coding)
            size = (image.width / across * 25.4, image.height / down * 25.4)
            for strips, shape in (("one", one), ("64", in_strips(image, one, coding, 64))):
                for order, laid in (("msb", shape), ("lsb", turned(shape))):
                    yield f"{coding} {name} {strips} {order}", Valid(tiff_of(laid), (image,), (size,))
    yield from _odd()


def _odd() -> Iterator[tuple[str, Valid]]:
    image, plain = fax("standard", "g4")
    size = (image.width / 204 * 25.4, image.height / 98 * 25.4)
    _, g3 = fax("standard", "g3-1d")
    _, two = fax("standard", "g3-2d")

    def case(one: Sheet, shown: Image.Image = image, mm: tuple[float, float] = size, **laid: object) -> Valid:
        return Valid(tiff_of(one, **laid), (shown,), (mm,))  # type: ignore[arg-type]  # order and front, as written

    habits = {
        "no-eol-first": Habit(eol_first=False, rtc=False),
        "rtc": Habit(),
        "fill": Habit(fill=41),
        "aligned-rtc": Habit(aligned=True),
        "no-eols": Habit(eols=False, rtc=False),
        "k2": Habit(k=2),
        "k8": Habit(k=8, aligned=True),
        "k-endless": Habit(k=10**6, fill=3),
    }
    for name, habit in habits.items():
        base = two if habit.k > 1 else g3
        yield f"g3 {name}", case(changed(base, strips=[group3(image, habit)]))
    yield (
        "g3 rtc counted as lines",
        case(
            changed(g3, {257: (4, [image.height + 6])}, [group3(image, Habit())]),
            ImageOps.expand(image, (0, 0, 0, 6), fill=255),
            (size[0], (image.height + 6) / 98 * 25.4),
        ),
    )
    yield "g3 says 2-D, is 1-D", case(changed(g3, {292: (4, [1])}))
    yield "g3 says 1-D, is 2-D", case(changed(two, {292: (4, [0])}))
    yield "g3 no T4Options", case(changed(g3, {292: None}))
    yield "g4 no EOFB", case(changed(plain, strips=[group4(image, eofb=False)]))
    for word in ("counted", "left out"):
        yield f"g4 runs of no length, {word}", case(changed(plain, strips=[group4(image, empty_runs=word)]))
    yield "g4 bits per sample 8", case(changed(plain, {258: (3, [8])}))
    short = image.crop((0, 0, 1728, 60))
    lines = in_strips(short, changed(plain, {257: (4, [60])}), "g4", 1)
    yield "g4 one line a strip", case(lines, short, (size[0], 60 / 98 * 25.4))
    yield "g4 rows per strip 2^32-1", case(changed(plain, {278: (4, [2**32 - 1])}))
    yield "g4 rows per strip missing", case(changed(plain, {278: None}))
    for coding in ("g3-1d", "g3-2d", "g4", "mh"):
        one = fax("standard", coding)[1]
        for word, counts in (("zero", (4, [0])), ("missing", (2, []))):
            for front in (True, False):
                at = "front" if front else "behind"
                yield f"{coding} byte count {word}, {at}", case(changed(one, {279: counts}), front=front)
    for coding in ("g3-1d", "g4"):
        negative = image.point([255] + 255 * [0])
        yield f"{coding} black is zero", case(changed(fax("standard", coding)[1], {262: (3, [1])}), negative)
    for word, compression in (("raw", "raw"), ("mh", "tiff_ccitt"), ("g3", "group3"), ("g4", "group4")):
        yield f"{word} big-endian", case(sheet(image, compression=compression, dpi=DPI["standard"]), order=">")
        for width in (1, 9, 1727):
            narrow = drawing(width, 64)
            yield (
                f"{word} {width} pixels wide",
                case(sheet(narrow, compression=compression, dpi=(100, 100)), narrow, (width * 0.254, 64 * 0.254)),
            )
    for turn in range(1, 9):
        yield f"g4 orientation {turn}", case(changed(plain, {274: (3, [turn])}), *_upright(image, turn))
    yield from _resolutions()
    yield from _several()


def _upright(image: Image.Image, turn: int) -> tuple[Image.Image, tuple[float, float]]:
    """TIFF 6.0 §8, Orientation, written as a map of pixels and not as the program's own turns."""
    width, height = image.size
    pixels = image.load()
    assert pixels is not None
    across = (height, width) if turn >= 5 else (width, height)
    out = Image.new("1", across, 255)
    drawn = out.load()
    assert drawn is not None
    for row in range(height):
        for column in range(width):
            if pixels[column, row]:
                continue
            x = {1: column, 2: width - 1 - column, 3: width - 1 - column, 4: column}.get(turn)
            y = {1: row, 2: row, 3: height - 1 - row, 4: height - 1 - row}.get(turn)
            if x is None or y is None:
                x = row if turn in (5, 8) else height - 1 - row
                y = column if turn in (5, 6) else width - 1 - column
            drawn[x, y] = 0
    mm = (width / 204 * 25.4, height / 98 * 25.4)
    return out, (mm[1], mm[0]) if turn >= 5 else mm


def _resolutions() -> Iterator[tuple[str, Valid]]:
    """What the tags say, where they say something; a page of 1145 lines of 1728 is else a sheet at 98 lines."""
    long = letter(height=1145, down=98.0)
    full = sheet(long, dpi=DPI["standard"])
    mm = (1728 / 204 * 25.4, 1145 / 98 * 25.4)
    lies: dict[str, Fields] = {
        "missing": {282: None, 283: None, 296: None},
        "0/0": {282: (5, [0, 0]), 283: (5, [0, 0])},
        "no unit": {296: None},
        "centimetres": {282: (5, [8031, 100]), 283: (5, [3858, 100]), 296: (3, [3])},
        "across only": {283: None},
        "unit none, 1:1": {282: (5, [1, 1]), 283: (5, [1, 1]), 296: (3, [1])},
    }
    for word, fields in lies.items():
        yield f"g4 resolution {word}", Valid(tiff_of(changed(full, fields)), (long,), (mm,))
    narrow = drawing(800, 300)
    yield "g4 resolution 100 by 100", Valid(tiff_of(sheet(narrow, dpi=(100, 100))), (narrow,), ((203.2, 76.2),))


def _several() -> Iterator[tuple[str, Valid]]:
    pages = [(letter(seed=1, height=150, down=98.0), DPI["standard"]), (drawing(2432, 200), DPI["fine"])]
    pages += [(letter(seed=2, height=500, down=391.0), DPI["superfine"]), (drawing(100, 50), (100.0, 100.0))]
    sheets = [
        sheet(image, compression=("group3", "group4")[index % 2], dpi=dpi) for index, (image, dpi) in enumerate(pages)
    ]
    images = tuple(image for image, _ in pages)
    sizes = tuple((image.width / dpi[0] * 25.4, image.height / dpi[1] * 25.4) for image, dpi in pages)
    yield "four pages of four sizes", Valid(tiff_of(*sheets), images, sizes)
    thumbnail = changed(sheet(drawing(100, 60)), {254: (4, [1])})
    yield "thumbnails between", Valid(tiff_of(sheets[0], thumbnail, sheets[1], thumbnail), images[:2], sizes[:2])
    many = [fax("standard", "g3-1d", seed=seed) for seed in range(12)]
    size = (1728 / 204 * 25.4, HEIGHT["standard"] / 98 * 25.4)
    yield "twelve pages", Valid(tiff_of(*(one for _, one in many)), tuple(image for image, _ in many), (size,) * 12)


# --- damage -----------------------------------------------------------------------------------------------


def damaged() -> Iterator[tuple[str, Damaged]]:
    """Kind and file. Some leave all pixels to be had: those need not be told, if they are shown."""
    for coding in CODINGS:
        image, one = fax("fine", coding)
        for name, data in _damaged_bits(coding, one.strips[0]):
            yield f"{coding}: {name}", Damaged(tiff_of(changed(one, strips=[data])), (image,))
        for name, data in _cut(one):
            yield f"{coding}: {name}", Damaged(data, (image,))
        for name, fields in _lies(image).items():
            yield f"{coding}: {name}", Damaged(tiff_of(changed(one, fields)), (image,))
    yield from _damaged_marks()
    yield from _damaged_files()


def _cut(one: Sheet) -> Iterator[tuple[str, bytes]]:
    for front in (True, False):
        whole = tiff_of(one, front=front)
        for share in (10, 50, 90, 99):
            yield (
                f"file cut at {share} %, directory {'in front' if front else 'behind'}",
                whole[: len(whole) * share // 100],
            )


def _damaged_bits(coding: str, strip: bytes) -> Iterator[tuple[str, bytes]]:
    dice = random.Random(coding)
    third, size = len(strip) // 3, len(strip)
    yield "strip cut at 50 %", strip[: size // 2]
    yield "strip cut at 90 %", strip[: size * 9 // 10]
    yield "second half zeros", strip[: size // 2] + bytes(size - size // 2)
    yield "second half ones", strip[: size // 2] + b"\xff" * (size - size // 2)
    yield "noise all over", dice.randbytes(size)
    yield "noise of 64 bytes", strip[:third] + dice.randbytes(64) + strip[third + 64 :]
    yield "noise of 2000 bytes", strip[:third] + dice.randbytes(2000) + strip[third + 2000 :]
    yield "a sector of zeros", strip[:third] + bytes(512) + strip[third + 512 :]
    yield "a byte lost", strip[:third] + strip[third + 1 :]
    yield "a byte twice", strip[:third] + strip[third : third + 1] + strip[third:]
    yield "a block lost", strip[:third] + strip[third + 300 :]
    yield "a block twice", strip[:third] + strip[third - 300 :]
    yield (
        "blocks swapped",
        strip[:third] + strip[third + 500 : third + 1000] + strip[third : third + 500] + strip[third + 1000 :],
    )
    yield "nothing but zeros", bytes(size)
    yield "text in its place", (b"HTTP/1.1 404 Not Found\r\n" * size)[:size]
    yield "line ends made CRLF", strip.replace(b"\n", b"\r\n")
    yield "eighth bits lost", bytes(value & 0x7F for value in strip)
    yield "read as UTF-8", strip.decode("latin-1").encode("utf-8")
    for count in (1, 10, 200):
        flipped = bytearray(strip)
        for position in dice.sample(range(800, 8 * size - 800), count):
            flipped[position // 8] ^= 0x80 >> position % 8
        yield f"{count} flipped bits", bytes(flipped)


def _lies(image: Image.Image) -> dict[str, Fields]:
    return {
        "width too small": {256: (4, [image.width - 16])},
        "width too large": {256: (4, [image.width + 16])},
        "height too small": {257: (4, [image.height - 50]), 278: (4, [image.height - 50])},
        "height too large": {257: (4, [image.height + 50]), 278: (4, [image.height + 50])},
        "wrong bit order": {266: (3, [2])},
        "wrong coding": {259: (3, [3]), 292: (4, [0])},
        "another wrong coding": {259: (3, [4])},
        "coding of no fax": {259: (3, [5])},
        "unknown coding": {259: (3, [34661])},
        "rows per strip too small": {278: (4, [7])},
        "byte count too small": {279: (4, [1000])},
        "byte count too large": {279: (4, [10**9])},
        "strip outside": {273: (4, [10**9])},
        "strip in the directory": {273: (4, [8])},
        "no strip": {273: (2, [])},
        "width missing": {256: None},
        "height missing": {257: None},
        "height zero": {257: (4, [0])},
    }


def _damaged_marks() -> Iterator[tuple[str, Damaged]]:
    """Damage to the ends of line of G3 and to its two-dimensional chains."""
    image, one = fax("fine", "g3-1d")
    lines = [one_dimensional(changes, image.width) for changes in lines_of(image)]

    def case(codes: Sequence[str]) -> Damaged:
        return Damaged(tiff_of(changed(one, strips=[packed([*codes, EOL * 6])])), (image,))

    marked = [EOL + line for line in lines]
    yield (
        "g3: every tenth end of line lost",
        case([line if at % 10 == 5 else marked[at] for at, line in enumerate(lines)]),
    )
    garbled = "000100000001"
    yield (
        "g3: every tenth end of line garbled",
        case([garbled + line if at % 10 == 5 else marked[at] for at, line in enumerate(lines)]),
    )
    yield "g3: ends of line doubled", case([code if at % 9 else EOL + code for at, code in enumerate(marked)])
    yield "g3: lines missing", case([code for at, code in enumerate(marked) if at % 40])
    yield "g3: lines twice", case([code * (1 + (at % 40 == 7)) for at, code in enumerate(marked)])
    yield (
        "g3: lines cut short",
        case([code[: len(code) * 2 // 3] if at % 25 == 3 else code for at, code in enumerate(marked)]),
    )
    yield "g3: an RTC in the middle", case([*marked[:100], EOL * 6, *marked[100:]])
    _, two = fax("fine", "g3-2d")
    chain = bytearray(group3(image, Habit(k=10**6)))
    chain[len(chain) // 2] ^= 0x3C
    yield "g3-2d: a break in an endless chain", Damaged(tiff_of(changed(two, strips=[bytes(chain)])), (image,))
    tags = bytearray(two.strips[0])
    tags[5] ^= 0x10
    yield "g3-2d: an early bit", Damaged(tiff_of(changed(two, strips=[bytes(tags)])), (image,))
    _, four = fax("fine", "g4")
    pieces = in_strips(image, four, "g4", 64)
    broken = [piece if at != 2 else piece[:40] + bytes(40) + piece[80:] for at, piece in enumerate(pieces.strips)]
    yield "g4: one strip of five", Damaged(tiff_of(changed(pieces, strips=broken)), (image,))
    yield "g4: a strip missing", Damaged(tiff_of(changed(pieces, strips=pieces.strips[:-1])), (image,))
    early = group4(image.crop((0, 0, image.width, 100)))
    yield "g4: an early EOFB", Damaged(tiff_of(changed(four, strips=[early + four.strips[0][len(early) :]])), (image,))


def _damaged_files() -> Iterator[tuple[str, Damaged]]:
    pages = [fax("standard", "g3-1d", seed=seed) for seed in range(4)]
    images, sheets = tuple(image for image, _ in pages), [one for _, one in pages]
    whole = tiff_of(*sheets, front=False)
    yield "file: a ring of pages", Damaged(tiff_of(*sheets, loop_to=0), images)
    yield "file: the list leads outside", Damaged(_linked(whole, len(whole) + 999), images)
    yield "file: the list leads into a strip", Damaged(_linked(whole, 40), images)
    yield (
        "file: page 2 is noise",
        Damaged(tiff_of(sheets[0], changed(sheets[1], strips=[random.Random(5).randbytes(4000)]), *sheets[2:]), images),
    )
    yield (
        "file: a byte of each page flipped",
        Damaged(tiff_of(*(changed(one, strips=[_flip(one.strips[0])]) for one in sheets)), images),
    )
    yield "file: pages of width zero", Damaged(tiff_of(*(changed(one, {256: (4, [0])}) for one in sheets)), images)


def _linked(data: bytes, offset: int) -> bytes:
    """The last directory's link leads on to ``offset``."""
    at = int.from_bytes(data[4:8], "little")
    while True:
        link = at + 2 + 12 * int.from_bytes(data[at : at + 2], "little")
        at = int.from_bytes(data[link : link + 4], "little")
        if not at:
            return data[:link] + offset.to_bytes(4, "little") + data[link + 4 :]


def _flip(strip: bytes) -> bytes:
    middle = len(strip) // 2
    return strip[:middle] + bytes([strip[middle] ^ 0xFF]) + strip[middle + 1 :]


# --- bombs ------------------------------------------------------------------------------------------------


def bombs() -> Iterator[tuple[str, bytes]]:
    """Files that would cost much, and files that are no TIFF at all. None of them is a fax."""
    small = sheet(drawing(8, 8))
    sizes = {"65535 squared": (65535, 65535), "100,000 squared": (100_000, 100_000), "a line of 2^31": (2**31 - 1, 1)}
    sizes |= {"2^32 lines": (1, 2**32 - 1), "longer than paper": (64, 1_500_000)}
    for name, (width, height) in sizes.items():
        for coding in (1, 2, 3, 4):
            fields = {256: (4, [width]), 257: (4, [height]), 278: (4, [height]), 259: (3, [coding])}
            yield f"{name}, coding {coding}", tiff_of(changed(small, fields))
    white = changed(small, {256: (4, [9000]), 257: (4, [11000]), 278: (4, [11000])}, [b"\xff" * 1375 + b"\0\x10\x01"])
    yield "pages of white, 100 million pixels each", tiff_of(*([white] * 40))
    yield "20,000 directories on one strip", tiff_of(*([small] * 20_000))
    yield "a million strips", tiff_of(changed(small, {257: (4, [300_000]), 278: (4, [1])}, [b"\x80"] * 300_000))
    teeth = Image.frombytes("1", (1728, 2200), b"\xaa" * (216 * 2200))
    wrong = bytearray(strip_of(teeth, "group3"))
    wrong[len(wrong) // 2] ^= 1  # so that the page cannot be proven
    yield "every pixel a change", tiff_of(*[sheet(teeth, compression="group3", strip=bytes(wrong))] * 12)
    noise = random.Random(9).randbytes(300_000)
    one = changed(sheet(drawing(1728, 2200), compression="group3", strip=b""), {273: (4, [8]), 279: (4, [300_000])})
    yield "one strip for 400 pages", tiff_of(*([one] * 400)) + noise
    for name, data in {
        "nothing": b"",
        "one byte": b"I",
        "a header": b"II*\0\x08\0\0\0",
        "HTML": b"<html><body>404</body></html>",
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "base64": b"SUkqAAgAAAAAAAAA",
        "BigTIFF of no pages": b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + b"\xff" * 8,
        "a directory of 65535 fields": b"II*\0\x08\0\0\0\xff\xff" + bytes(200),
    }.items():
        yield name, data


def write(directory: Path) -> None:
    """All of it as files, with the reference of each page as PNG."""
    kinds: dict[str, Callable[[], Iterator[tuple[str, Valid | Damaged | bytes]]]] = {
        "valid": valid,
        "damaged": damaged,
        "bombs": bombs,
    }
    for kind, make in kinds.items():
        (directory / kind).mkdir(parents=True, exist_ok=True)
        for name, case in make():
            stem = directory / kind / name.replace(" ", "_").replace("/", "-").replace("%", "pc").replace(",", "")
            Path(f"{stem}.tif").write_bytes(case if isinstance(case, bytes) else case.data)
            for number, page in enumerate(() if isinstance(case, bytes) else case.pages, 1):
                out = io.BytesIO()
                page.save(out, "PNG")
                Path(f"{stem}.{number}.png").write_bytes(out.getvalue())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
