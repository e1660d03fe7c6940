"""A mail and its faxes as rows, once it is accepted: made into a document, ended, reported."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, and_, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import (
    FAX_ENDS,
    Fate,
    FateKind,
    FaxState,
    Instant,
    MessageState,
    PageFacts,
    ResultClass,
    now,
)
from fax_bridge.quiet_hours import ALWAYS, Schedule
from fax_bridge.store import notices, outbox
from fax_bridge.store.lease import Lease, LeaseLost, Queue, finish
from fax_bridge.store.schema import document, fax, fax_event, message
from fax_bridge.store.store import Tx
from fax_bridge.wall_clock import written

PREPARE = Queue("prepare", message, message.c.state == MessageState.ACCEPTED)
Clearance = Callable[[Tx], Awaitable[Instant | None]]
"""Asked before the faxes of a message are made due: before which instant none may go, if there is one."""

REPORT = Queue("report", message, message.c.state.in_([MessageState.ENDED, MessageState.CORRECTING]))


@dataclass(frozen=True, slots=True)
class Headers:
    """What later steps and reports need of the mail's own header."""

    subject: str
    message_id: str
    references: str
    auto_submitted: str = ""
    """The keyword of the field of that name (RFC 3834 §5), in small letters."""


async def prepared(
    tx: Tx, *, lease: Lease, headers: Headers, pdf: bytes, sha256: str, pages: int, cover: dict[str, str] | None,
    fates: Sequence[Fate], facts: Sequence[PageFacts] = (), options: Mapping[str, Any] | None = None,
    send_at: Instant | None = None, schedule: Schedule = ALWAYS, clearance: Clearance | None = None,
) -> None:  # fmt: skip
    """The document is made: its faxes may go, each at its time. ``options`` go over those that are kept, and
    ``send_at``: both for those whose address named none.

    Raises what ``clearance`` raises.
    """
    if options:
        kept = (await tx.conn.execute(select(message.c.options).where(message.c.id == lease.id))).scalar_one()
        await tx.conn.execute(update(message).where(lease.holds()).values(options={**kept, **options}))
    await finish(
        tx, lease, due_at=None, state=MessageState.READY, subject=headers.subject, header_message_id=headers.message_id,
        header_references=headers.references, header_auto_submitted=headers.auto_submitted,
        sha256=sha256, pages=pages, cover=cover, fates=[asdict(f) for f in fates],
        page_facts=[asdict(page) for page in facts],
    )  # fmt: skip
    await tx.conn.execute(insert(document).values(message_id=lease.id, pdf=pdf))
    not_before = await clearance(tx) if clearance else None
    await _make_due(tx, lease.id, send_at, schedule, not_before)
    # Faxes that a person cancelled meanwhile may have been the last ones open.
    await fax_ended(tx, lease.id)
    tx.wake("submit")


async def queued_numbers(tx: Tx, message_id: str) -> list[str]:
    """Of the faxes that nobody cancelled or holds; of those that go to what is no number, that."""
    queued = select(fax.c.number, fax.c.target).where(fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED)
    return [row.number or row.target for row in (await tx.conn.execute(queued.order_by(fax.c.id))).all()]


async def _make_due(
    tx: Tx, message_id: str, send_at: Instant | None, schedule: Schedule, not_before: Instant | None
) -> None:
    """Now, or when each fax's time has come; what it waits until then does not count against its lifetime."""
    at = now()
    queued = and_(fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED)
    if send_at is not None:
        await tx.conn.execute(update(fax).where(queued, fax.c.send_at.is_(None)).values(send_at=send_at))
    if not_before is not None:
        sooner = fax.c.send_at.is_(None) | (fax.c.send_at < not_before)
        await tx.conn.execute(update(fax).where(queued, sooner).values(send_at=not_before))
    await tx.conn.execute(update(fax).where(queued).values(due_at=at))
    rows = select(fax.c.id, fax.c.number, fax.c.send_at, fax.c.give_up_at).where(queued)
    for row in (await tx.conn.execute(rows)).all():
        due = schedule.earliest(row.number, row.send_at, at)
        if due > at:
            later = update(fax).where(fax.c.id == row.id)
            await tx.conn.execute(later.values(due_at=due, give_up_at=row.give_up_at + due - at))
            limited = not_before is not None and row.send_at == not_before
            note = f"not before {written(due)}" + (": pages are limited" if limited else "")
            await tx.conn.execute(insert(fax_event).values(fax_id=row.id, at=at, state=FaxState.QUEUED, note=note))


async def refused(
    tx: Tx, *, lease: Lease, headers: Headers, fates: Sequence[Fate], result: ResultClass, detail: str
) -> None:
    """All or nothing: the mail cannot be faxed whole, so none of its faxes goes."""
    await finish(
        tx, lease, due_at=None, state=MessageState.READY, subject=headers.subject, header_message_id=headers.message_id,
        header_references=headers.references, header_auto_submitted=headers.auto_submitted,
        fates=[asdict(f) for f in fates],
    )  # fmt: skip
    waiting = fax.c.state.in_([FaxState.QUEUED, FaxState.HELD])
    open_faxes = select(fax.c.id).where(fax.c.message_id == lease.id, waiting)
    at = now()
    for fax_id in (await tx.conn.execute(open_faxes)).scalars().all():
        await tx.conn.execute(
            update(fax)
            .where(fax.c.id == fax_id)
            .values(state=FaxState.FAILED, result=result, detail=detail, ended_at=at, due_at=None, owner=None)
        )
        await tx.conn.execute(insert(fax_event).values(fax_id=fax_id, at=at, state=FaxState.FAILED, note=detail))
    await fax_ended(tx, lease.id)


async def previewed(
    tx: Tx, *, lease: Lease, headers: Headers, fates: Sequence[Fate], pages: int, sha256: str, mail: outbox.NewMail
) -> None:
    """A mail that asked for a preview is answered, which is all that ever becomes of it: no fax hangs on it."""
    at = now()
    await finish(
        tx, lease, due_at=None, state=MessageState.REPORTED, ended_at=at, subject=headers.subject,
        header_message_id=headers.message_id, header_references=headers.references, sha256=sha256, pages=pages,
        fates=[asdict(f) for f in fates],
    )  # fmt: skip
    await outbox.put(tx, mail)


async def fax_ended(tx: Tx, message_id: str) -> None:
    """One of its faxes ended, or ended anew: is the report due, or a correction?

    The row is locked first, or two faxes that end at the same moment would each see the other one open.
    """
    of_this = message.c.id == message_id
    state = (await tx.conn.execute(select(message.c.state).where(of_this).with_for_update())).scalar_one()
    changes: dict[str, Any] = {"revision": message.c.revision + 1}
    still_open = exists().where(fax.c.message_id == message_id, fax.c.state.not_in(FAX_ENDS))
    if state == MessageState.READY and not (await tx.conn.execute(select(still_open))).scalar():
        changes |= {"state": MessageState.ENDED, "due_at": now(), "ended_at": now()}
    elif state == MessageState.READY:
        await notices.failed_early(tx, message_id)
    elif state == MessageState.REPORTED:
        changes |= {"state": MessageState.CORRECTING, "due_at": now()}
    await tx.conn.execute(update(message).where(of_this).values(**changes))
    tx.wake(REPORT.name)


async def faxes_of(conn: AsyncConnection, message_id: str) -> Sequence[Row[Any]]:
    return (await conn.execute(select(fax).where(fax.c.message_id == message_id).order_by(fax.c.id))).all()


def fates_of(row: Row[Any]) -> tuple[Fate, ...]:
    return tuple(Fate(**(one | {"kind": FateKind(one["kind"])})) for one in row.fates or ())


def page_facts_of(row: Row[Any]) -> tuple[PageFacts, ...]:
    """Of the first pages; none where there is no document, or an older release made it."""
    return tuple(PageFacts(**one) for one in row.page_facts or ())


async def shown(conn: AsyncConnection, message_id: str) -> Row[Any]:
    """A message as it stands now."""
    return (await conn.execute(select(message).where(message.c.id == message_id))).one()


async def document_of(conn: AsyncConnection, message_id: str) -> bytes:
    """The PDF; empty where there is none, or none any more."""
    found = (await conn.execute(select(document.c.pdf).where(document.c.message_id == message_id))).scalar()
    return bytes(found or b"")


async def reported(tx: Tx, *, lease: Lease, revision: int, correction: bool, mail: outbox.NewMail | None) -> None:
    """The report is in the outbox. Raises :class:`LeaseLost` if a fax changed since the report was written."""
    current = (await tx.conn.execute(select(message.c.revision).where(lease.holds()).with_for_update())).scalar()
    if current != revision:
        raise LeaseLost(f"message {lease.id} changed while its report was written")
    state = MessageState.CORRECTED if correction else MessageState.REPORTED
    await finish(tx, lease, due_at=None, state=state)
    if mail:
        await outbox.put(tx, mail)
