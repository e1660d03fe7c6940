"""Mails per second, each on disk before its 250: the bridge beside Postfix, and beside aiosmtpd that keeps nothing."""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.databases import Databases, databases
from benchmarks.machine import described
from benchmarks.processes import cpu_seconds
from benchmarks.rounds import arguments, chosen, command, play, quantile, ratio, run, spread, table, workplace
from benchmarks.smtp_load import Burst, Mail, Probe, write_mail
from benchmarks.targets import AIOSMTPD, POSTFIX, TARGETS, target

MOST = 40_000
"""Mails of one burst, whatever the rate."""


@dataclass(frozen=True, slots=True)
class Cell:
    size: str
    sessions: int
    reused: bool
    warm_up: int
    """Mails before the measured ones: they start the processes, fill the caches, and tell the rate."""

    def __str__(self) -> str:
        return f"{self.size}, {self.sessions} {'reused' if self.reused else 'new'} sessions"


SIZES = {"10 KB": 10_240, "1 MB": 1_048_576}
CELLS = (
    Cell("10 KB", 100, True, 1000),
    Cell("10 KB", 100, False, 1000),
    Cell("1 MB", 16, True, 48),
    Cell("1 MB", 100, True, 200),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    rate: float
    """Mails per second."""
    cpu: float
    """Milliseconds of all the target's processes for each mail."""
    waits: tuple[float, ...]
    """The probe's, in milliseconds."""

    def __str__(self) -> str:
        return f"{self.rate:.0f} mails/s, {self.cpu:.2f} ms CPU each"


Results = Mapping[tuple[str, str], Sequence[Outcome]]


def measure(
    case: tuple[str, str], *, seconds: float, mails: Mapping[str, Mail], directory: Path, made: Databases
) -> Outcome:
    """One burst of about so many seconds at a new target, after a short one that warms it up."""
    cell = next(cell for cell in CELLS if str(cell) == case[0])
    with target(case[1], directory, made) as one:
        warm_up = Burst(mails["warm-up"], cell.warm_up, cell.sessions, cell.reused, suffix="765432")
        small = Burst(mails[cell.size], cell.warm_up, cell.sessions, cell.reused, suffix="876543")
        bursts = [warm_up, small]
        warm_up.send(one.port)
        rate = cell.warm_up / small.send(one.port)
        count = min(MOST, max(2 * cell.sessions, round(rate * seconds)))
        burst = Burst(mails[cell.size], count, cell.sessions, cell.reused)
        bursts.append(burst)
        probe = Probe(one.port, mails["probe"])
        cpu = cpu_seconds(one.pids)
        with probe.running():
            took = burst.send(one.port)
        cpu = cpu_seconds(one.pids) - cpu
        one.kept(bursts, len(probe.seconds))
    return Outcome(count / took, 1000 * cpu / count, tuple(1000 * wait for wait in probe.seconds))


def report(results: Results) -> str:
    rows = []
    for (cell, name), outcomes in results.items():
        rates = [outcome.rate for outcome in outcomes]
        waits = [wait for outcome in outcomes for wait in outcome.waits]
        rows.append(
            [
                f"{cell}: {name}",
                spread(rates),
                *(_beside(results, cell, name, peer, rates) for peer in (POSTFIX, AIOSMTPD)),
                f"{statistics.median(outcome.cpu for outcome in outcomes):.2f}",
                f"{quantile(waits, 0.5):.0f}" if waits else "–",
                f"{quantile(waits, 0.99):.0f}" if waits else "–",
            ]
        )
    head = ("mails: target", "mails/s", "× Postfix", "× aiosmtpd", "CPU ms/mail", "250 after ms, p50", "p99")
    return table(head, rows)


def _beside(results: Results, cell: str, name: str, peer: str, rates: Sequence[float]) -> str:
    peers = results.get((cell, peer))
    if peers is None or name == peer:
        return "–"
    return f"{ratio(rates, [outcome.rate for outcome in peers]):.2f}"


def main() -> None:
    parser = arguments("intake", __doc__)
    parser.add_argument("--cell", action="append", default=[], help="cells whose names hold this; may be repeated")
    parser.add_argument("--seconds", type=float, default=5.0, help="that one burst takes, about")
    told: argparse.Namespace = parser.parse_args()
    cells = chosen(map(str, CELLS), told.cell)
    names = chosen(TARGETS, told.only)
    with workplace(told.directory) as directory, databases(directory) as made:
        head = described(command(), directory, made.version)
        mails = {name: write_mail(directory, name.replace(" ", "-"), size) for name, size in SIZES.items()}
        mails |= {name: write_mail(directory, name, SIZES["10 KB"]) for name in ("warm-up", "probe")}
        cases = [(cell, name) for cell in cells for name in names]
        one = partial(measure, seconds=told.seconds, mails=mails, directory=directory, made=made)
        results = play(cases, told.turns, one)
    print(f"{head}\n- medians of {told.turns} rounds (least–most); a ratio is the median of those within each round\n")
    print(report(results))


if __name__ == "__main__":
    run(main)
