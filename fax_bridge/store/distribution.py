"""The numbers of an attached distribution list become faxes of their mail, in the commit that has its document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from fax_bridge.fax import FaxState, Instant, ResultClass, TargetKind, now
from fax_bridge.store.intake import wait_for_others
from fax_bridge.store.schema import fax, fax_event
from fax_bridge.store.store import Tx

SENT_BEFORE = "sent_before"
"""The reason's word, in the tables of ``templates/email``."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One number of the list."""

    id: str
    """Of its fax."""
    number: str
    repeat_key: str
    """As of a RCPT with this number: a relay may send one mail in several copies, each with some of its recipients."""


@dataclass(frozen=True, slots=True)
class Added:
    """The numbers that have a fax by the list."""

    numbers: tuple[str, ...] = ()
    asked: bool = False
    """The first of them has the fax that was one to ``list@``."""


async def add(tx: Tx, *, message_id: str, listed: Sequence[Listed], window: int) -> Added:
    """A fax for each number that the mail does not go to already.

    ``window``: milliseconds within which another copy of the mail that went to the number counts. The fax to ``list@``,
    where there is one, becomes that of the first number; with none left for it, it ends. In a database that was
    restored the mail's faxes are held, for they may have gone out since: then so are these.
    """
    of_this = select(fax).where(fax.c.message_id == message_id).order_by(fax.c.id).with_for_update()
    rows = (await tx.conn.execute(of_this)).all()
    asking = next((row for row in rows if row.target == TargetKind.LIST), None)
    held = next((row for row in rows if row.state == FaxState.HELD), None)
    if asking is not None and asking.state not in (FaxState.QUEUED, FaxState.HELD):
        return Added()  # a person took it back
    numbers = {row.number: row for row in rows if row.number}
    fresh = [one for one in listed if one.number not in numbers]
    elsewhere = await _sent_elsewhere(tx, message_id, fresh, rows[0].accepted_at - window)
    fresh = [one for one in fresh if one.repeat_key not in elsewhere]
    added = Added(tuple(one.number for one in fresh), asked=asking is not None and bool(fresh))
    if asking is not None:
        if fresh:
            await _take(tx, asking, fresh.pop(0))
        elif elsewhere or len(rows) == 1:
            await _end(tx, asking)
        else:
            await _merge(tx, asking, next(numbers[one.number] for one in listed if one.number in numbers))
    await _insert(tx, asking or rows[0], fresh, asked=asking is not None, held=held)
    return added


async def _sent_elsewhere(tx: Tx, message_id: str, listed: Sequence[Listed], since: Instant) -> set[str]:
    keys = sorted(one.repeat_key for one in listed)
    if keys and tx.shared:
        await wait_for_others(tx, keys)
    found = select(fax.c.repeat_key).where(
        fax.c.repeat_key.in_(keys), fax.c.accepted_at >= since, fax.c.message_id != message_id
    )
    return set((await tx.conn.execute(found)).scalars())


async def _take(tx: Tx, asking: Row[Any], one: Listed) -> None:
    values = {"number": one.number, "target": "", "repeat_key": one.repeat_key}
    await tx.conn.execute(update(fax).where(fax.c.id == asking.id).values(**values))
    await _note(tx, asking.id, FaxState(asking.state), f"the first of the list: +{one.number}")


async def _end(tx: Tx, asking: Row[Any]) -> None:
    values = {"state": FaxState.CANCELLED, "result": ResultClass.CANCELLED, "detail": SENT_BEFORE, "ended_at": now()}
    await tx.conn.execute(update(fax).where(fax.c.id == asking.id).values(due_at=None, owner=None, **values))
    await _note(tx, asking.id, FaxState.CANCELLED, "each number on the list has this mail by another copy of it")


async def _merge(tx: Tx, asking: Row[Any], other: Row[Any]) -> None:
    """The mail goes to all of the list's numbers anyway: what was asked for ``list@`` is told with one of them."""
    recipients = [*other.recipients, *asking.recipients]
    dsn = {**(other.dsn or {}), **(asking.dsn or {})} or None
    await tx.conn.execute(update(fax).where(fax.c.id == other.id).values(recipients=recipients, dsn=dsn))
    await tx.conn.execute(delete(fax_event).where(fax_event.c.fax_id == asking.id))
    await tx.conn.execute(delete(fax).where(fax.c.id == asking.id))


async def _insert(tx: Tx, beside: Row[Any], listed: Sequence[Listed], *, asked: bool, held: Row[Any] | None) -> None:
    """``asked``: by an address, ``list@``, whose options and wishes hold for each of them. ``held``: they wait for a
    person as this one does."""
    if not listed:
        return
    state, due_at = (FaxState.HELD, held.due_at) if held is not None else (FaxState.QUEUED, None)
    own: Mapping[str, Any] = {
        "recipients": beside.recipients if asked else [], "dsn": beside.dsn if asked else None,
        "options": beside.options if asked else None, "send_at": beside.send_at if asked else None,
    }  # fmt: skip
    await tx.conn.execute(
        insert(fax),
        [
            {
                "id": one.id, "message_id": beside.message_id, "account": beside.account, "number": one.number,
                "state": state, "due_at": due_at, "accepted_at": beside.accepted_at, "give_up_at": beside.give_up_at,
                "repeat_key": one.repeat_key, **own,
            }
            for one in listed
        ],
    )  # fmt: skip
    for one in listed:
        await _note(tx, one.id, state, "from the list that is attached")


async def _note(tx: Tx, fax_id: str, state: FaxState, note: str) -> None:
    await tx.conn.execute(insert(fax_event).values(fax_id=fax_id, at=now(), state=state, note=note))
