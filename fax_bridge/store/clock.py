"""The machine's clock is set: what waits for a moment waits on for as long as it would have.

Each ``due_at`` is a moment by the wall clock, because it has to outlive the process. If that clock is set back by an
hour, whatever was due at once would be due in an hour, and nobody would touch it until then; if it is set forward,
leases of rows in hand would seem to have run out. So the clock is compared with one that nobody can set, and the rows
are moved with it. What is promised by a date (``give_up_at``) stays.
"""

import asyncio
import time
from functools import partial

import structlog
from sqlalchemy import update

from fax_bridge.fax import now
from fax_bridge.store.lease import owned_here
from fax_bridge.store.schema import LEASED, account, fax
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import LEASE_MS

LOOK_EVERY = 0.25
"""Seconds between looks; workers look for work once a second at least, and should find the rows moved."""

SMALLEST_STEP = 2000
"""Milliseconds; below it everything is late by less than anybody notices."""

REPEATED_WITHIN = 3_600_000
"""Milliseconds for which a mail may be repeated by its client; longer than ``smtp.repeat_window`` should be."""

_UNSETTABLE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It counts on while the machine sleeps: to have slept is no step."""

log = structlog.get_logger("clock")


class Clock:
    """Tells by how much the wall clock was set."""

    def __init__(self) -> None:
        self._offset = self._look()

    def step(self) -> int:
        """Milliseconds by which it was set forward since the last step, negative for back; 0 where it runs true."""
        step = self._look() - self._offset
        if abs(step) < SMALLEST_STEP:
            return 0
        self._offset += step
        return step

    def _look(self) -> int:
        return now() - time.clock_gettime_ns(_UNSETTABLE) // 1_000_000


async def watch(store: Store) -> None:
    """Move the rows whenever the clock is set, for ever."""
    clock = Clock()
    owed = 0
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if step := clock.step():
            log.warning("the clock was set", seconds=step / 1000)
        owed += step
        if not owed:
            continue
        try:
            await store.write(partial(shift, by=owed))
            owed = 0
        except Exception:  # this task's edge: a database out of reach is waited out
            log.exception("rows not moved with the clock")


async def shift(tx: Tx, *, by: int) -> None:
    """Move what waits by so many milliseconds.

    Other nodes have clocks of their own: a row in another one's hand keeps its lease, but for no longer than a lease
    is from now. Set forward, only what is in our hand moves: the rest is due earlier, which harms nothing.
    """
    for table in LEASED:
        due, ours = table.c.due_at, owned_here(table.c.owner)
        moved = ours if by > 0 else ours | table.c.owner.is_(None)
        await tx.conn.execute(update(table).where(due.is_not(None), moved).values(due_at=due + by))
        theirs = table.c.owner.is_not(None) & ~ours
        await tx.conn.execute(update(table).where(theirs, due > now() + LEASE_MS).values(due_at=now() + LEASE_MS))
    if by > 0:
        # Or a client whose 250 was lost just before would not be known when it comes again.
        recent = fax.c.accepted_at.between(now() - by - REPEATED_WITHIN, now() - by)
        await tx.conn.execute(update(fax).where(recent).values(accepted_at=fax.c.accepted_at + by))
    if by < 0:
        # A wish for an hour of the day is one of the clock on the wall.
        await tx.conn.execute(update(fax).where(fax.c.due_at < fax.c.send_at).values(due_at=fax.c.send_at))
        await tx.conn.execute(update(account).where(account.c.next_at > now()).values(next_at=account.c.next_at + by))
