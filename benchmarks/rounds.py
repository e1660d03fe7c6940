"""Rounds: everything that is compared takes its turn in each, in random order, so that the machine's moods meet all."""

import argparse
import os
import random
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.machine import filesystem
from benchmarks.processes import Failed

T = TypeVar("T")
K = TypeVar("K")


def arguments(name: str, doc: str | None, *, turns: int = 5, called: str = "rounds") -> argparse.ArgumentParser:
    """What every benchmark can be told; how often each case takes its turn is ``turns`` of what is parsed."""
    parser = argparse.ArgumentParser(prog=f"scripts/benchmarks {name}", description=doc)
    parser.add_argument(f"--{called}", dest="turns", type=int, default=turns, help="[default: %(default)s]")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp"), help="where the data goes: on a disk")  # noqa: S108 — a new one is made in it
    parser.add_argument("--only", action="append", default=[], help="targets whose names hold this; may be repeated")
    return parser


def chosen(names: Iterable[str], only: Sequence[str]) -> list[str]:
    """The names that hold one of the words; all where there is none. Raises :class:`Failed` where none is left."""
    names = list(names)
    left = [name for name in names if not only or any(word.lower() in name.lower() for word in only)]
    if not left:
        raise Failed(f"nothing is called so. There is: {', '.join(names)}")
    return left


def play(cases: Sequence[K], rounds: int, measure: Callable[[K], T]) -> dict[K, list[T]]:
    """Each case once in each round, the order new each time; the results by case, in the order of the rounds."""
    results: dict[K, list[T]] = {case: [] for case in cases}
    for turn in range(1, rounds + 1):
        for case in random.sample(list(cases), len(cases)):
            os.sync()  # what the one before left to be written is not the next one's to pay
            began = time.monotonic()
            result = measure(case)
            results[case].append(result)
            say(f"round {turn}/{rounds}, {case}: {result} ({time.monotonic() - began:.0f} s in all)")
    return results


def ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(one / other for one, other in zip(ours, peers, strict=True))


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which the part ``q`` of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """``median (least–most)``."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown, the first column of words and the others of numbers."""
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


@contextmanager
def workplace(parent: Path) -> Iterator[Path]:
    """A directory for the run, on a disk, gone afterwards. Raises :class:`Failed` where it would be in memory."""
    filesystem(parent)
    with tempfile.TemporaryDirectory(prefix="fax-bridge-bench-", dir=parent) as made:
        Path(made).chmod(0o711)  # servers that run as another user have to pass through
        yield Path(made)


def command() -> str:
    """What was typed, as it is to be typed again."""
    name = Path(sys.argv[0]).stem
    return shlex.join(["scripts/benchmarks", name, *sys.argv[1:]])


def say(text: str) -> None:
    """How it goes; the tables alone go to the standard output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def run(main: Callable[[], None]) -> None:
    try:
        main()
    except Failed as fault:
        say(f"benchmark failed: {fault}")
        raise SystemExit(1) from None
