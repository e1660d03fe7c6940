"""A mail and its faxes as rows: accepted, made into a document, ended, reported."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from fax_bridge.errors import Temporary
from fax_bridge.fax import (
    FAX_ENDS,
    Fate,
    FateKind,
    FaxState,
    Instant,
    MailDsn,
    MessageState,
    RcptDsn,
    ResultClass,
    now,
)
from fax_bridge.quiet_hours import ALWAYS, Schedule
from fax_bridge.store import outbox
from fax_bridge.store.lease import Lease, LeaseLost, Queue, finish
from fax_bridge.store.schema import document, fax, fax_event, message, message_piece
from fax_bridge.store.store import Tx
from fax_bridge.wall_clock import written

PIECE = 128 * 1024
"""Bytes of one stored piece of a mail."""

PREPARE = Queue("prepare", message, message.c.state == MessageState.ACCEPTED)
REPORT = Queue("report", message, message.c.state.in_([MessageState.ENDED, MessageState.CORRECTING]))


@dataclass(frozen=True, slots=True)
class NewFax:
    id: str
    number: str
    recipients: tuple[str, ...]
    """The addresses of the RCPT commands that mean this number."""
    repeat_key: str = ""
    """Equal for the same mail to the same number (:mod:`fax_bridge.email_to_fax.repeats`); empty: never."""
    dsn: Mapping[str, RcptDsn] = field(default_factory=dict)
    """By address, what the sender asked to be told."""
    send_at: Instant | None = None
    """The earliest instant at which it may go, where its address asks for one."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    id: str
    account: str
    mail_from: str
    client: str
    content: bytes
    """The mail, or its end, where the pieces before it are staged already."""
    language: str
    options: dict[str, str]
    give_up_at: Instant
    faxes: tuple[NewFax, ...]
    staged_pieces: int = 0
    staged_bytes: int = 0
    dsn: MailDsn = field(default_factory=MailDsn)


@dataclass(frozen=True, slots=True)
class Headers:
    """What later steps and reports need of the mail's own header."""

    subject: str
    message_id: str
    references: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an accepted mail: the faxes that are new, and those that it only repeats."""

    message_id: str
    faxes: tuple[NewFax, ...]
    repeated: tuple[str, ...]
    """Ids of faxes of an earlier message that this mail asks for again, because its client never heard our 250."""


async def accept(tx: Tx, new: NewMessage, *, repeat_window: int = 0) -> Accepted:
    """The message and one fax per number; once this is committed, the client gets its 250.

    A recipient whose fax was accepted less than ``repeat_window`` milliseconds ago gets no second one; if that holds
    for all of them, no message is kept at all.
    """
    at = now()
    known = {one.id: await _accepted_before(tx, one, at - repeat_window) for one in new.faxes}
    repeated = tuple(fax_id for fax_id in known.values() if fax_id)
    fresh = tuple(one for one in new.faxes if not known[one.id])
    if fresh:
        await _all_staged(tx, new)
        await _insert(tx, replace(new, faxes=fresh), at)
    else:
        await unstage(tx, new.id)
    return Accepted(new.id, fresh, repeated)


async def _all_staged(tx: Tx, new: NewMessage) -> None:
    """A mail whose first pieces were purged meanwhile (the clock jumped) is not whole: the client keeps it."""
    if new.staged_pieces:
        count = select(func.count()).where(message_piece.c.message_id == new.id)
        if (await tx.conn.execute(count)).scalar() != new.staged_pieces:
            raise Temporary(f"message {new.id}: some of its staged pieces are gone")


async def _accepted_before(tx: Tx, one: NewFax, since: Instant) -> str | None:
    if not one.repeat_key:
        return None
    same = select(fax.c.id).where(fax.c.repeat_key == one.repeat_key, fax.c.accepted_at >= since)
    found: str | None = (await tx.conn.execute(same.limit(1))).scalar()
    return found


async def _insert(tx: Tx, new: NewMessage, at: Instant) -> None:
    await tx.conn.execute(
        insert(message).values(
            id=new.id,
            account=new.account,
            state=MessageState.ACCEPTED,
            accepted_at=at,
            mail_from=new.mail_from,
            client=new.client,
            size=new.staged_bytes + len(new.content),
            language=new.language,
            options=new.options,
            dsn_ret=new.dsn.ret,
            dsn_envid=new.dsn.envid,
            due_at=at,
        )
    )
    await stage(tx, message_id=new.id, first=new.staged_pieces, data=new.content)
    await tx.conn.execute(
        insert(fax),
        [
            {
                "id": one.id, "message_id": new.id, "account": new.account, "number": one.number,
                "recipients": list(one.recipients), "state": FaxState.QUEUED, "accepted_at": at,
                "repeat_key": one.repeat_key, "give_up_at": new.give_up_at, "send_at": one.send_at,
                "dsn": {address: asdict(dsn) for address, dsn in one.dsn.items()} or None,
            }
            for one in new.faxes
        ],
    )  # fmt: skip
    await tx.conn.execute(
        insert(fax_event),
        [{"fax_id": one.id, "at": at, "state": FaxState.QUEUED, "note": "accepted"} for one in new.faxes],
    )
    tx.wake(PREPARE.name)


async def stage(tx: Tx, *, message_id: str, first: int, data: bytes) -> int:
    """Keep a part of a mail under the id that it will have, as pieces from number ``first`` on; how many they are."""
    starts = range(0, max(len(data), 1), PIECE)
    pieces = [
        {"message_id": message_id, "seq": seq, "data": data[start : start + PIECE]}
        for seq, start in enumerate(starts, first)
    ]
    await tx.conn.execute(insert(message_piece), pieces)
    return len(pieces)


async def unstage(tx: Tx, message_id: str) -> None:
    """The mail was refused, or its client went away."""
    await tx.conn.execute(delete(message_piece).where(message_piece.c.message_id == message_id))


async def purge_staged(tx: Tx, *, before: Instant) -> int:
    """Drop the pieces of mails that began before that instant and never became messages; how many they were."""
    oldest_kept = str(ULID.from_timestamp(before / 1000))[:10]  # the time of a ULID is its first ten letters
    orphaned = message_piece.c.message_id.not_in(select(message.c.id))
    gone = await tx.conn.execute(delete(message_piece).where(message_piece.c.message_id < oldest_kept, orphaned))
    return gone.rowcount


async def content(conn: AsyncConnection, message_id: str) -> bytes:
    """The mail as it came, with CRLF line ends."""
    pieces = select(message_piece.c.data).where(message_piece.c.message_id == message_id).order_by(message_piece.c.seq)
    return b"".join((await conn.execute(pieces)).scalars())


async def prepared(
    tx: Tx, *, lease: Lease, headers: Headers, pdf: bytes, sha256: str, pages: int, cover: dict[str, str] | None,
    fates: Sequence[Fate], send_at: Instant | None = None, schedule: Schedule = ALWAYS,
) -> None:  # fmt: skip
    """The document is made: its faxes may go, each at its time. ``send_at`` is for those whose address named none."""
    await finish(
        tx, lease, due_at=None, state=MessageState.READY, subject=headers.subject, header_message_id=headers.message_id,
        header_references=headers.references, sha256=sha256, pages=pages, cover=cover, fates=[asdict(f) for f in fates],
    )  # fmt: skip
    await tx.conn.execute(insert(document).values(message_id=lease.id, pdf=pdf))
    await _make_due(tx, lease.id, send_at, schedule)
    # Faxes that a person cancelled meanwhile may have been the last ones open.
    await fax_ended(tx, lease.id)
    tx.wake("submit")


async def _make_due(tx: Tx, message_id: str, send_at: Instant | None, schedule: Schedule) -> None:
    """Now, or when each fax's time has come; what it waits until then does not count against its lifetime."""
    at = now()
    queued = and_(fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED)
    if send_at is not None:
        await tx.conn.execute(update(fax).where(queued, fax.c.send_at.is_(None)).values(send_at=send_at))
    await tx.conn.execute(update(fax).where(queued).values(due_at=at))
    rows = select(fax.c.id, fax.c.number, fax.c.send_at, fax.c.give_up_at).where(queued)
    for row in (await tx.conn.execute(rows)).all():
        due = schedule.earliest(row.number, row.send_at, at)
        if due > at:
            later = update(fax).where(fax.c.id == row.id)
            await tx.conn.execute(later.values(due_at=due, give_up_at=row.give_up_at + due - at))
            note = f"not before {written(due)}"
            await tx.conn.execute(insert(fax_event).values(fax_id=row.id, at=at, state=FaxState.QUEUED, note=note))


async def refused(
    tx: Tx, *, lease: Lease, headers: Headers, fates: Sequence[Fate], result: ResultClass, detail: str
) -> None:
    """All or nothing: the mail cannot be faxed whole, so none of its faxes goes."""
    await finish(
        tx, lease, due_at=None, state=MessageState.READY, subject=headers.subject, header_message_id=headers.message_id,
        header_references=headers.references, fates=[asdict(f) for f in fates],
    )  # fmt: skip
    open_faxes = select(fax.c.id).where(fax.c.message_id == lease.id, fax.c.state == FaxState.QUEUED)
    at = now()
    for fax_id in (await tx.conn.execute(open_faxes)).scalars().all():
        await tx.conn.execute(
            update(fax)
            .where(fax.c.id == fax_id)
            .values(state=FaxState.FAILED, result=result, detail=detail, ended_at=at, due_at=None, owner=None)
        )
        await tx.conn.execute(insert(fax_event).values(fax_id=fax_id, at=at, state=FaxState.FAILED, note=detail))
    await fax_ended(tx, lease.id)


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
    elif state == MessageState.REPORTED:
        changes |= {"state": MessageState.CORRECTING, "due_at": now()}
    await tx.conn.execute(update(message).where(of_this).values(**changes))
    tx.wake(REPORT.name)


async def faxes_of(conn: AsyncConnection, message_id: str) -> Sequence[Row[Any]]:
    return (await conn.execute(select(fax).where(fax.c.message_id == message_id).order_by(fax.c.id))).all()


def fates_of(row: Row[Any]) -> tuple[Fate, ...]:
    return tuple(Fate(**(one | {"kind": FateKind(one["kind"])})) for one in row.fates or ())


async def reported(tx: Tx, *, lease: Lease, revision: int, correction: bool, mail: outbox.NewMail | None) -> None:
    """The report is in the outbox. Raises :class:`LeaseLost` if a fax changed since the report was written."""
    current = (await tx.conn.execute(select(message.c.revision).where(lease.holds()).with_for_update())).scalar()
    if current != revision:
        raise LeaseLost(f"message {lease.id} changed while its report was written")
    state = MessageState.CORRECTED if correction else MessageState.REPORTED
    await finish(tx, lease, due_at=None, state=state)
    if mail:
        await outbox.put(tx, mail)
