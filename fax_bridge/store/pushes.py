"""Pushes and received faxes as rows: the journal of what FaxMAX told, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import PushedFax, PushState, ReceivedState, now
from fax_bridge.store import outbox
from fax_bridge.store.lease import Lease, Queue, finish
from fax_bridge.store.schema import push, received
from fax_bridge.store.store import Tx

EVENTS = Queue("events", push, push.c.state == PushState.STORED)
ANNOUNCED = Queue("announced", received, received.c.state == ReceivedState.WAITING)
CONVERT = Queue("convert", received, received.c.state == ReceivedState.RECEIVED)


@dataclass(frozen=True, slots=True)
class NewPush:
    id: str
    client: str
    body: bytes
    """As it came."""


async def journal(tx: Tx, news: Sequence[NewPush]) -> Sequence[None]:
    """The raw bodies; once this is committed, FaxMAX gets its 200."""
    at = now()
    await tx.conn.execute(
        insert(push),
        [
            {
                "id": new.id, "received_at": at, "client": new.client, "body": new.body,
                "state": PushState.STORED, "due_at": at,
            }
            for new in news
        ],
    )  # fmt: skip
    tx.wake(EVENTS.name)
    return [None] * len(news)


async def body(conn: AsyncConnection, push_id: str) -> bytes:
    found: bytes = (await conn.execute(select(push.c.body).where(push.c.id == push_id))).scalar_one()
    return found


async def worked_through(tx: Tx, *, lease: Lease, faults: list[str], alert: outbox.NewMail | None) -> None:
    """Done, or kept in quarantine with what could not be understood."""
    state = PushState.QUARANTINED if faults else PushState.DONE
    await finish(tx, lease, due_at=None, state=state, note="; ".join(faults)[:2000])
    if alert:
        await outbox.put(tx, alert)


async def take_received(tx: Tx, pushed: PushedFax, *, received_id: str, push_id: str, patience: int) -> str | None:
    """Keep a received fax, once for each FaxMAX id; a later push with its content completes it.

    One without content is waited for ``patience`` milliseconds before somebody is told.

    Returns our id if this push brought the content, else ``None``.
    """
    known = (
        await tx.conn.execute(
            select(received.c.id, received.c.state)
            .where(received.c.provider_id == pushed.provider_id)
            .with_for_update()
        )
    ).first()
    at = now()
    arrived = pushed.tiff is not None
    content = {"tiff": pushed.tiff, "state": ReceivedState.RECEIVED, "due_at": at} if arrived else {}
    if known is None:
        await tx.conn.execute(
            insert(received).values(
                {
                    "id": received_id, "account": pushed.account, "provider_id": pushed.provider_id,
                    "push_id": push_id, "received_at": at, "caller": pushed.caller, "caller_raw": pushed.caller_raw,
                    "called": pushed.called, "called_raw": pushed.called_raw,
                    "remote_station": pushed.remote_station, "state": ReceivedState.WAITING,
                    "due_at": at + patience,
                }
                | content
            )
        )  # fmt: skip
    elif known.state == ReceivedState.WAITING and arrived:
        received_id = known.id
        await tx.conn.execute(update(received).where(received.c.id == received_id).values(**content))
    else:
        return None
    tx.wake(CONVERT.name)
    return received_id if arrived else None


async def content_missing(tx: Tx, *, lease: Lease, alert: outbox.NewMail) -> None:
    """Its content did not come in time: the operator is told once; if it comes later, the fax goes its way."""
    await finish(tx, lease, due_at=None)
    await outbox.put(tx, alert)


async def tiff(conn: AsyncConnection, received_id: str) -> bytes:
    found: bytes = (await conn.execute(select(received.c.tiff).where(received.c.id == received_id))).scalar_one()
    return found


async def converted(tx: Tx, *, lease: Lease, pages: int, problem: str, mail: outbox.NewMail) -> None:
    """The mail that brings it is in the outbox."""
    await finish(tx, lease, due_at=None, state=ReceivedState.CONVERTED, pages=pages, problem=problem)
    await outbox.put(tx, mail)


async def ended(tx: Tx, received_id: str, state: ReceivedState) -> None:
    await tx.conn.execute(
        update(received)
        .where(received.c.id == received_id, received.c.state == ReceivedState.CONVERTED)
        .values(state=state)
    )


async def by_id(conn: AsyncConnection, received_id: str) -> Row[Any]:
    light = [column for column in received.c if column.name != "tiff"]
    return (await conn.execute(select(*light).where(received.c.id == received_id))).one()
