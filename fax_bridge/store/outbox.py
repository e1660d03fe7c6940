"""Mail that leaves, as rows: each is told once, because its id is made from what it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import Instant, OutboxState, now
from fax_bridge.store.lease import Lease, Queue, finish
from fax_bridge.store.schema import outbox
from fax_bridge.store.store import Tx

MAIL = Queue("mail", outbox, outbox.c.state == OutboxState.WAITING)


@dataclass(frozen=True, slots=True)
class NewMail:
    id: str
    kind: str
    about: str
    """The id of the message, received fax, push … that it tells of."""
    mail_from: str
    recipients: tuple[str, ...]
    content: bytes
    give_up_at: Instant
    awaits_bounces: bool = False
    """Whether ``mail_from`` is an address of ours that takes what comes back."""


FALLBACK_INDEX = 32_767
"""Of the mail that brings a fax to the fallback mailbox, where its routes' mails count from 0. Twice that and one, the
largest index of a link, is what a token has room for."""


def id_of_fax_mail(received_id: str, index: int) -> str:
    """Stable, so that the same fax is the same mail however often it is made."""
    if index == FALLBACK_INDEX:
        return f"fallback-{received_id}"
    return f"received-{received_id}-{index}" if index else f"received-{received_id}"


async def put(tx: Tx, mail: NewMail) -> None:
    """Queue the mail, unless it is queued or sent already."""
    if (await tx.conn.execute(select(outbox.c.id).where(outbox.c.id == mail.id))).first():
        return
    await tx.conn.execute(
        insert(outbox).values(
            id=mail.id,
            kind=mail.kind,
            about=mail.about,
            created_at=now(),
            give_up_at=mail.give_up_at,
            mail_from=mail.mail_from,
            recipients=list(mail.recipients),
            addressed=list(mail.recipients) if mail.awaits_bounces else None,
            refused={},
            content=mail.content,
            state=OutboxState.WAITING,
            due_at=now(),
        )
    )
    tx.wake(MAIL.name)


async def is_known(conn: AsyncConnection, outbox_id: str) -> bool:
    """Whether that mail was ever queued."""
    return (await conn.execute(select(outbox.c.id).where(outbox.c.id == outbox_id))).first() is not None


async def told_since(tx: Tx, *, about: str, at: Instant) -> bool:
    """Whether an alert about that was queued at ``at`` or later."""
    told = select(outbox.c.id).where(outbox.c.about == about, outbox.c.kind == "alert", outbox.c.created_at >= at)
    return (await tx.conn.execute(told.limit(1))).first() is not None


async def content(conn: AsyncConnection, outbox_id: str) -> bytes:
    found: bytes = (await conn.execute(select(outbox.c.content).where(outbox.c.id == outbox_id))).scalar_one()
    return found


async def tried(
    tx: Tx, *, lease: Lease, waiting: Sequence[str], refused: Mapping[str, str], delivered: bool,
    due_at: Instant | None, last_error: str,
) -> OutboxState:  # fmt: skip
    """What a try brought: ``waiting`` are the recipients that are tried again at ``due_at``, ``delivered`` whether
    this or an earlier try reached any.

    Sent means that the relay took it for one recipient at least and refused or took it for all others.
    """
    if waiting and due_at is not None:
        state = OutboxState.WAITING
    else:
        state = OutboxState.SENT if delivered else OutboxState.FAILED
    values: dict[str, Any] = {
        "state": state,
        "refused": dict(refused),
        "last_error": last_error,
        "delivered": int(delivered),
    }
    if state == OutboxState.WAITING:
        values["recipients"] = list(waiting)
    await finish(tx, lease, due_at=due_at if state == OutboxState.WAITING else None, **values)
    return state
