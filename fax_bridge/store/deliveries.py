"""Received faxes that go into a directory or to a webhook, or wait behind a link, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import DeliveryKind, DeliveryState, Instant, now
from fax_bridge.store.lease import Lease, Queue, finish
from fax_bridge.store.schema import delivery
from fax_bridge.store.store import Tx

DELIVER = Queue("deliver", delivery, delivery.c.state == DeliveryState.WAITING, lanes="kind")
"""A lane for each kind: a program that does not answer holds up no directory."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """``target`` is a directory or a URL, empty for a link; ``give_up_at`` of a link is its end."""

    id: str
    kind: DeliveryKind
    about: str
    target: str
    name: str
    content_type: str
    content: bytes
    give_up_at: Instant


async def put(tx: Tx, new: NewDelivery) -> None:
    """Queue it, unless it is queued or delivered already."""
    if (await tx.conn.execute(select(delivery.c.id).where(delivery.c.id == new.id))).first():
        return
    waits = new.kind != DeliveryKind.LINK
    await tx.conn.execute(
        insert(delivery).values(
            id=new.id,
            kind=new.kind,
            about=new.about,
            created_at=now(),
            give_up_at=new.give_up_at,
            target=new.target,
            name=new.name,
            content_type=new.content_type,
            content=new.content,
            state=DeliveryState.WAITING if waits else DeliveryState.DELIVERED,
            due_at=now() if waits else None,
        )
    )
    tx.wake(DELIVER.name)


async def content(conn: AsyncConnection, delivery_id: str) -> bytes:
    found: bytes = (await conn.execute(select(delivery.c.content).where(delivery.c.id == delivery_id))).scalar_one()
    return found


async def linked(conn: AsyncConnection, delivery_id: str) -> Row[Any] | None:
    """The file behind a link, while there is one."""
    where = (delivery.c.id == delivery_id, delivery.c.kind == DeliveryKind.LINK, delivery.c.content != b"")
    return (await conn.execute(select(delivery).where(*where))).first()


async def states_of(conn: AsyncConnection, received_id: str) -> Sequence[str]:
    where = (delivery.c.about == received_id, delivery.c.kind != DeliveryKind.LINK)
    return (await conn.execute(select(delivery.c.state).where(*where))).scalars().all()


async def tried(tx: Tx, *, lease: Lease, state: DeliveryState, due_at: Instant | None, last_error: str) -> None:
    """What a try brought; ``due_at`` is of the next one, ``None`` where there is none."""
    await finish(tx, lease, due_at=due_at, state=state, last_error=last_error)
