"""What a person may do to the queue: try now, cancel, release, send again, work a push through again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, case, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import Permanent
from fax_bridge.fax import FAX_ENDS, FaxState, Instant, MessageState, PushState, now
from fax_bridge.quiet_hours import AT_ONCE, Schedule
from fax_bridge.store import faxes, pushes
from fax_bridge.store.schema import account, delivery, document, fax, fax_event, message, outbox, push, received, status
from fax_bridge.store.store import Tx


class NotPossible(Permanent):
    """What was asked for cannot be done to a fax or push in this state; the text says why."""


async def retry(tx: Tx, fax_id: str) -> None:
    """Wait neither for the next try, nor for its time to send, nor for quiet hours to end. Raises :class:`NotPossible`.

    The latter two hold it no more from now on, should this try fail.
    """
    row = await _fax(tx, fax_id)
    if row.state != FaxState.QUEUED:
        raise NotPossible(f"It is {row.state}, not queued. To fax it once more: fax-bridge faxes resend {row.id}")
    values: dict[str, Any] = {"send_at": AT_ONCE}
    if row.owner is None and row.due_at is not None:
        values["due_at"] = now()
    await tx.conn.execute(update(fax).where(fax.c.id == row.id).values(**values))
    note = "tried at once, an operator's wish"
    await tx.conn.execute(insert(fax_event).values(fax_id=row.id, at=now(), state=FaxState.QUEUED, note=note))
    tx.wake(faxes.SUBMIT.name)


async def cancel(tx: Tx, fax_id: str) -> None:
    """Take a fax back that was not handed over. Raises :class:`NotPossible`."""
    row = await _fax(tx, fax_id)
    if row.state not in (FaxState.QUEUED, FaxState.HELD):
        raise NotPossible(f"It is {row.state}: only a fax that was not handed to FaxMAX can be cancelled.")
    await faxes.cancelled(tx, row)


async def hold(tx: Tx, fax_id: str, *, until: Instant) -> None:
    """Let a fax that was not handed over wait for a person. Raises :class:`NotPossible`."""
    row = await _fax(tx, fax_id)
    if row.state != FaxState.QUEUED:
        raise NotPossible(f"It is {row.state}: only a fax that waits to be handed to FaxMAX can be held.")
    made = select(message.c.state).where(message.c.id == row.message_id)
    if (await tx.conn.execute(made)).scalar_one() == MessageState.ACCEPTED:
        raise NotPossible("Its document is being made. Try again in a moment.")
    await faxes.held(tx, row, until=until)


async def release(tx: Tx, fax_id: str, *, schedule: Schedule, give_up_at: Instant) -> None:
    """Let a held fax go; ``give_up_at`` is when it is given up then. Raises :class:`NotPossible`."""
    row = await _fax(tx, fax_id)
    if row.state != FaxState.HELD:
        raise NotPossible(f"It is {row.state}, not held.")
    if not (await tx.conn.execute(_document_of(row))).first():
        raise NotPossible("Its document is not made. If the daemon runs and that stays so, it was refused: cancel it.")
    await faxes.released(tx, row, schedule=schedule, give_up_at=give_up_at)


async def hold_all(tx: Tx, *, until: Instant) -> int:
    """Let every fax that waits to be handed over wait for a person instead, until then; how many they are.

    A worker that has one of them in hand finds its lease lost before it hands it over.
    """
    waiting = fax.c.state == FaxState.QUEUED
    note = "held: restored from a backup, it may have gone out since"
    events = select(fax.c.id, literal(now()), literal(FaxState.HELD.value), literal(note)).where(waiting)
    await tx.conn.execute(insert(fax_event).from_select(["fax_id", "at", "state", "note"], events))
    held = await tx.conn.execute(update(fax).where(waiting).values(state=FaxState.HELD, owner=None, due_at=until))
    return held.rowcount


def _document_of(row: Row[Any]) -> Select[tuple[str]]:
    return select(document.c.message_id).where(document.c.message_id == row.message_id)


async def resend(tx: Tx, fax_id: str, *, new_message: str, new_fax: str, give_up_at: Instant) -> None:
    """Fax the same document to the same number once more, as a message of its own with a report of its own.

    Raises :class:`NotPossible` where the fax has not ended, or its document is gone.
    """
    row = await _fax(tx, fax_id)
    if row.state not in FAX_ENDS:
        raise NotPossible(f"It is {row.state} and may still go out; sent again now it could arrive twice.")
    if not (await tx.conn.execute(_document_of(row))).first():
        raise NotPossible("Its document was never made, or is purged.")
    if not row.number:
        raise NotPossible(f"FaxMAX has not named its number, one of {row.target}. Send the mail again.")
    copied = [c for c in message.c if c.name not in _OF_ITS_OWN]
    source = select(literal(new_message), literal(MessageState.READY.value), literal(now()), literal(0), *copied).where(
        message.c.id == row.message_id
    )
    columns = ["id", "state", "accepted_at", "claims", *(c.name for c in copied)]
    await tx.conn.execute(insert(message).from_select(columns, source))
    pdf = select(literal(new_message), document.c.pdf).where(document.c.message_id == row.message_id)
    await tx.conn.execute(insert(document).from_select(["message_id", "pdf"], pdf))
    await tx.conn.execute(
        insert(fax).values(
            id=new_fax, message_id=new_message, account=row.account, number=row.number, recipients=row.recipients,
            dsn=row.dsn, options=row.options, state=FaxState.QUEUED, accepted_at=now(), give_up_at=give_up_at,
            due_at=now(),
        )
    )  # fmt: skip
    note = f"sent again by an operator after {row.id}"
    await tx.conn.execute(insert(fax_event).values(fax_id=new_fax, at=now(), state=FaxState.QUEUED, note=note))
    tx.wake(faxes.SUBMIT.name)


_OF_ITS_OWN = frozenset(
    {"id", "state", "accepted_at", "ended_at", "spooled", "due_at", "owner", "claims", "revision", "last_error"}
)
"""Columns of a message that its copy does not share."""


async def replay(tx: Tx, push_id: str) -> None:
    """Work a push through again, with today's settings. Raises :class:`NotPossible`."""
    row = (await tx.conn.execute(select(push.c.state).where(push.c.id == push_id.upper()).with_for_update())).first()
    if row is None:
        raise NotPossible(f"There is no push {push_id}.")
    if row.state == PushState.STORED:
        raise NotPossible("It is still waiting for its first time.")
    await tx.conn.execute(delete(status).where(status.c.push_id == push_id.upper()))
    again = update(push).where(push.c.id == push_id.upper())
    await tx.conn.execute(again.values(state=PushState.STORED, due_at=now(), owner=None, claims=0, note=""))
    tx.wake(pushes.EVENTS.name)


async def push_list(conn: AsyncConnection, limit: int, states: Sequence[PushState]) -> Sequence[Any]:
    """The newest pushes first, without their bodies."""
    rows = select(
        push.c.id, push.c.received_at, push.c.client, push.c.state, push.c.note, func.length(push.c.body).label("size")
    )
    if states:
        rows = rows.where(push.c.state.in_(states))
    return (await conn.execute(rows.order_by(push.c.id.desc()).limit(limit))).all()


async def push_show(conn: AsyncConnection, push_id: str) -> Row[Any] | None:
    return (await conn.execute(select(push).where(push.c.id == push_id.upper()))).first()


async def counts(conn: AsyncConnection) -> dict[str, dict[str, int]]:
    """How many rows of each table are in which state."""
    tables = {"faxes": fax, "messages": message, "pushes": push, "received": received, "outbox": outbox}
    tables["deliveries"] = delivery
    told = {}
    for name, table in tables.items():
        by_state = select(table.c.state, func.count().label("number")).group_by(table.c.state)
        rows = await conn.execute(by_state.order_by(table.c.state))
        told[name] = {row.state: row.number for row in rows.all()}
    return told


async def status_words(conn: AsyncConnection) -> Sequence[Row[Any]]:
    """FaxMAX's words as they came: how often, since when, last when and in which push. Looks through all statuses."""
    columns = (
        status.c.word,
        func.min(status.c.message).label("message"),
        func.count().label("number"),
        func.min(status.c.received_at).label("first_at"),
        func.max(status.c.received_at).label("last_at"),
        func.max(status.c.push_id).label("last_push"),
    )
    rows = select(*columns).group_by(status.c.word).order_by(func.count().desc(), status.c.word)
    return (await conn.execute(rows)).all()


async def oldest_waiting(conn: AsyncConnection) -> Instant | None:
    """Since when that fax waits that has been waiting longest to be handed over; before its time to send, none does."""
    since = case((fax.c.send_at > fax.c.accepted_at, fax.c.send_at), else_=fax.c.accepted_at)
    waiting = and_(fax.c.state.in_([FaxState.QUEUED, FaxState.SUBMITTING]), since <= now())
    oldest: Instant | None = (await conn.execute(select(func.min(since)).where(waiting))).scalar()
    return oldest


async def paused(conn: AsyncConnection) -> Sequence[Row[Any]]:
    return (await conn.execute(select(account).where(account.c.state == "paused").order_by(account.c.name))).all()


async def _fax(tx: Tx, fax_id: str) -> Row[Any]:
    row = (await tx.conn.execute(select(fax).where(fax.c.id == fax_id.upper()).with_for_update())).first()
    if row is None:
        raise NotPossible(f"There is no fax {fax_id}. fax-bridge faxes list shows those that are known.")
    return row
