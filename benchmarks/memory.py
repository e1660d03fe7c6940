"""The largest resident set while 100 sessions send 20 MB each: the bridge beside aiosmtpd."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.databases import Databases, databases
from benchmarks.machine import described
from benchmarks.processes import peak_memory
from benchmarks.rounds import arguments, chosen, command, play, ratio, run, spread, table, workplace
from benchmarks.smtp_load import Burst, Mail, write_mail
from benchmarks.targets import AIOSMTPD, BRIDGES, target

SESSIONS = 100
SIZE = 20 * 1024 * 1024
MEBIBYTE = 1024 * 1024
AFTERWARDS = 15.0
"""Seconds for which the process is watched after the last 250."""


@dataclass(frozen=True, slots=True)
class Outcome:
    before: float
    """Mebibytes that the idle process had taken at its highest."""
    peak: float
    """Mebibytes, of the process that takes the mail alone: not of the document workers, nor of PostgreSQL."""
    later: float
    """The same some seconds after the last 250: a mail that is converted is parsed whole."""
    seconds: float

    def __str__(self) -> str:
        sizes = f"{self.before:.0f} MiB idle, {self.peak:.0f} at the most, {self.later:.0f} later"
        return f"{sizes}, {self.seconds:.0f} s"


def measure(name: str, *, mail: Mail, directory: Path, made: Databases) -> Outcome:
    with target(name, directory, made) as one:
        before = peak_memory(one.pid)
        burst = Burst(mail, SESSIONS, SESSIONS, reused=False)
        took = burst.send_at_once(one.port)
        peak = peak_memory(one.pid)
        one.kept([burst], 0)
        time.sleep(AFTERWARDS)
        later = peak_memory(one.pid)
    return Outcome(before / MEBIBYTE, peak / MEBIBYTE, later / MEBIBYTE, took)


def report(results: Mapping[str, Sequence[Outcome]]) -> str:
    peers = results.get(AIOSMTPD)
    rows = []
    for name, outcomes in results.items():
        peaks = [outcome.peak for outcome in outcomes]
        beside = f"{ratio(peaks, [peer.peak for peer in peers]):.3f}" if peers and name != AIOSMTPD else "–"
        others = ([getattr(outcome, what) for outcome in outcomes] for what in ("later", "before", "seconds"))
        rows.append([name, spread(peaks), beside, *map(spread, others)])
    later = f"{AFTERWARDS:.0f} s later, MiB"
    return table(("target", "VmHWM, MiB", "× aiosmtpd", later, "before the mail, MiB", "seconds for 2 GB"), rows)


def main() -> None:
    told = arguments("memory", __doc__, turns=3).parse_args()
    names = chosen((*BRIDGES, AIOSMTPD), told.only)
    with workplace(told.directory) as directory, databases(directory) as made:
        head = described(command(), directory, made.version)
        mail = write_mail(directory, "large", SIZE)
        results = play(names, told.turns, partial(measure, mail=mail, directory=directory, made=made))
    print(f"{head}\n- medians of {told.turns} rounds (least–most)\n")
    print(report(results))


if __name__ == "__main__":
    run(main)
