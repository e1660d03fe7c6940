"""TIFF → PDF against the tools people use: processor time, memory and size of the file.

    .venv/bin/python -m benchmarks.tiff [--rounds 5] [--write]

The peers are Debian's ``libtiff-tools``, ``img2pdf``, ``imagemagick`` and ``ghostscript``; one that is not installed is
left out and named, and so is ImageMagick without root, since its policy has to be lifted. All contestants take their
turn within a round, so that a noisy machine is unfair to none, and the median over the rounds is told. Processor time
is that of the process with all its children; *in process* is the job without the start of Python and of the worker.
``--write`` puts the table into ``benchmarks/tiff.md``.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from PIL import features

from fax_bridge.documents import tiff
from fax_bridge.documents.job import Limits, Task
from tests.tiff_builder import sheet, tiff_of
from tests.tiff_corpus import letter

PAGES = (1, 10, 50)
CODINGS = {"G3": "group3", "G4": "group4"}
OURS = "fax-bridge convert"
OURS_INSIDE = "fax-bridge, in process"
MAGICK = "ImageMagick"
"""Debian's policy lets it write no PDF; it is run in a mount namespace with one that does, so that it does the job."""
SLOW = {MAGICK: 10}
"""More pages than these would take minutes for every round."""
HERE = Path(__file__).parent


@dataclass
class Cost:
    seconds: list[float] = field(default_factory=list)
    mib: float = 0.0
    octets: int = 0


def fax(coding: str, pages: int) -> bytes:
    """Full A4 pages of text with a halftone, 1728 × 2292, fine; no two alike, since Ghostscript keeps one of those."""
    return tiff_of(*(sheet(letter(1728, 2292, 196.0, number), compression=CODINGS[coding]) for number in range(pages)))


RUNNER = """
import os, subprocess, sys
process = subprocess.Popen(("/bin/sh", "-c", sys.argv[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""
"""A small process in between: the peak that the kernel tells of a program is never below its parent's."""


def whole(command: str) -> Callable[[Path], Cost]:
    """A program, or a pipe of them, from its start to its end."""

    def run(directory: Path) -> Cost:
        done = subprocess.run(
            (sys.executable, "-I", "-S", "-c", RUNNER, command), cwd=directory, capture_output=True, check=True
        )
        status, seconds, mib = done.stdout.split()
        if int(status):
            raise RuntimeError(f"{command}: exit status {int(status)}")
        return Cost([float(seconds)], float(mib), (directory / "out.pdf").stat().st_size)

    return run


def inside(directory: Path) -> Cost:
    shutil.copy(directory / "in.tif", directory / "0")
    before = time.process_time()
    pdf, result = tiff.work(Task(directory, Limits()), {"info": {}})
    spent = time.process_time() - before
    if result["faults"]:
        raise RuntimeError(f"a sound fax was called damaged: {result['faults'][0]}")
    return Cost([spent], 0.0, len(pdf))


def img2pdf_inside(directory: Path) -> Cost:
    """Debian's img2pdf belongs to Debian's Python; it tells its own processor time, without its start."""
    code = (
        "import time, img2pdf; data = open('in.tif', 'rb').read(); before = time.process_time(); "
        "pdf = img2pdf.convert(data); spent = time.process_time() - before; "
        "open('out.pdf', 'wb').write(pdf); print(spent)"
    )
    done = subprocess.run(("/usr/bin/python3", "-c", code), cwd=directory, capture_output=True, check=True)
    return Cost([float(done.stdout.split()[-1])], 0.0, (directory / "out.pdf").stat().st_size)


POLICY = Path("/etc/ImageMagick-6/policy.xml")
CONVERT = (
    f"unshare -m sh -c 'mount --bind policy.xml {POLICY} && exec /usr/bin/convert in.tif -compress Group4 out.pdf'"
)
CONTESTANTS: dict[str, tuple[str, Callable[[Path], Cost]]] = {
    OURS: (sys.executable, whole(f"{Path(sys.executable).parent}/fax-bridge convert in.tif out.pdf")),
    OURS_INSIDE: (sys.executable, inside),
    "tiff2pdf": ("tiff2pdf", whole("tiff2pdf -o out.pdf in.tif")),
    "img2pdf": ("img2pdf", whole("/usr/bin/img2pdf in.tif -o out.pdf")),
    "img2pdf, in process": ("img2pdf", img2pdf_inside),
    "tiff2ps and Ghostscript": (
        "tiff2ps",
        whole(
            "tiff2ps -a -O out.ps in.tif && "
            "gs -q -dBATCH -dNOPAUSE -dSAFER -sDEVICE=pdfwrite -sOutputFile=out.pdf out.ps"
        ),
    ),
    MAGICK: ("/usr/bin/convert", whole(CONVERT)),
}
"""Name → the program it needs, and how it is run."""


def measure(rounds: int) -> tuple[dict[tuple[str, str, int], Cost], list[str]]:
    costs: dict[tuple[str, str, int], Cost] = {}
    present = {name: run for name, (program, run) in CONTESTANTS.items() if shutil.which(program)}
    if os.getuid() or not POLICY.exists():
        present.pop(MAGICK, None)
    with tempfile.TemporaryDirectory(prefix="benchmark-tiff-") as name:
        directory = Path(name)
        if MAGICK in present:
            forbidden, allowed = (f'rights="{rights}" pattern="PDF"' for rights in ("none", "read|write"))
            (directory / "policy.xml").write_text(POLICY.read_text().replace(forbidden, allowed))
        for coding in CODINGS:
            for pages in PAGES:
                (directory / "in.tif").write_bytes(fax(coding, pages))
                for number in range(rounds):
                    for who, run in present.items():
                        if pages > SLOW.get(who, pages):
                            continue
                        one = run(directory)
                        cost = costs.setdefault((who, coding, pages), Cost())
                        cost.seconds += one.seconds
                        cost.mib, cost.octets = max(cost.mib, one.mib), one.octets
                    sys.stderr.write(f"{coding}, {pages} pages: round {number + 1} of {rounds}\n")
    return costs, [name for name in CONTESTANTS if name not in present]


def table(costs: dict[tuple[str, str, int], Cost], coding: str) -> list[str]:
    head = " | ".join(f"{pages} p: CPU ms | × tiff2pdf | MiB | kB" for pages in PAGES)
    lines = [f"| {coding} | {head} |", "|---|" + "---:|" * 4 * len(PAGES)]
    for who in CONTESTANTS:
        cells = []
        for pages in PAGES:
            cost, base = costs.get((who, coding, pages)), costs.get(("tiff2pdf", coding, pages))
            if cost is None:
                cells += ["–"] * 4
                continue
            spent = median(cost.seconds)
            ratio = f"{spent / median(base.seconds):.2f}" if base else "–"
            cells += [f"{1000 * spent:.0f}", ratio, f"{cost.mib:.0f}" if cost.mib else "", f"{cost.octets / 1000:.0f}"]
        if any(cell != "–" for cell in cells):
            lines.append(f"| {who} | {' | '.join(cells)} |")
    return lines


def verdicts(costs: dict[tuple[str, str, int], Cost]) -> list[str]:
    """The aims, with what was measured."""

    def ratio(one: str, other: str, coding: str, pages: int) -> str:
        pair = costs.get((one, coding, pages)), costs.get((other, coding, pages))
        return f"{median(pair[0].seconds) / median(pair[1].seconds):.2f}" if pair[0] and pair[1] else "–"

    sizes = []
    for coding in CODINGS:
        for pages in PAGES:
            peers = [
                cost.octets
                for (who, its, count), cost in costs.items()
                if (its, count) == (coding, pages) and who not in (OURS, OURS_INSIDE, MAGICK)
            ]
            if peers:
                sizes.append(costs[OURS, coding, pages].octets / min(peers))
    g3 = ", ".join(ratio(OURS_INSIDE, "tiff2pdf", "G3", pages) for pages in PAGES)
    magick = ", ".join(ratio(MAGICK, OURS_INSIDE, coding, 10) for coding in CODINGS)
    size = f"{max(sizes):.3f}" if sizes else "–"
    return [
        f"* Processor time in process ÷ `tiff2pdf` on G3, 1, 10, 50 pages (aim ≤ 4, stretch 2.5): {g3}",
        f"* ImageMagick ÷ ours in process, 10 pages, G3 and G4 (aim ≥ 30): {magick}",
        f"* Our file ÷ the smallest peer's, at worst (aim ≤ 1.02): {size}",
    ]


def main(words: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--write", action="store_true", help="put the table into benchmarks/tiff.md")
    wanted = arguments.parse_args(words)
    costs, missing = measure(wanted.rounds)
    machine = f"{os.cpu_count()} processors of a shared machine, load {os.getloadavg()[0]:.1f}"
    versions = f"Python {platform.python_version()}, Pillow's libtiff {features.version('libtiff')}"
    lines = [
        "# TIFF → PDF, measured",
        "",
        f"{time.strftime('%Y-%m-%d')}, `python -m benchmarks.tiff --rounds {wanted.rounds}`, {machine}, {versions}.",
        f"Medians of {wanted.rounds} rounds, all contestants in each; processor time with that of all children.",
        "Pages: full A4 of text with a halftone, 1728 × 2292, no two alike.",
        "",
        "`tiff2pdf`, img2pdf and the others show a page as they decode it; fax-bridge also proves each page by",
        "encoding it again, and starts an isolated worker. On G4 `tiff2pdf` and img2pdf copy the coded bytes unread.",
        "ImageMagick's policy against PDF is lifted for its run, which takes root; img2pdf is Debian's.",
    ]
    lines += ["", f"Not installed, and so left out: {', '.join(missing)}."] if missing else []
    for coding in CODINGS:
        lines += ["", *table(costs, coding)]
    lines += ["", "## The aims", "", *verdicts(costs), ""]
    if wanted.write:
        (HERE / "tiff.md").write_text("\n".join(lines), encoding="utf-8")
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()
