"""The whole corpus of faxes through the converter, judged by two decoders that are not ours."""

import io
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageChops

from fax_bridge.documents import tiff
from fax_bridge.documents.fault import Fault
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused
from tests import fuzz_tiff, tiff_corpus
from tests.tiff_corpus import Damaged, Valid
from tests.tools import tool

VALID = dict(tiff_corpus.valid())
GROUPS = sorted({name.partition(" ")[0] for name in VALID})
SEEN_THROUGH = {
    # What the bits themselves prove, whatever the directory says: every line is there, and right.
    *("wrong bit order", "wrong coding", "another wrong coding", "rows per strip too small", "width too small"),
    *("width too large", "byte count too small", "byte count too large", "a block twice"),
    *("every tenth end of line lost", "ends of line doubled", "an RTC in the middle"),
}


@dataclass(frozen=True)
class Outcome:
    """What became of a file: a PDF and its faults, or the reason why there is none."""

    pdf: bytes = b""
    faults: tuple[str, ...] = ()
    refused: str = ""


Convert = Callable[[bytes], Outcome]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """The job itself, without the worker process around it."""

    def run(data: bytes) -> Outcome:
        (tmp_path / "0").write_bytes(data)
        try:
            pdf, result = tiff.work(Task(tmp_path, Limits()), {"info": {}})
        except DocumentRefused as refusal:
            return Outcome(refused=refusal.reason if refusal.detail else "refused without a word")
        return Outcome(pdf, tuple(str(Fault(**fault)) for fault in result["faults"]))

    return run


def by_pdfium(pdf: bytes) -> list[Image.Image | None]:
    """The image of each page; ``None`` for a page that is no image, but words."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = []
        for page in document:
            images = list(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]))
            found.append(images[0].get_bitmap().to_pil().convert("L") if len(images) == 1 else None)
        return found


def by_poppler(pdf: bytes, directory: Path) -> list[Image.Image]:
    """The images of all pages, decoded by poppler.

    Not drawn by it: pdftoppm lays every image out a pixel larger than its page and so scales it.
    """
    (directory / "fax.pdf").write_bytes(pdf)
    done = subprocess.run(
        (tool("pdfimages"), "-png", "fax.pdf", "image"), cwd=directory, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found: list[Image.Image] = []
    for path in sorted(directory.glob("image-*.png")):
        found.append(Image.open(io.BytesIO(path.read_bytes())))
        path.unlink()
    return found


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("L"), other.convert("L")).getbbox() is None


def test_the_corpus_is_as_large_as_it_says() -> None:
    """Forty named kinds of damage at least, over every coding, resolution, bit order and shape of strips."""
    kinds = {name.partition(": ")[2] for name, _ in tiff_corpus.damaged()}
    assert len(kinds) >= 60
    assert len(VALID) >= 125


@pytest.mark.parametrize("group", GROUPS)
def test_every_valid_page_is_exact_in_two_decoders(convert: Convert, tmp_path: Path, group: str) -> None:
    """Bit for bit what was coded, no fault told, and the page's size within half a millimetre of pixels ÷ tags."""
    for name, case in VALID.items():
        if name.partition(" ")[0] != group:
            continue
        made = convert(case.data)
        assert not made.faults, name
        assert not made.refused, name
        for image, page in zip(by_pdfium(made.pdf), case.pages, strict=True):
            assert image is not None, name
            assert same(image, page), name
        for image, page in zip(by_poppler(made.pdf, tmp_path), case.pages, strict=True):
            assert same(image, page), name
        assert_size(name, case, made.pdf)


def assert_size(name: str, case: Valid, pdf: bytes) -> None:
    with pikepdf.open(io.BytesIO(pdf)) as document:
        for page, millimetres in zip(document.pages, case.millimetres, strict=True):
            shown = tuple(float(points) / 72 * 25.4 for points in list(page.mediabox)[2:])
            assert shown == pytest.approx(millimetres, abs=0.5), name


@pytest.mark.slow
def test_damage_is_told_or_made_good(convert: Convert) -> None:
    """Of all kinds, over all codings: refused with a reason, shown with a fault, or exact. Nothing is passed over."""
    silent: set[str] = set()
    exact: set[str] = set()
    for name, case in tiff_corpus.damaged():
        made = convert(case.data)
        if made.refused:
            assert made.refused == "tiff_broken", name
        elif not made.faults:
            pairs = zip(by_pdfium(made.pdf), case.pages, strict=True)
            is_exact = all(image is not None and same(image, page) for image, page in pairs)
            (exact if is_exact else silent).add(name.partition(": ")[2])
    assert silent == set()
    assert exact <= SEEN_THROUGH


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        ("g3-1d: file cut at 99 %, directory in front", 0.96),
        ("g3-2d: file cut at 50 %, directory in front", 0.40),
        ("g4: file cut at 90 %, directory in front", 0.85),
        ("g3-1d: noise of 64 bytes", 0.99),
        ("g3-1d: a sector of zeros", 0.98),
        ("g3-1d: a byte lost", 0.99),
        ("g3-1d: 10 flipped bits", 0.96),
        ("g3-2d: 10 flipped bits", 0.95),
        ("g3: every tenth end of line garbled", 0.99),
        ("g4: one strip of five", 0.79),
        ("file: page 2 is noise", 0.75),
        ("file: a byte of each page flipped", 0.99),
    ],
)
def test_damage_leaves_what_it_did_not_touch(convert: Convert, kind: str, share: float) -> None:
    """So many of the lines are right and in their place. (10 % more than measured is no luck that can be lost.)"""
    case = dict(tiff_corpus.damaged())[kind]
    assert lines_kept(convert(case.data).pdf, case) >= share


def lines_kept(pdf: bytes, case: Damaged) -> float:
    right = total = 0
    for image, page in zip(by_pdfium(pdf), case.pages, strict=True):
        stride = (page.width + 7) // 8
        expected = page.tobytes()
        total += page.height
        if image is None or image.width != page.width:
            continue
        shown = image.convert("1").tobytes()
        right += sum(shown[at : at + stride] == expected[at : at + stride] for at in range(0, len(expected), stride))
    return right / total


@pytest.mark.slow
def test_bombs_cost_little_and_are_refused_in_words(convert: Convert) -> None:
    """Seconds of processor time for what is examined line by line, next to nothing for what is refused."""
    for name, data in tiff_corpus.bombs():
        before = time.process_time()
        made = convert(data)
        spent = time.process_time() - before
        assert made.refused in {"", "tiff_broken", "too_many_pages"}, name
        assert made.refused or made.faults or name.startswith("pages of white"), name
        assert spent < (1 if made.refused else 20), (name, spent)


@pytest.mark.slow
async def test_bombs_stay_within_the_workers_walls() -> None:
    """The heaviest ones through the real process, with its limits of memory and time."""
    bombs = dict(tiff_corpus.bombs())
    before_it = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of other tests' programs
    async with Documents() as documents:
        for name in ("pages of white, 100 million pixels each", "every pixel a change"):
            before = time.monotonic()
            assert (await documents.tiff_to_pdf(bombs[name])).pages
            assert time.monotonic() - before < Limits().wall_seconds
        with pytest.raises(DocumentRefused, match="too_many_pages"):
            await documents.tiff_to_pdf(bombs["20,000 directories on one strip"])
    # Known once the fork server is gone, which waited for its workers.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert peak < 700 or peak == before_it, f"{peak:.0f} MiB"


@pytest.mark.slow
def test_mutations_are_answered_or_refused(tmp_path: Path) -> None:
    """A part of what ``scripts/fuzz`` does: no mutation of any fax raises anything but a refusal."""
    ends = fuzz_tiff.fuzz(0, 1500, tmp_path, seconds=20)
    assert ends.total() > 100
    assert set(ends) <= {"whole", "with faults", "tiff_broken", "too_many_pages"}
