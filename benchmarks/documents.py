"""From a mail's bytes to its document, beside the programs that others make faxes with.

    scripts/benchmarks documents [--rounds 5] [--only WORD]

Everything that is compared takes its turn in each round. Ours is what the daemon does: each job in a limited process of
its own, forked from the fork server. The peers are programs that are started for the job, as their users start them.
"""

import asyncio
import io
import random
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pikepdf
import uvloop
from PIL import Image

from benchmarks import hylafax, machine, rounds, typical_mail
from benchmarks.processes import Failed
from fax_bridge.documents.pdf import Merger
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.email_to_fax.document import Prepared, prepare
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.fax import Paper

MERGED, OCTETS = 10, 8_000_000
TOGETHER = 2
"""Documents that the daemon makes at a time (:class:`Documents`)."""
PAGES = 4
"""Three of the contract, one of the photo; the text is the cover."""
MAILS = 20
"""Whole mails of one measurement of how many go through."""

Measure = Callable[[], float]
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    ours: str
    """The row that the others are compared with."""
    aims: str
    cases: dict[str, Measure]


class Bench:
    """The inputs, and a loop on which our side runs for as long as the benchmark does."""

    def __init__(self, runner: asyncio.Runner, directory: Path) -> None:
        self._runner = runner
        self._directory = directory
        self._documents = Documents(max_concurrent=TOGETHER)
        self.mail = self._wait(typical_mail.mail(self._documents))
        self.finished = self._wait(self._prepared()).pdf
        self._sources = [_large_pdf(number) for number in range(MERGED)]
        for number, source in enumerate(self._sources):
            (directory / f"source{number}.pdf").write_bytes(source)
        (directory / "body.html").write_text(typical_mail.HTML, encoding="utf-8")
        self.server = hylafax.Server()
        self.home = hylafax.home_of(directory, self.server)

    def close(self) -> None:
        self.server.close()
        self._wait(self._documents.close())

    def tables(self) -> list[Table]:
        directory = self._directory
        return [
            Table(
                "The typical mail: from its bytes to the document",
                "fax-bridge, PDF and cover",
                "faxmail + Ghostscript ≥ 3",
                {
                    "fax-bridge, PDF and cover": lambda: self._took(self._prepared()),
                    "fax-bridge, PDF and cover, and G4 of the PDF": lambda: self._took(self._rasterised()),
                    "faxmail + Ghostscript tiffg4": self._faxmail,
                    "Ghostscript tiffg4 alone, of our PDF": lambda: _seconds(
                        lambda: hylafax.fax_of([self.finished], directory)
                    ),
                },
            ),
            Table(
                "The text of it: HTML to PDF",
                "fax-bridge",
                "",
                {
                    "fax-bridge": lambda: self._took(self._documents.html_to_pdf(typical_mail.HTML)),
                    "fax-bridge, a worker that does next to nothing": lambda: self._took(
                        self._documents.clean_html("x")
                    ),
                    "WeasyPrint": lambda: _ran(
                        directory, machine.need("weasyprint", "weasyprint"), "body.html", "body.pdf"
                    ),
                },
            ),
            Table(
                f"{MERGED} PDFs of {OCTETS // 1_000_000} MB into one",
                "qpdf --empty --pages",
                "fax-bridge's merger ≤ 1.3",
                {
                    "qpdf --empty --pages": lambda: _ran(
                        directory,
                        *("qpdf", "--empty", "--pages", *(f"source{n}.pdf" for n in range(MERGED)), "--", "merged.pdf"),
                    ),
                    "fax-bridge's merger, in this process": lambda: _seconds(self._merged),
                    "fax-bridge, isolated, each page drawn as a proof": lambda: self._took(self._built()),
                },
            ),
            Table(
                f"Whole mails, {TOGETHER} at a time: what {MAILS} take",
                "fax-bridge",
                "",
                {"fax-bridge": lambda: self._took(self._many())},
            ),
        ]

    async def _prepared(self) -> Prepared:
        mail = await asyncio.to_thread(read_mail, self.mail)
        made = await prepare(mail, self._documents, paper=Paper.A4)
        if not isinstance(made, Prepared) or made.pages != PAGES or made.cover_body is None:
            raise Failed(f"the mail did not become its {PAGES} pages and a cover")
        await self._documents.html_to_pdf(made.cover_body)  # FaxMAX may do it; the peers do it here
        return made

    async def _rasterised(self) -> None:
        made = await self._prepared()
        await self._documents.rasterise(made.pdf)

    async def _many(self) -> None:
        await asyncio.gather(*(self._prepared() for _ in range(MAILS)))

    async def _built(self) -> None:
        parts = [SourcePart(PartKind.PDF, "a.pdf", source) for source in self._sources]
        built = await self._documents.build(parts)
        _must_hold(built.pdf, sum(built.pages))

    def _merged(self) -> None:
        with Merger(500, Paper.A4) as merger:
            pages = sum(merger.add(source) for source in self._sources)
            _must_hold(merger.finished(), pages)

    def _faxmail(self) -> float:
        began = time.perf_counter()
        documents = hylafax.documents_of(self.mail, self.home, self.server)
        if len(documents) < 3:
            raise Failed(f"faxmail made {len(documents)} documents of a text, a PDF and a photo")
        hylafax.fax_of(documents, self._directory)
        return time.perf_counter() - began

    def _took(self, work: Coroutine[Any, Any, Any]) -> float:
        return _seconds(lambda: self._wait(work))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


def _large_pdf(number: int) -> bytes:
    """Eight pages, each a picture that cannot be made smaller."""
    dice = random.Random(number)
    pages = []
    for _ in range(8):
        out = io.BytesIO()
        Image.frombytes("L", (1000, 1000), dice.randbytes(1_000_000)).save(out, "PDF", quality=100, subsampling=0)
        pages.append(out.getvalue())
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for page in pages:
            with pikepdf.open(io.BytesIO(page)) as one:
                pdf.pages.extend(one.pages)
        pdf.save(out)
    return out.getvalue()


def _must_hold(pdf: bytes, pages: int) -> None:
    if pages != MERGED * 8 or len(pdf) < MERGED * OCTETS // 2:
        raise Failed(f"the merged document has {pages} pages and {len(pdf)} bytes")


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _ran(directory: Path, *command: str) -> float:
    return _seconds(lambda: subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=300))


def main() -> None:
    told = rounds.arguments("documents", __doc__).parse_args()
    for program, package in (("faxmail", "hylafax-client"), ("gs", "ghostscript"), ("qpdf", "qpdf"),
                             ("jpegtopnm", "netpbm"), ("weasyprint", "weasyprint")):  # fmt: skip
        machine.need(program, package)
    with rounds.workplace(told.directory) as directory, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bench = Bench(runner, directory)
        try:
            print(machine.described(rounds.command(), directory))
            print(f"- {', '.join(_versions())}")
            for table in bench.tables():
                _tell(table, told.turns, told.only)
        finally:
            bench.close()


def _versions() -> list[str]:
    packages = ("hylafax-client", "ghostscript", "netpbm", "qpdf")
    told = subprocess.run(
        ("dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *packages), capture_output=True, text=True
    )
    weasyprint = subprocess.run(("weasyprint", "--version"), capture_output=True, text=True).stdout.strip()
    ours = [f"{name} {version(name)}" for name in ("plutoprint", "pikepdf", "pypdfium2", "pillow")]
    return [*ours, *told.stdout.splitlines(), weasyprint]


def _tell(table: Table, turns: int, only: list[str]) -> None:
    names = [table.ours, *(name for name in rounds.chosen(table.cases, only) if name != table.ours)]
    results = rounds.play(names, turns, lambda name: table.cases[name]())
    ours = results[table.ours]
    rows = [
        (name, rounds.spread([1000 * one for one in took]), f"{rounds.ratio(took, ours):.2f}")
        for name, took in results.items()
    ]
    print(f"\n### {table.title}\n")
    print(rounds.table(("", "ms, median (least–most)", f"beside {table.ours}"), rows))
    if table.aims:
        print(f"\nAim: {table.aims}")


if __name__ == "__main__":
    rounds.run(main)
