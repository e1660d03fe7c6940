"""The life of a fax as statements: intent, outcome, status, adoption, promise.

:func:`move` is the only way from state to state; it holds the law of :data:`fax_bridge.fax.FAX_TRANSITIONS`
and leaves an event behind. Everything here runs inside the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.fax import FAX_ENDS, FaxState, Instant, PushedStatus, ResultClass, may_follow, now
from fax_bridge.quiet_hours import ALWAYS, Schedule
from fax_bridge.store.lease import Lease, LeaseLost, Queue
from fax_bridge.store.messages import fax_ended
from fax_bridge.store.schema import account, document, fax, fax_event, message, status
from fax_bridge.store.store import Tx
from fax_bridge.wall_clock import written

SUBMIT = Queue("submit", fax, fax.c.state == FaxState.QUEUED, lanes="account")
PROMISED = Queue("promised", fax, fax.c.state.in_([FaxState.SUBMITTING, FaxState.SUBMITTED, FaxState.UNKNOWN]))

CLOCK_SKEW_MS = 120_000
"""How far FaxMAX's clock may be from ours when a push is matched by its time."""


HELD_TOO_LONG = "held_too_long"
"""The reason's word, in the tables of ``templates/email``."""

WITHOUT_ANSWER = frozenset({FaxState.SUBMITTING, FaxState.UNKNOWN, FaxState.UNCERTAIN})


@dataclass(frozen=True, slots=True)
class Promises:
    """The promised times, in milliseconds."""

    confirm: int
    """From handed over to ``unconfirmed``, for a fax without pages."""
    confirm_page: int
    """What each page adds to that."""
    unknown: int
    """From a lost answer to ``uncertain``."""
    answer: int
    """The longest that a POST may take."""


class NotYet(BridgeError):
    """The fax may not be begun now: its time to send has not come, or it is in the quiet hours of where it goes."""


async def open_accounts(conn: AsyncConnection) -> set[str]:
    return set((await conn.execute(select(account.c.name).where(account.c.state == "active"))).scalars())


async def to_submit(conn: AsyncConnection, fax_id: str) -> Any:
    """All that a POST needs: the message's columns and the document. Raises ``NoResultFound`` for a mail that only
    asked for a preview: it has no faxes, and should it ever get one, that must not be sent."""
    rows = (
        select(message.c.id, message.c.mail_from, message.c.subject, message.c.cover, message.c.options,
               message.c.accepted_at, message.c.pages, message.c.language, document.c.pdf)
        .join(fax, fax.c.message_id == message.c.id)
        .join(document, document.c.message_id == message.c.id)
        .where(fax.c.id == fax_id, message.c.preview.is_(None))
    )  # fmt: skip
    return (await conn.execute(rows)).one()


async def submitting(tx: Tx, *, lease: Lease, schedule: Schedule = ALWAYS) -> int:
    """The intent, committed before the POST. Returns the number of this attempt.

    Raises :class:`LeaseLost`, and :class:`NotYet` for a fax that was claimed before its time.
    """
    row = await locked(tx, lease.id)
    if row.owner != lease.owner or row.claims != lease.claims or row.state != FaxState.QUEUED:
        raise LeaseLost(f"fax {lease.id}")
    if schedule.earliest(row.number, row.send_at, at := now()) > at:
        raise NotYet(f"fax {lease.id}")
    attempt = int(row.attempts) + 1
    await move(tx, row, FaxState.SUBMITTING, note=f"attempt {attempt}", keep_lease=True, attempts=attempt,
                submitting_at=now(), result=None, detail="")  # fmt: skip
    return attempt


async def accepted(tx: Tx, *, fax_id: str, attempt: int, provider_id: str, request_id: str, promises: Promises) -> None:
    """FaxMAX gave a fax id. That is a fact even when the lease is lost: only the attempt has to be the same."""
    row = await locked(tx, fax_id)
    if row.attempts != attempt or row.provider_id or row.state not in WITHOUT_ANSWER:
        return
    if row.state == FaxState.UNCERTAIN:  # too late for the promise; a final push will still find it
        await tx.conn.execute(
            update(fax).where(fax.c.id == fax_id).values(provider_id=provider_id, request_id=request_id)
        )
    else:
        promised = now() + await patience(tx, row, promises)
        await move(tx, row, FaxState.SUBMITTED, note=provider_id, provider_id=provider_id, request_id=request_id,
                    result=None, detail="", submitted_at=now(), promised_at=promised, due_at=promised)  # fmt: skip
    await apply_waiting(tx, fax_id, provider_id, promises)
    await adopt(tx, row.number, promises)
    look_again(tx, Pair(provider_id, row.number, promises))
    tx.wake(PROMISED.name)


async def refused(tx: Tx, *, fax_id: str, attempt: int, detail: str, promises: Promises) -> None:
    """Raises :class:`LeaseLost` as :func:`retried` does."""
    row = await _still_open(tx, fax_id, attempt)
    await move(tx, row, FaxState.FAILED, note=detail, result=ResultClass.REFUSED, detail=detail)
    await adopt(tx, row.number, promises)
    look_again(tx, Pair("", row.number, promises))


async def failed(tx: Tx, *, lease: Lease, result: ResultClass, detail: str) -> None:
    """It never was handed over and will not be."""
    await move(tx, await _held(tx, lease), FaxState.FAILED, note=detail, result=result, detail=detail)


async def put_off(tx: Tx, *, lease: Lease, schedule: Schedule) -> None:
    """It was claimed before its time: back into the queue until then."""
    row = await _held(tx, lease)
    await _requeue(tx, row, now(), schedule, note="put off")


async def retried(
    tx: Tx, *, fax_id: str, attempt: int, delay_ms: int, detail: str, promises: Promises, schedule: Schedule = ALWAYS
) -> None:
    """FaxMAX surely does not have it: back into the queue.

    That is a fact even when the lease is lost, as it is after a database that was away for longer: only the attempt has
    to be the same, and nothing else known of it. Raises :class:`LeaseLost` where there is.
    """
    row = await _still_open(tx, fax_id, attempt)
    await _requeue(tx, row, now() + delay_ms, schedule, note=detail, detail=detail, result=None)
    await adopt(tx, row.number, promises)
    look_again(tx, Pair("", row.number, promises))


async def lost(tx: Tx, *, fax_id: str, attempt: int, detail: str, promises: Promises) -> None:
    """The request left and no readable answer came. Raises :class:`LeaseLost` as :func:`retried` does."""
    row = await _still_open(tx, fax_id, attempt)
    if row.state == FaxState.SUBMITTING:  # else it was found out already
        await unknown(tx, row, detail, promises)


async def unknown(tx: Tx, row: Row[Any], detail: str, promises: Promises) -> None:
    await move(tx, row, FaxState.UNKNOWN, note=detail, result=ResultClass.UNKNOWN, detail=detail,
                due_at=now() + promises.unknown)  # fmt: skip
    await adopt(tx, row.number, promises)
    look_again(tx, Pair("", row.number, promises))
    tx.wake(PROMISED.name)


async def cancelled(tx: Tx, row: Row[Any]) -> None:
    """Taken back by a person; a worker that has it in hand meanwhile finds its lease lost."""
    await move(tx, row, FaxState.CANCELLED, note="cancelled", result=ResultClass.CANCELLED)


async def held(tx: Tx, row: Row[Any], *, until: Instant) -> None:
    """It waits for a person now, but not for ever; a worker that has it in hand finds its lease lost."""
    await move(tx, row, FaxState.HELD, note=f"held until {written(until)}", due_at=until)


async def held_as(tx: Tx, fax_id: str, *, until: Instant, note: str) -> None:
    """The same, with its reason."""
    await move(tx, await locked(tx, fax_id), FaxState.HELD, note=note, due_at=until)


async def held_too_long(conn: AsyncConnection) -> Sequence[str]:
    """The held faxes whose time is over. No index knows them, so it is a look through all faxes: not in a write."""
    over = select(fax.c.id).where(fax.c.state == FaxState.HELD, fax.c.due_at <= now())
    return (await conn.execute(over.limit(100))).scalars().all()


async def held_over(tx: Tx, fax_id: str) -> bool:
    """Nobody released it in time; false if somebody did meanwhile."""
    row = await locked(tx, fax_id)
    if row.state != FaxState.HELD or row.due_at > now():
        return False
    await move(tx, row, FaxState.CANCELLED, note="held too long", result=ResultClass.CANCELLED, detail=HELD_TOO_LONG)
    return True


async def released(tx: Tx, row: Row[Any], *, schedule: Schedule, give_up_at: Instant) -> None:
    """Its lifetime did not run while it was held: ``give_up_at`` is a new one's."""
    lasts = max(give_up_at, row.give_up_at)
    await _requeue(tx, row, now(), schedule, note="released", give_up_at=lasts)
    tx.wake(SUBMIT.name)


async def promise_due(
    tx: Tx, *, lease: Lease, on_unknown: str, promises: Promises, schedule: Schedule = ALWAYS
) -> FaxState:
    """The promised time of a fax has come. Returns the state that it is in now."""
    row = await _held(tx, lease)
    if row.state == FaxState.SUBMITTED:  # a node may have died before it looked again
        await _catch_up(tx, row.id, row.provider_id, promises)
        row = await locked(tx, lease.id)
    match row.state:
        case state if state in FAX_ENDS:
            pass
        case FaxState.SUBMITTING:  # its worker died between intent and outcome
            await unknown(tx, row, "interrupted while handing over", promises)
        case FaxState.SUBMITTED:
            await move(tx, row, FaxState.UNCONFIRMED, note="no final push in time", result=ResultClass.UNKNOWN)
        case FaxState.UNKNOWN if on_unknown == "retry" and not row.target:  # or it would be the whole phone book
            await _requeue(tx, row, now(), schedule, note="window closed, sent again as set")
            tx.wake(SUBMIT.name)
        case _:
            await move(tx, row, FaxState.UNCERTAIN, note="window closed, no push that fits")
    return FaxState((await locked(tx, lease.id)).state)


async def expire(tx: Tx) -> list[str]:
    """Fail the faxes that waited in the queue past their time; their ids."""
    old = select(fax.c.id).where(fax.c.state == FaxState.QUEUED, fax.c.give_up_at <= now(), _in_no_hand())
    old = old.where(fax.c.message_id.in_(select(message.c.id).where(message.c.state != "accepted"))).limit(100)
    ended = list((await tx.conn.execute(old)).scalars())
    for fax_id in ended:
        row = await locked(tx, fax_id)
        await move(tx, row, FaxState.FAILED, note="queue lifetime over", result=ResultClass.EXPIRED)
    return ended


def _in_no_hand() -> ColumnElement[bool]:
    """Nobody's lease holds it: never claimed, or its worker died."""
    return fax.c.owner.is_(None) | (fax.c.due_at < now())


async def take_status(tx: Tx, pushed: PushedStatus, *, push_id: str, seq: int, promises: Promises) -> str | None:
    """Keep a status, and move the fax that it is about. Returns our fax id, ``None`` if no fax is known (yet)."""
    known = select(status.c.fax_id).where(status.c.push_id == push_id, status.c.seq == seq)
    if seen := (await tx.conn.execute(known)).first():
        return str(seen.fax_id) if seen.fax_id else None
    owner = (await tx.conn.execute(select(fax.c.id).where(fax.c.provider_id == pushed.provider_id))).scalar()
    await tx.conn.execute(
        insert(status).values(
            push_id=push_id,
            seq=seq,
            received_at=now(),
            provider_id=pushed.provider_id,
            fax_id=owner,
            called=pushed.called,
            requested_at=pushed.requested_at,
            ours=int(pushed.ours),
            word=pushed.word,
            message=pushed.message,
            result=pushed.result,
            final=int(pushed.final),
            facts={
                "pages_sent": pushed.pages_sent,
                "pages_total": pushed.pages_total,
                "remote_station": pushed.remote_station,
                "tried_count": pushed.tried_count,
            },
        )
    )
    if owner is None:
        await adopt(tx, pushed.called, promises)
        look_again(tx, Pair(pushed.provider_id, pushed.called, promises))
        owner = (await tx.conn.execute(select(fax.c.id).where(fax.c.provider_id == pushed.provider_id))).scalar()
    else:
        await _apply(tx, await locked(tx, owner), pushed, promises)
    return str(owner) if owner else None


@dataclass(frozen=True, slots=True)
class Pair:
    """What one node knows of a fax, and another one may just be learning the other half of."""

    provider_id: str
    """Empty where FaxMAX gave none."""
    number: str
    promises: Promises


def look_again(tx: Tx, pair: Pair) -> None:
    """Once this is committed, match statuses and faxes anew.

    Two nodes may learn of one fax at the same moment, the one by FaxMAX's answer and the other by its push, and neither
    sees what the other has not committed. As both look again when their own half is there for all to see, the later
    one of them finds the other's.
    """
    if tx.shared:
        tx.follow(_matched, pair)


async def _matched(tx: Tx, pairs: Sequence[Pair]) -> Sequence[None]:
    named = {pair.provider_id: pair.promises for pair in pairs if pair.provider_id}
    for provider_id, promises in sorted(named.items(), key=itemgetter(0)):
        mine = select(fax.c.id).where(fax.c.provider_id == provider_id)
        if fax_id := (await tx.conn.execute(mine)).scalar():
            await _catch_up(tx, fax_id, provider_id, promises)
    for number, promises in sorted({pair.number: pair.promises for pair in pairs}.items(), key=itemgetter(0)):
        await adopt(tx, number, promises)
    return [None] * len(pairs)


async def _catch_up(tx: Tx, fax_id: str, provider_id: str, promises: Promises) -> None:
    """Apply what was told of a fax while nobody knew that it is this one's."""
    untold = select(status.c.seq).where(status.c.provider_id == provider_id, status.c.fax_id.is_(None)).limit(1)
    # Mostly there is none, and then no row is locked that another node may be waiting with.
    if (await tx.conn.execute(untold)).first():
        await locked(tx, fax_id)
        await apply_waiting(tx, fax_id, provider_id, promises)


async def adopt(tx: Tx, number: str, promises: Promises) -> None:
    """Match faxes without an answer to pushes without a fax, where exactly one fits exactly one.

    Two that fit are left alone: a guess could report a fax as delivered that never went. A phone book's faxes may be
    to any number: nothing is adopted while one is on its way, nor near the time of one whose answer was lost. What ends
    that has no ``number``, and has all lost faxes looked at.
    """
    if not number:
        lost = fax.c.state.in_([FaxState.UNKNOWN, FaxState.UNCERTAIN]) & fax.c.provider_id.is_(None)
        for other in (await tx.conn.execute(select(fax.c.number).distinct().where(lost, fax.c.number != ""))).scalars():
            await adopt(tx, other, promises)
        return
    lost_faxes = (
        await tx.conn.execute(
            select(fax)
            .where(
                fax.c.number == number,
                fax.c.state.in_([FaxState.UNKNOWN, FaxState.UNCERTAIN]),
                fax.c.provider_id.is_(None),
            )
            .with_for_update()
        )
    ).all()
    may_be_its = fax.c.number.in_((number, ""))
    on_the_way = select(fax.c.id).where(may_be_its, fax.c.state == FaxState.SUBMITTING).limit(1)
    if not lost_faxes or (await tx.conn.execute(on_the_way)).first():
        return  # a push may be that one's, whose answer is still to come; its outcome looks here again
    orphans = (
        await tx.conn.execute(
            select(status.c.provider_id, func.min(status.c.requested_at).label("requested_at"))
            .where(status.c.called == number, status.c.fax_id.is_(None), status.c.ours == 1)
            .group_by(status.c.provider_id)
        )
    ).all()
    books = (await tx.conn.execute(_lost_books())).all()
    fits = [
        (row, orphan.provider_id)
        for row in lost_faxes
        for orphan in orphans
        if _is_near(row, orphan, promises) and not any(_is_near(book, orphan, promises) for book in books)
    ]
    for row, provider_id in fits:
        if [r.id for r, _ in fits].count(row.id) == 1 and [p for _, p in fits].count(provider_id) == 1:
            await _adopted(tx, row, provider_id, promises)


def _lost_books() -> Select[tuple[int]]:
    lost = fax.c.state.in_([FaxState.UNKNOWN, FaxState.UNCERTAIN]) & fax.c.provider_id.is_(None)
    return select(fax.c.submitting_at).where(lost, fax.c.number == "", fax.c.submitting_at.is_not(None))


def _is_near(row: Any, orphan: Any, promises: Promises) -> bool:
    """Whether the push can be that of the row, by its time."""
    reach = promises.answer + promises.unknown + CLOCK_SKEW_MS
    return bool(row.submitting_at - CLOCK_SKEW_MS <= orphan.requested_at <= row.submitting_at + reach)


async def _adopted(tx: Tx, row: Row[Any], provider_id: str, promises: Promises) -> None:
    note = f"adopted: the push {provider_id} is the only one that fits"
    if row.state == FaxState.UNKNOWN:
        promised = now() + await patience(tx, row, promises)
        await move(tx, row, FaxState.SUBMITTED, note=note, provider_id=provider_id, submitted_at=row.submitting_at,
                    result=None, detail="", promised_at=promised, due_at=promised)  # fmt: skip
    else:
        await tx.conn.execute(update(fax).where(fax.c.id == row.id).values(provider_id=provider_id))
    await apply_waiting(tx, row.id, provider_id, promises)


async def apply_waiting(tx: Tx, fax_id: str, provider_id: str, promises: Promises) -> None:
    """The statuses that came before we knew whose they are, in the order in which they came."""
    ordered = select(status).where(status.c.provider_id == provider_id)
    told = (await tx.conn.execute(ordered.order_by(status.c.received_at, status.c.push_id, status.c.seq))).all()
    # What was applied before stays so, unless an older one turns up: then it has the last word again.
    for one in dropwhile(lambda one: one.fax_id is not None, told):
        pushed = PushedStatus(
            provider_id=one.provider_id, called=one.called, requested_at=one.requested_at, ours=bool(one.ours),
            word=one.word, message=one.message, result=ResultClass(one.result) if one.result else None,
            final=bool(one.final), **one.facts,
        )  # fmt: skip
        await _apply(tx, await locked(tx, fax_id), pushed, promises)
        # This one and no other: another node may have committed one more since they were read.
        this = (status.c.push_id == one.push_id) & (status.c.seq == one.seq)
        await tx.conn.execute(update(status).where(this).values(fax_id=fax_id))


async def _apply(tx: Tx, row: Row[Any], pushed: PushedStatus, promises: Promises) -> None:
    """A status of this fax: an interim one is noted, a final one ends it, a later final one corrects it."""
    if pushed.called and not row.number:  # one of a phone book's
        await tx.conn.execute(update(fax).where(fax.c.id == row.id).values(number=pushed.called[:20]))
    stale = None not in (row.tried_count, pushed.tried_count) and pushed.tried_count < row.tried_count
    facts = {
        name: value
        for name in ("pages_sent", "pages_total", "remote_station", "tried_count")
        if (value := getattr(pushed, name)) not in (None, "")
    }
    after = FaxState.DELIVERED if pushed.result == ResultClass.DELIVERED else FaxState.FAILED
    if not pushed.final:
        if row.state not in FAX_ENDS:
            await _note(tx, row.id, FaxState(row.state), pushed.words)
            await tx.conn.execute(update(fax).where(fax.c.id == row.id).values(detail=pushed.words, **facts))
    elif stale or (row.state == after and row.result == pushed.result):
        await _note(tx, row.id, FaxState(row.state), f"repeated: {pushed.words}")
    elif row.state == after or may_follow(FaxState(row.state), after):
        await move(tx, row, after, note=pushed.words, result=pushed.result, detail=pushed.words, **facts)


async def patience(tx: Tx, row: Row[Any], promises: Promises) -> int:
    """Milliseconds that a fax of so many pages may take to be confirmed."""
    pages = (await tx.conn.execute(select(message.c.pages).where(message.c.id == row.message_id))).scalar_one()
    return promises.confirm + promises.confirm_page * int(pages)


async def locked(tx: Tx, fax_id: str) -> Row[Any]:
    return (await tx.conn.execute(select(fax).where(fax.c.id == fax_id).with_for_update())).one()


async def _held(tx: Tx, lease: Lease) -> Row[Any]:
    row = await locked(tx, lease.id)
    if row.owner != lease.owner or row.claims != lease.claims:
        raise LeaseLost(f"fax {lease.id}")
    return row


async def _still_open(tx: Tx, fax_id: str, attempt: int) -> Row[Any]:
    """The fax, where nothing came of that attempt yet."""
    row = await locked(tx, fax_id)
    if row.attempts != attempt or row.provider_id or row.state not in (FaxState.SUBMITTING, FaxState.UNKNOWN):
        raise LeaseLost(f"fax {fax_id}")
    return row


async def move(
    tx: Tx, row: Row[Any], after: FaxState, *, note: str, due_at: Instant | None = None, keep_lease: bool = False,
    **values: Any,
) -> None:  # fmt: skip
    before = FaxState(row.state)
    if before != after and not may_follow(before, after):
        raise ValueError(f"fax {row.id}: {after} may not follow {before}")
    if not keep_lease:
        values |= {"owner": None, "due_at": due_at}
    if after in FAX_ENDS:
        values["ended_at"] = now()
    await tx.conn.execute(update(fax).where(fax.c.id == row.id).values(state=after, **values))
    await _note(tx, row.id, after, note)
    if after in FAX_ENDS:
        await fax_ended(tx, row.message_id)


async def _requeue(tx: Tx, row: Row[Any], at: Instant, schedule: Schedule, *, note: str, **values: Any) -> None:
    """Due at ``at``, or the first instant after it that is allowed. The wait for that is no part of its lifetime."""
    due = schedule.earliest(row.number, row.send_at, at)
    if due > at:
        note = f"{note}; not before {written(due)}"
        values["give_up_at"] = values.get("give_up_at", row.give_up_at) + due - at
    await move(tx, row, FaxState.QUEUED, note=note, due_at=due, **values)


async def _note(tx: Tx, fax_id: str, state: FaxState, note: str) -> None:
    await tx.conn.execute(insert(fax_event).values(fax_id=fax_id, at=now(), state=state, note=note[:500]))


async def listed(conn: AsyncConnection, limit: int, states: Sequence[FaxState] = ()) -> Sequence[Row[Any]]:
    """The newest faxes with the mail each belongs to."""
    rows = select(fax, message.c.mail_from, message.c.subject).join(message, message.c.id == fax.c.message_id)
    if states:
        rows = rows.where(fax.c.state.in_(states))
    return (await conn.execute(rows.order_by(fax.c.id.desc()).limit(limit))).all()


async def shown(conn: AsyncConnection, fax_id: str) -> tuple[Row[Any], Row[Any], Sequence[Row[Any]]] | None:
    """A fax, its message, and its events; ``None`` if there is no such fax."""
    row = (await conn.execute(select(fax).where(fax.c.id == fax_id.upper()))).first()
    if row is None:
        return None
    mail = (await conn.execute(select(message).where(message.c.id == row.message_id))).one()
    events = select(fax_event).where(fax_event.c.fax_id == row.id).order_by(fax_event.c.id)
    return row, mail, (await conn.execute(events)).all()
