"""What the isolation of a job costs: a fresh interpreter for each, or a fork of one that has the engines loaded.

``python benchmarks/isolation.py [ROUNDS] > benchmarks/isolation.md`` takes a minute. All ways take turns within
one run, so that a busy machine is busy for each of them. Under uvloop, as the daemon runs.
"""

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fax_bridge import daemon
from fax_bridge.documents.fork_client import ForkServer
from fax_bridge.documents.worker import Documents, PartKind, SourcePart

ROUNDS = 60
TICK = 0.001
PAGE = "<p style='font-family: Arial'>Sayın yetkili,<p>ekteki sayfayı <b>faks</b> olarak iletiyorum: ğüşıöç ĞÜŞİÖÇ."

FRESH = """
import os, sys
from pathlib import Path
from fax_bridge.documents import child
own = Path(sys.argv[1])
os._exit(child.main(own, own, int(sys.argv[2])))
"""
LAUNCHER = """\
#!{python} -I
import importlib, sys
from pathlib import Path
from fax_bridge.documents import child, fork_server
{before}
fork_server.main(Path(sys.argv[-2]), int(sys.argv[-1]))
"""
LOADED = {
    "fork server, nothing loaded": "fork_server._load = lambda: None",
    "fork server, modules loaded": (
        "fork_server._load = lambda: [importlib.import_module(name) for name in child.JOBS.values()]"
    ),
    "fork server, as it is (and a page laid out)": "",
}


class FreshInterpreter:
    """The way it was: the same worker, in a process that begins from nothing and loads only what its job needs."""

    async def run(self, directory: Path, wall_seconds: float) -> int:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-c", FRESH, str(directory), str(os.getpid())),
            env={"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "HOME": str(directory), "TMPDIR": str(directory)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(wall_seconds):
            return await process.wait()


class FreshDocuments(Documents):
    async def _fork_server(self) -> Any:
        return FreshInterpreter()


class Ticker:
    """How long the loop stood still, at the most, since it was last asked."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            self._longest = max(self._longest, time.perf_counter() - began - TICK)

    def longest(self) -> float:
        longest, self._longest = self._longest, 0.0
        return longest

    def stop(self) -> None:
        self._task.cancel()


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    async with AsyncExitStack() as stack:
        ways: dict[str, Documents] = {"fresh interpreter": await stack.enter_async_context(FreshDocuments())}
        starts: dict[str, list[float]] = {}
        python = sys.executable
        with tempfile.TemporaryDirectory() as directory:
            for name, before in LOADED.items():
                sys.executable = _launcher(directory, python, before)
                starts[name] = [await _start() for _ in range(10)]
                ways[name] = await stack.enter_async_context(Documents())
                await ways[name].clean_html("x")
            sys.executable = python
        pdf = await ways["fresh interpreter"].html_to_pdf(PAGE)
        took, stalls, quiet = await _measure(rounds, ways, pdf)
        _tell(rounds, starts, took, stalls, quiet)


def _launcher(directory: str, python: str, before: str) -> str:
    launcher = Path(directory, "launcher")
    launcher.write_text(LAUNCHER.format(python=python, before=before))
    launcher.chmod(0o700)
    return str(launcher)


async def _start() -> float:
    began = time.perf_counter()
    server = await ForkServer.start()
    took = time.perf_counter() - began
    await server.close()
    return took


Times = dict[tuple[str, str], list[float]]


async def _measure(rounds: int, ways: dict[str, Documents], pdf: bytes) -> tuple[Times, Times, list[float]]:
    part = SourcePart(PartKind.PDF, "page.pdf", pdf)
    jobs: dict[str, Callable[[Documents], Awaitable[Any]]] = {
        "clean_html": lambda documents: documents.clean_html(PAGE),
        "html_to_pdf": lambda documents: documents.html_to_pdf(PAGE),
        "build": lambda documents: documents.build([part]),
    }
    took: Times = {(way, job): [] for way in ways for job in jobs}
    stalls: Times = {(way, job): [] for way in ways for job in jobs}
    quiet = []
    ticker = Ticker()
    for _ in range(rounds):
        ticker.longest()
        await asyncio.sleep(0.05)
        quiet.append(ticker.longest())
        for job, do in jobs.items():
            for way, documents in ways.items():
                ticker.longest()
                began = time.perf_counter()
                await do(documents)
                took[way, job].append(time.perf_counter() - began)
                stalls[way, job].append(ticker.longest())
    ticker.stop()
    return took, stalls, quiet


def _tell(rounds: int, starts: dict[str, list[float]], took: Times, stalls: Times, quiet: list[float]) -> None:
    jobs = list(dict.fromkeys(job for _, job in took))
    ways = list(dict.fromkeys(way for way, _ in took))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    lines = [
        "# What the isolation of a job costs",
        "",
        f"Milliseconds, median / 95th percentile of {rounds} jobs, all ways in turn within one run of",
        f"`benchmarks/isolation.py`: Python {platform.python_version()}, uvloop, {machine}.",
        "",
        "## One job, from the call to its answer",
        "",
        "A small page to PDF, a one-page PDF built and proven, a fragment cleaned.",
        "",
        *_table(ways, jobs, took),
        "",
        "A page without the one laid out before: the worker reads the fonts anew each time, since the place for their",
        "cache is the fork server's, where it may not write.",
        "",
        "## The longest time that the daemon's loop stood still during the job",
        "",
        f"With no job at all: {_shown(quiet)}.",
        "",
        *_table(ways, jobs, stalls),
        "",
        "## What the fork server itself costs, once",
        "",
        "| from the call until it is ready (10 starts) | ms |",
        "|---|---|",
        *(f"| {name} | {_shown(times)} |" for name, times in starts.items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _table(ways: list[str], jobs: list[str], times: Times) -> list[str]:
    rows = [f"| {way} | " + " | ".join(_shown(times[way, job]) for job in jobs) + " |" for way in ways]
    return ["| | " + " | ".join(f"`{job}`" for job in jobs) + " |", "|---" * (len(jobs) + 1) + "|", *rows]


def _shown(times: list[float]) -> str:
    high = statistics.quantiles(times, n=20, method="inclusive")[-1]
    return f"{statistics.median(times) * 1000:.1f} / {high * 1000:.1f}"


if __name__ == "__main__":
    daemon.run(main)
