"""What takes the mail in: the bridge on either database, Postfix, and aiosmtpd that throws it away."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from benchmarks.bridge import bridge, parked
from benchmarks.databases import Database, Databases, Kind
from benchmarks.postfix import postfix
from benchmarks.processes import Failed, free_port, program, python, wait_for
from benchmarks.smtp_load import Burst
from fax_bridge.store.schema import message

POSTFIX = "Postfix"
AIOSMTPD = "aiosmtpd, mail thrown away"
BRIDGES: dict[str, tuple[Kind, bool]] = {
    "fax-bridge, SQLite": ("SQLite", True),
    "fax-bridge, PostgreSQL": ("PostgreSQL", True),
    "fax-bridge, SQLite, converting": ("SQLite", False),
    "fax-bridge, PostgreSQL, converting": ("PostgreSQL", False),
}
"""By name: the database, and whether what is accepted is left alone; else it is converted meanwhile, as in life."""
TARGETS = (*BRIDGES, POSTFIX, AIOSMTPD)


@dataclass(frozen=True, slots=True)
class Target:
    """One that runs."""

    port: int
    pid: int
    """The process that takes the mail, or the first of them."""
    pids: tuple[int, ...]
    """The first processes of all that work for it."""
    kept: Callable[[list[Burst], int], None]
    """Raises :class:`Failed` unless every mail of these bursts, and so many more, is where its 250 says it is."""


@contextlib.contextmanager
def target(name: str, parent: Path, databases: Databases) -> Iterator[Target]:
    """A new one, with nothing in it, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="target-", dir=parent) as made:
        directory = Path(made)
        if name == POSTFIX:
            with postfix(directory) as peer:
                yield Target(peer.port, peer.pid, (peer.pid,), lambda bursts, more: peer.finished(_sent(bursts, more)))
        elif name == AIOSMTPD:
            port, log = free_port(), directory / "aiosmtpd.log"
            with program(python("benchmarks.throwaway", str(port)), log) as pid:
                wait_for(port, pid, log)
                yield Target(port, pid, (pid,), lambda bursts, more: None)
        else:
            kind, idle = BRIDGES[name]
            module = parked("prepare") if idle else ("fax_bridge",)
            with databases.new(kind) as database, bridge(directory, database.url, module=module) as ours:
                pids = (ours.pid, *database.pids)
                yield Target(ours.smtp, ours.pid, pids, lambda bursts, more: _stored(database, bursts, more))


def _sent(bursts: list[Burst], more: int) -> int:
    return sum(burst.count for burst in bursts) + more


def _stored(database: Database, bursts: list[Burst], more: int) -> None:
    """As many messages as there are different numbers: two mails to the same one are one mail and its repeat."""
    expected = sum(burst.numbers for burst in bursts) + more
    found, size = database.ask(select(func.count(), func.coalesce(func.sum(message.c.size), 0)).select_from(message))
    if found != expected:
        raise Failed(f"{expected} mails got 250, {found} are in the database")
    least = sum(burst.numbers * burst.mail.size for burst in bursts)
    if size < least:
        raise Failed(f"{least} bytes were accepted, {size} are in the database")
