"""What is kept how long after its end: content shortly, the history longer. Purged in small steps.

Each step is a write of its own of at most :data:`STEP` rows, so that the intake never waits long behind it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import ColumnElement, Table, delete, or_, select, tuple_, update

from fax_bridge.fax import (
    DeliveryKind,
    DeliveryState,
    Instant,
    MessageState,
    OutboxState,
    PushState,
    ReceivedState,
    now,
)
from fax_bridge.store import audit, quota
from fax_bridge.store.schema import (
    bounce,
    delivery,
    document,
    fax,
    fax_event,
    message,
    message_piece,
    notice,
    outbox,
    push,
    received,
    status,
)
from fax_bridge.store.store import Store, Tx

STEP = 50
PAUSE = 0.05
"""Seconds between steps: nine tenths of the time belong to the work."""

log = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class Kept:
    """Milliseconds after the end."""

    content: int
    metadata: int


async def purge(store: Store, kept: Kept) -> int:
    """Purge what is past its time; how many rows lost their content or were dropped."""
    total = 0
    for step in _steps(kept):
        while (done := await store.write(step)) > 0:
            total += done
            await asyncio.sleep(PAUSE)
            if done < STEP:
                break
    await store.write(quota.purge)
    if total:
        await store.write(_shrink)
        log.info("purged", rows=total)
    return total


def _steps(kept: Kept) -> list[Callable[[Tx], Awaitable[int]]]:
    content, metadata = now() - kept.content, now() - kept.metadata
    told = message.c.state.in_([MessageState.REPORTED, MessageState.CORRECTED])
    sent = outbox.c.state != OutboxState.WAITING
    delivered = received.c.state.in_([ReceivedState.MAILED, ReceivedState.FAILED])
    return [
        partial(_drop_of_messages, until=content, where=told, tables=(message_piece, document)),
        partial(_empty, table=outbox, column="content", where=_past(sent, outbox.c.created_at, content)),
        # A fax that no mailbox took is kept as long as its history: it exists nowhere else.
        partial(
            _empty, table=received, column="tiff",
            where=_past(received.c.state == ReceivedState.MAILED, received.c.received_at, content),
        ),
        partial(
            _empty, table=push, column="body",
            where=_past(push.c.state == PushState.DONE, push.c.received_at, content),
        ),
        partial(
            _empty, table=delivery, column="content",
            where=_past(_gone_out, delivery.c.created_at, content) | _past(_link, delivery.c.give_up_at, now()),
        ),
        partial(_forget_messages, until=metadata, where=told),
        partial(_forget, table=outbox, where=_past(sent, outbox.c.created_at, metadata)),
        partial(_forget, table=delivery, where=_past(_gone_out | _link, delivery.c.give_up_at, metadata)),
        partial(_forget_bounces, until=metadata),
        partial(_forget, table=received, where=_past(delivered, received.c.received_at, metadata)),
        partial(_forget, table=push, where=_past(push.c.state != PushState.STORED, push.c.received_at, metadata)),
        audit.purge,
    ]  # fmt: skip


_link = delivery.c.kind == DeliveryKind.LINK
_gone_out = (delivery.c.state != DeliveryState.WAITING) & ~_link


def _past(where: ColumnElement[bool], since: ColumnElement[int], until: Instant) -> ColumnElement[bool]:
    return where & (since < until)


async def _drop_of_messages(tx: Tx, *, until: Instant, where: ColumnElement[bool], tables: tuple[Table, ...]) -> int:
    has = or_(message.c.spooled == 1, *(message.c.id.in_(select(table.c.message_id)) for table in tables))
    old = select(message.c.id).where(where, message.c.ended_at < until, has).limit(STEP)
    ids = list((await tx.conn.execute(old)).scalars())
    for table in tables:
        await tx.conn.execute(delete(table).where(table.c.message_id.in_(ids)))
    # Its file is swept away after this is committed (intake.purge_incomplete), never before.
    await tx.conn.execute(update(message).where(message.c.id.in_(ids), message.c.spooled == 1).values(spooled=0))
    return len(ids)


async def _empty(tx: Tx, *, table: Table, column: str, where: ColumnElement[bool]) -> int:
    """Take the content out and leave the row."""
    there = table.c[column].is_not(None) & (table.c[column] != b"")
    ids = list((await tx.conn.execute(select(table.c.id).where(where, there).limit(STEP))).scalars())
    await tx.conn.execute(update(table).where(table.c.id.in_(ids)).values({column: b""}))
    return len(ids)


async def _forget_messages(tx: Tx, *, until: Instant, where: ColumnElement[bool]) -> int:
    ids = list(
        (await tx.conn.execute(select(message.c.id).where(where, message.c.ended_at < until).limit(STEP))).scalars()
    )
    of_these = select(fax.c.id).where(fax.c.message_id.in_(ids))
    await tx.conn.execute(delete(fax_event).where(fax_event.c.fax_id.in_(of_these)))
    await tx.conn.execute(delete(fax).where(fax.c.message_id.in_(ids)))
    for table in (message_piece, document, notice):
        await tx.conn.execute(delete(table).where(table.c.message_id.in_(ids)))
    await tx.conn.execute(delete(message).where(message.c.id.in_(ids)))
    return len(ids)


async def _forget(tx: Tx, *, table: Table, where: ColumnElement[bool]) -> int:
    ids = list((await tx.conn.execute(select(table.c.id).where(where).limit(STEP))).scalars())
    if table is push:
        await tx.conn.execute(delete(status).where(status.c.push_id.in_(ids)))
    await tx.conn.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)


async def _forget_bounces(tx: Tx, *, until: Instant) -> int:
    """Its key has two columns."""
    keys = tuple_(bounce.c.outbox_id, bounce.c.recipient)
    old = (
        await tx.conn.execute(select(bounce.c.outbox_id, bounce.c.recipient).where(bounce.c.at < until).limit(STEP))
    ).all()
    await tx.conn.execute(delete(bounce).where(keys.in_([tuple(row) for row in old])))
    return len(old)


async def _shrink(tx: Tx) -> None:
    """Give some free pages of a SQLite file back to the disk; the rest are used again."""
    if tx.conn.dialect.name == "sqlite":
        await tx.conn.exec_driver_sql("PRAGMA incremental_vacuum(2000)")
