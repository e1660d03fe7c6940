"""Pushes and received faxes as rows: the journal of what FaxMAX told, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import DeliveryState, OutboxState, PushedFax, PushState, ReceivedState, now
from fax_bridge.store import deliveries, outbox
from fax_bridge.store.lease import Lease, Queue, finish
from fax_bridge.store.schema import outbox as mails_table
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


async def converted(
    tx: Tx,
    *,
    lease: Lease,
    pages: int,
    problem: str,
    mails: Sequence[outbox.NewMail],
    others: Sequence[deliveries.NewDelivery] = (),
) -> None:
    """All that brings it to people is queued, in one commit."""
    await finish(tx, lease, due_at=None, state=ReceivedState.CONVERTED, pages=pages, problem=problem)
    for mail in mails:
        await outbox.put(tx, mail)
    for other in others:
        await deliveries.put(tx, other)


FAX_MAILS = ("received", "fallback")
"""The kinds of mail that bring a fax."""


async def to_fallback(tx: Tx, received_id: str, reason: str) -> bool:
    """It goes to the fallback mailbox too, once; whether it will or does. ``False``: its content is purged.

    The worker that converts makes that mail anew, with the whole fax: the one that failed may have been a mere notice.
    """
    row = (
        await tx.conn.execute(
            select(received.c.state, received.c.fallback_reason, func.length(received.c.tiff).label("size"))
            .where(received.c.id == received_id)
            .with_for_update()
        )
    ).first()
    if row is None:
        return False
    if row.fallback_reason:
        return True
    if not row.size or row.state not in (ReceivedState.CONVERTED, ReceivedState.MAILED, ReceivedState.FAILED):
        return False
    await tx.conn.execute(
        update(received)
        .where(received.c.id == received_id)
        .values(state=ReceivedState.RECEIVED, fallback_reason=reason, due_at=now())
    )
    tx.wake(CONVERT.name)
    return True


async def settle(tx: Tx, received_id: str) -> None:
    """One of its mails or deliveries ended: once all have, so has the fax.

    The row is locked first, or two that end at the same moment would each see the other one open.
    """
    state = (
        await tx.conn.execute(select(received.c.state).where(received.c.id == received_id).with_for_update())
    ).scalar()
    if state != ReceivedState.CONVERTED:
        return
    mails = (
        await tx.conn.execute(
            select(mails_table.c.kind, mails_table.c.state).where(
                mails_table.c.about == received_id, mails_table.c.kind.in_(FAX_MAILS)
            )
        )
    ).all()
    others = await deliveries.states_of(tx.conn, received_id)
    if any(mail.state == OutboxState.WAITING for mail in mails) or DeliveryState.WAITING in others:
        return
    failed = DeliveryState.FAILED in others or any(mail.state == OutboxState.FAILED for mail in mails)
    rescued = any(mail.kind == "fallback" and mail.state == OutboxState.SENT for mail in mails)
    await ended(tx, received_id, ReceivedState.FAILED if failed and not rescued else ReceivedState.MAILED)


async def ended(tx: Tx, received_id: str, state: ReceivedState) -> None:
    await tx.conn.execute(
        update(received)
        .where(received.c.id == received_id, received.c.state.in_([ReceivedState.CONVERTED, ReceivedState.MAILED]))
        .values(state=state)
    )


async def by_id(conn: AsyncConnection, received_id: str) -> Row[Any]:
    """All but the TIFF. Raises ``NoResultFound``."""
    light = [column for column in received.c if column.name != "tiff"]
    return (await conn.execute(select(*light).where(received.c.id == received_id))).one()


async def newest_received(conn: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    """Without their TIFFs, but with their ``size``."""
    light = [column for column in received.c if column.name != "tiff"]
    asked: Select[Any] = (
        select(*light, func.length(received.c.tiff).label("size")).order_by(received.c.id.desc()).limit(limit)
    )
    rows: Sequence[Row[Any]] = (await conn.execute(asked)).all()
    return rows


async def tiff_or_none(conn: AsyncConnection, received_id: str) -> bytes | None:
    """``None`` or empty where it never came, or is purged."""
    found: bytes | None = (await conn.execute(select(received.c.tiff).where(received.c.id == received_id))).scalar()
    return found
