"""``explain`` over whatever lies in directories: mails and documents of other people's, which it has never seen.

    python -m tests.foreign DIRECTORY… [--draw] [--most SECONDS]

Nothing but a document or a refusal may come out, and within the time; the rest is listed, and ends with status 1.
"""

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fax_bridge.documents.worker import Documents
from fax_bridge.errors import Temporary
from fax_bridge.explain import explain_with

LARGEST = 50 << 20
"""Bytes: what ``smtp.max_message_bytes`` lets in."""


def files_in(directories: list[Path]) -> Iterator[Path]:
    for directory in directories:
        yield from sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())


async def explained(directories: list[Path], *, draw: bool, most: float) -> int:
    """How many files crashed it or took too long."""
    outcomes: Counter[str] = Counter()
    slowest: list[tuple[float, str, str]] = []
    faults: list[str] = []
    begun = time.monotonic()
    async with Documents() as documents:
        for path in files_in(directories):
            if path.stat().st_size > LARGEST:
                outcomes["larger than a mail may be"] += 1
                continue
            started = time.monotonic()
            try:
                told = await explain_with(documents, path.read_bytes(), [], draw=draw, name=path.name)
                outcome = "faxed" if told.facts["faxed"] else told.facts["refused"]["reason"]
            except Temporary as fault:
                outcome = "a fault of the machine"
                faults.append(f"{path}: {fault}")
            except Exception:  # noqa: BLE001 — whatever it is, it is what this looks for
                outcome = "CRASHED"
                faults.append(f"{path}\n{traceback.format_exc(limit=-6)}")
            took = time.monotonic() - started
            outcomes[outcome] += 1
            slowest = sorted([*slowest, (took, outcome, str(path))], reverse=True)[:10]
            if took > most:
                faults.append(f"{path}: took {took:.1f} s ({outcome})")
    print(f"{outcomes.total()} files in {time.monotonic() - begun:.0f} s")
    for outcome, count in outcomes.most_common():
        print(f"{count:6} {outcome}")
    print("slowest:", *(f"{took:6.1f} s {outcome:20} {path}" for took, outcome, path in slowest), sep="\n")
    print(*faults, sep="\n")
    return len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="+")
    parser.add_argument("--draw", action="store_true", help="draw every page too, as explain --png does")
    parser.add_argument("--most", type=float, default=120.0, metavar="SECONDS", help="for one file")
    told = parser.parse_args()
    return 1 if asyncio.run(explained(told.directory, draw=told.draw, most=told.most)) else 0


if __name__ == "__main__":
    sys.exit(main())
