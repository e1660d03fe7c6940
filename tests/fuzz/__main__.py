"""``python -m tests.fuzz TARGET [COUNT] [--first NUMBER] [--seconds S] [--keep DIR]``: many inputs through one reader.

Ends with status 1 if any input did anything but end in a word; ``--keep`` writes those inputs down.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from fax_bridge.documents.worker import Documents
from tests.fuzz.targets import LIMITS, TARGETS

MOST_SECONDS = 30.0
"""For one input; a worker has 20 of them, and this machine may be busy."""


async def fuzz(
    target: str, first: int, count: int, *, seconds: float = float("inf"), keep: Path | None = None
) -> tuple[Counter[str], list[str]]:
    """Inputs ``first`` and on, until ``count`` are done or the time is over: how they ended, and what was wrong."""
    ends, findings = Counter[str](), list[str]()
    stop = time.monotonic() + seconds
    async with Documents(limits=LIMITS) as documents:
        reader = TARGETS[target](documents)
        for number in range(first, first + count):
            if time.monotonic() > stop:
                break
            content, began = reader.make(number), time.monotonic()
            try:
                ends[await reader.run(content)] += 1
                wrong = ""
            except Exception:  # noqa: BLE001 — whatever it is, it is what this looks for
                wrong = traceback.format_exc(limit=-4)
            if (took := time.monotonic() - began) > MOST_SECONDS:
                wrong += f"took {took:.1f} s"
            if wrong:
                findings.append(f"{target} {number}: {wrong}")
                if keep:
                    (keep / f"{target}-{number}").write_bytes(content)
    return ends, findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("count", type=int, nargs="?", default=20_000, help="inputs to try")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no new input after that")
    parser.add_argument("--keep", type=Path, help="a directory for the inputs that were findings")
    told = parser.parse_args()
    if told.keep:
        told.keep.mkdir(parents=True, exist_ok=True)
    before = time.monotonic()
    ends, findings = asyncio.run(fuzz(told.target, told.first, told.count, seconds=told.seconds, keep=told.keep))
    shown = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    spent = time.monotonic() - before
    print(f"{told.target}: {ends.total() + len(findings)} inputs in {spent:.0f} s: {shown}; {len(findings)} findings")
    print(*findings, sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
