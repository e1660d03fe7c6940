"""Leases: how a row of work is taken, kept, and given back.

There is no "running" state. A claim moves ``due_at`` into the future by the length of the lease; a worker that
dies simply lets it run out, and the row is due again. Every write of a worker names its owner and claim
number (*fencing*), so that one that was paused past its lease changes nothing.
"""

import os
import platform
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from fax_bridge.errors import BridgeError
from fax_bridge.fax import Instant, now
from fax_bridge.store.tx import Tx


def owner_name() -> str:
    """A name no other worker or node has, and from which a person sees where it ran."""
    return f"{_process_name()}{str(ULID())[-8:]}"


def owned_here(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the row is in the hand of this process."""
    return owner.startswith(_process_name(), autoescape=True)


def _process_name() -> str:
    return f"{platform.node()[:12]}-{os.getpid()}-"


def moment_of(ulid: str) -> Instant:
    """When an id was made; 0 for what is none, which is older than anything."""
    try:
        return int(ULID.from_str(ulid).timestamp * 1000)
    except ValueError:
        return 0


class LeaseLost(BridgeError):
    """Another worker has the row, or it changed its state; what was about to be written must not be."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows of one table that want the same thing done. ``lanes`` names the column that is served fairly."""

    name: str
    table: Table
    where: ColumnElement[bool]
    lanes: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    table: Table
    id: str
    owner: str
    claims: int

    def holds(self) -> ColumnElement[bool]:
        c = self.table.c
        return and_(c.id == self.id, c.owner == self.owner, c.claims == self.claims)


async def next_due(conn: AsyncConnection, queue: Queue, lane: str | None = None) -> Instant | None:
    """When the earliest row of the queue, or of one lane, wants a worker; ``None`` when nothing waits."""
    rows = select(func.min(queue.table.c.due_at)).where(queue.where)
    if lane is not None and queue.lanes:
        rows = rows.where(queue.table.c[queue.lanes] == lane)
    due: Instant | None = (await conn.execute(rows)).scalar()
    return due


async def claim(
    tx: Tx, queue: Queue, *, owner: str, lease_ms: int, limit: int, lane: str | None = None
) -> list[tuple[Lease, Row[Any]]]:
    """Take up to ``limit`` due rows, the longest due first."""
    table = queue.table
    chosen = select(table.c.id).where(queue.where, table.c.due_at <= now())
    if lane is not None and queue.lanes:
        chosen = chosen.where(table.c[queue.lanes] == lane)
    # Materialised, or PostgreSQL may run the select again for each row and take more than the limit.
    rows = chosen.order_by(table.c.due_at).limit(limit).with_for_update(skip_locked=True)
    picked = rows.cte("picked").prefix_with("MATERIALIZED", dialect="postgresql")
    taken = (
        update(table)
        .where(table.c.id.in_(select(picked.c.id)))
        .values(owner=owner, due_at=now() + lease_ms, claims=table.c.claims + 1)
        .returning(*_light_columns(table))
    )
    got = (await tx.conn.execute(taken)).all()
    return [(Lease(table, row.id, owner, row.claims), row) for row in got]


async def extend(tx: Tx, lease: Lease, lease_ms: int) -> bool:
    """Keep a lease while the work goes on; false when it is lost."""
    kept = await tx.conn.execute(update(lease.table).where(lease.holds()).values(due_at=now() + lease_ms))
    return kept.rowcount == 1


async def finish(tx: Tx, lease: Lease, *, due_at: Instant | None, **values: Any) -> None:
    """Write what came of the work and give the row back. Raises :class:`LeaseLost`, which undoes the write."""
    done = await tx.conn.execute(update(lease.table).where(lease.holds()).values(owner=None, due_at=due_at, **values))
    if done.rowcount != 1:
        raise LeaseLost(f"{lease.table.name} {lease.id}")


async def free_all(tx: Tx, tables: Sequence[Table]) -> None:
    """At the start of the only daemon of a database every lease is a dead one's: its work is due now."""
    for table in tables:
        await tx.conn.execute(update(table).where(table.c.owner.is_not(None)).values(owner=None, due_at=now()))


def backoff(tries: int, first: float, longest: float) -> int:
    """Milliseconds until the next try: doubling, with jitter so that a thousand faxes do not come back at once."""
    delay = min(longest, first * 2.0 ** min(max(tries - 1, 0), 30))
    return int(delay * random.uniform(0.75, 1.25) * 1000)  # noqa: S311 — jitter, no secret


def _light_columns(table: Table) -> list[ColumnElement[Any]]:
    """All columns but the large ones, which a worker reads when it needs them."""
    return [column for column in table.c if column.name not in {"content", "body", "tiff"}]
