"""Mutations of faxes through the converter, in this process: whatever the bytes, it answers or refuses in words.

``scripts/fuzz`` runs many; a test runs a few. Each mutation follows from its number alone, so that a finding is
repeated by its number. The file in hand is kept on disk, in case a decoder in C takes the process with it.
"""
# ruff: noqa: S311 — dice that are to fall the same on every run

import argparse
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pikepdf
from PIL import Image

from fax_bridge.documents import tiff
from fax_bridge.documents.job import Limits, Task
from fax_bridge.errors import DocumentRefused
from tests.ccitt_encoder import Habit, group3
from tests.tiff_builder import drawing, sheet, strip_of, tiff_of

LIMITS = Limits(pages=6, image_pixels=2_000_000)
MOST_SECONDS = 10.0
"""Of processor time for one file of a few kilobytes."""
CHECKED = 20
"""Every so many files the PDF itself is opened."""
VALUES = (0, 1, 2, 3, 4, 7, 8, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


def seeds() -> list[bytes]:
    """Small files of every coding and shape."""
    image, other = drawing(300, 60), drawing(1728, 30, seed=3)
    codings = [("raw", 0), ("tiff_ccitt", 0), ("group3", 0), ("group3", 4), ("group3", 1), ("group4", 0)]
    files = [tiff_of(sheet(image, compression=name, options=options)) for name, options in codings]
    files += [tiff_of(sheet(other, compression=name, options=options), order=">") for name, options in codings]
    pages = [sheet(image), sheet(other, compression="group3"), sheet(image, fields={254: (4, [1])})]
    files += [tiff_of(*pages), tiff_of(*pages, front=False), tiff_of(*pages, loop_to=1)]
    pieces = [strip_of(image.crop((0, top, 300, top + 12)), "group3") for top in range(0, 60, 12)]
    striped = sheet(image, compression="group3", fields={278: (4, [12])})
    files.append(tiff_of(type(striped)(striped.fields, pieces)))
    files += [
        tiff_of(sheet(image, compression="group3", options=k > 1, strip=group3(image, Habit(k=k)))) for k in (1, 4)
    ]
    for mode, compression in (
        ("L", "tiff_lzw"),
        ("RGB", "tiff_deflate"),
        ("L", "jpeg"),
        ("1", "packbits"),
        ("P", None),
    ):
        out = io.BytesIO()
        Image.linear_gradient("L").resize((60, 40)).convert(mode).save(out, "TIFF", compression=compression)
        files.append(out.getvalue())
    out = io.BytesIO()
    Image.linear_gradient("L").resize((60, 40)).save(out, "TIFF", big_tiff=True)
    return [*files, out.getvalue()]


def mutation(number: int, files: Sequence[bytes]) -> bytes:
    """One to six changes of one of the files: in its directory, its data, or its shape."""
    dice = random.Random(number)
    data = bytearray(dice.choice(files))
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        if not data:
            break
        at, end = dice.randrange(len(data)), min(len(data), 260)
        match dice.randrange(10):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                data[at] = dice.randrange(256)
            case 2:
                data[dice.randrange(end)] = dice.randrange(256)
            case 3:
                place = dice.randrange(end)
                data[place : place + 4] = dice.choice(VALUES).to_bytes(4, dice.choice(("little", "big")))
            case 4:
                del data[at : at + dice.choice((1, 2, 12, 100, 1000))]
            case 5:
                data[at:at] = dice.randbytes(dice.choice((1, 2, 12, 100)))
            case 6:
                data = data[:at]
            case 7:
                data[at : at + 64] = bytes([dice.choice((0, 255, 0x55))]) * 64
            case 8:
                other = dice.choice(files)
                data[at:] = other[dice.randrange(len(other)) :]
            case _:  # a field's type
                place = 10 + 12 * dice.randrange(16)
                if place + 4 < len(data):
                    data[place + 2] = dice.randrange(20)
    return bytes(data)


def convert(data: bytes, directory: Path, *, look: bool) -> str:
    """How it ended, as a word. Raises whatever the converter should not."""
    (directory / "0").write_bytes(data)
    try:
        pdf, result = tiff.work(Task(directory, LIMITS), {"info": {}})
    except DocumentRefused as refused:
        return refused.reason
    if look:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            if len(document.pages) != len(result["pages"]):
                raise AssertionError(f"{len(document.pages)} pages in the PDF, {len(result['pages'])} told")
    return "with faults" if result["faults"] else "whole"


def fuzz(first: int, count: int, directory: Path, *, seconds: float = float("inf")) -> Counter[str]:
    """Mutations ``first`` and on, until ``count`` are done or the time is over."""
    files, ends = seeds(), Counter[str]()
    stop = time.monotonic() + seconds
    for number in range(first, first + count):
        if time.monotonic() > stop:
            break
        before = time.process_time()
        try:
            ends[convert(mutation(number, files), directory, look=number % CHECKED == 0)] += 1
        except Exception as error:
            error.add_note(f"mutation {number} of tests.fuzz_tiff")
            raise
        if (spent := time.process_time() - before) > MOST_SECONDS:
            raise AssertionError(f"mutation {number} took {spent:.1f} s")
    return ends


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("count", type=int, nargs="?", default=20_000, help="mutations to try")
    arguments.add_argument("--first", type=int, default=0, help="the number of the first")
    wanted = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-tiff-") as directory:
        before = time.process_time()
        ends = fuzz(wanted.first, wanted.count, Path(directory))
    shown = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    sys.stdout.write(f"{ends.total()} mutations in {time.process_time() - before:.0f} s of processor time: {shown}\n")


if __name__ == "__main__":
    main()
