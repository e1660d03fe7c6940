"""How much waits where, and since when: what metrics, health and alerts look at.

Each question is put so that a partial index answers it; a history of a million faxes costs a look nothing. Only held
faxes have none, and there are few of them to be found in a scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import Instant
from fax_bridge.store.operator import oldest_waiting
from fax_bridge.store.schema import account, fax, message, outbox, push, received

_BORN = {"messages": message.c.accepted_at, "pushes": push.c.received_at, "received": received.c.received_at,
         "outbox": outbox.c.created_at}  # fmt: skip
_FAX_WAITS = ("state = 'queued'", "state IN ('submitting', 'submitted', 'unknown')", "state = 'held'")
"""Spelled as the indexes are: a bound parameter would keep SQLite from taking them (partialindex.html §3)."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Rows of one queue in one state that still want something, and when the oldest of them came."""

    queue: str
    state: str
    rows: int
    oldest_at: Instant
    leased: int


@dataclass(frozen=True, slots=True)
class Depths:
    queues: tuple[Depth, ...]
    oldest_fax_at: Instant | None
    """Since when the fax waits that has waited longest to be handed over; its time to send counts."""
    last_push_at: Instant | None
    oldest_mail_at: Instant | None
    oldest_mail_error: str
    paused: tuple[tuple[str, str], ...]
    """Accounts, and why."""


async def depths(conn: AsyncConnection) -> Depths:
    queues: list[Depth] = []
    for name, born in _BORN.items():
        table = born.table
        queues += await _depths(conn, name, table, born.name, "due_at IS NOT NULL")
    for waits in _FAX_WAITS:
        queues += await _depths(conn, "faxes", fax, "accepted_at", waits)
    mail = (
        await conn.execute(
            select(outbox.c.created_at, outbox.c.last_error)
            .where(text("due_at IS NOT NULL"))
            .order_by(outbox.c.created_at)
            .limit(1)
        )
    ).first()
    paused = select(account.c.name, account.c.reason).where(account.c.state == "paused").order_by(account.c.name)
    return Depths(
        queues=tuple(queues),
        oldest_fax_at=await oldest_waiting(conn),
        last_push_at=await _last_push(conn),
        oldest_mail_at=mail.created_at if mail else None,
        oldest_mail_error=mail.last_error if mail else "",
        paused=tuple((row.name, row.reason) for row in (await conn.execute(paused)).all()),
    )


async def _depths(conn: AsyncConnection, name: str, table: Table, born: str, waits: str) -> Sequence[Depth]:
    by_state = (
        select(
            table.c.state,
            func.count().label("number"),
            func.min(table.c[born]).label("oldest"),
            func.count(table.c.owner).label("leased"),
        )
        .where(text(waits))
        .group_by(table.c.state)
        .order_by(table.c.state)
    )
    return [Depth(name, row.state, row.number, row.oldest, row.leased) for row in (await conn.execute(by_state)).all()]


async def _last_push(conn: AsyncConnection) -> Instant | None:
    """Ids begin with the time, so that the last one is the primary key's end."""
    last: Instant | None = (await conn.execute(select(push.c.received_at).order_by(push.c.id.desc()).limit(1))).scalar()
    return last
