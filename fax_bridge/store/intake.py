"""A mail becomes rows: the instant of acceptance, and the pieces that come before it.

Written for many mails at once (:meth:`fax_bridge.store.store.Store.write_each`): a statement for each table, whatever
their number. On PostgreSQL another node could take a message before its own node knows that the commit came through,
so it is *guarded* at first, that is, leased to the node that took it in; the next commit lets it go. If the client was
told to come again meanwhile, the guarded message is withdrawn, unless the client's repeat has adopted it.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from ulid import ULID

from fax_bridge.errors import Temporary
from fax_bridge.fax import FaxState, Instant, MailDsn, MessageState, NoticeKind, RcptDsn, now
from fax_bridge.store import audit, quota
from fax_bridge.store.messages import PREPARE
from fax_bridge.store.notices import delayed_id
from fax_bridge.store.schema import fax, fax_event, message, message_piece, notice
from fax_bridge.store.store import Store
from fax_bridge.store.tx import Tx

PIECE = 128 * 1024
"""Bytes of one stored piece of a mail."""

GUARD_MS = 120_000
"""How long a message waits for the node that took it in, should that die between its commit and the next one. Longer
than a node waits for a lost commit to be settled (:data:`fax_bridge.store.writer.SETTLES_WITHIN`)."""

GUARDED = " intake"
"""Ends the lease owner's name of a message that its node may still withdraw."""

_REPEAT_LOCKS = 1024
"""Locks that stand for all repeat keys: nodes that take in the same mail at the same moment wait for each other."""

_MOST_KEYS = 1000
"""Repeat keys that are looked up by one statement; a database takes some 30,000 parameters at the most."""


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
    target: str = ""
    """What is no number (:class:`fax_bridge.fax.TargetKind`); then ``number`` is empty."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What its address asks for; it goes before what the mail or its sender has."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    id: str
    account: str
    mail_from: str
    client: str
    content: bytes
    """The mail, or its end, where the pieces before it are staged already."""
    language: str
    options: dict[str, Any]
    give_up_at: Instant
    faxes: tuple[NewFax, ...]
    staged_pieces: int = 0
    staged_bytes: int = 0
    spooled_bytes: int = 0
    """Where it is a file of the spool, its size; then there is nothing else of it."""
    dsn: MailDsn = field(default_factory=MailDsn)
    reports: Mapping[str, Any] | None = None
    """:meth:`fax_bridge.report_wishes.ReportWishes.stored` of its sender."""
    delay_after: int | None = None
    """Milliseconds after which its sender wants to hear of a fax that is late; ``None``: never."""
    repeat_window: int = 0
    """Milliseconds; a recipient whose fax was accepted less than that ago gets no second one."""
    preview: bool = False
    """Nothing is to be faxed: ``faxes`` are kept with the message, and no row of them is made."""
    charges: tuple[quota.Charge, ...] = ()
    """What its faxes that are new take from the limits."""
    line: audit.Line | None = None
    """Of the audit log; its recipients are those that get a fax, or of a preview would get one."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an accepted mail: the faxes that are new, and those that it only repeats."""

    message_id: str
    faxes: tuple[NewFax, ...]
    repeated: tuple[str, ...]
    """Ids of faxes of an earlier message that this mail asks for again, because its client never heard our 250."""


async def accept(tx: Tx, news: Sequence[NewMessage]) -> Sequence[Accepted | Exception]:
    """Each message and one fax per number; once this is committed, the clients get their 250.

    A mail that asks for a preview is a message without faxes.
    If all recipients of a mail are repeats, no message is kept at all. A :class:`Temporary` for a mail of which some
    staged pieces are gone (purged, because the clock jumped): its client keeps it. A :class:`quota.OverLimit` for one
    that a limit leaves no room for: nothing of it is kept or counted.
    """
    at = now()
    torn = await _torn(tx, news)
    known = await _accepted_before(tx, news, at)
    outcomes: list[Accepted | Exception] = []
    kept: list[tuple[NewMessage, tuple[NewFax, ...]]] = []
    for new in news:
        if new.id in torn:
            outcomes.append(Temporary(f"message {new.id}: some of its staged pieces are gone"))
            continue
        fresh, repeated = _divided(new, known, at)
        outcomes.append(Accepted(new.id, fresh, repeated))
        if fresh:
            kept.append((new, fresh))
    if any(new.charges for new, _ in kept):
        kept, outcomes = await _within_limits(tx, kept, outcomes)
    await _insert(tx, kept, at)
    ids = {new.id for new, _ in kept}
    await unstage(tx, [new.id for new in news if new.staged_pieces and new.id not in ids | torn])
    return outcomes


async def _within_limits(
    tx: Tx, kept: list[tuple[NewMessage, tuple[NewFax, ...]]], outcomes: list[Accepted | Exception]
) -> tuple[list[tuple[NewMessage, tuple[NewFax, ...]]], list[Accepted | Exception]]:
    """Those that the limits leave room for; the others' outcome says which one does not.

    A mail that repeats one of these others, in the same commit, was accepted on the strength of it: it is over too.
    """
    overs = await quota.charge(tx, [(new.charges, [one.number for one in fresh]) for new, fresh in kept])
    over_of = {new.id: over for (new, _), over in zip(kept, overs, strict=True) if over}
    gone = {one.id: over_of[new.id] for new, fresh in kept if new.id in over_of for one in fresh}
    judged: list[Accepted | Exception] = []
    for outcome in outcomes:
        if isinstance(outcome, Accepted):
            repeats = next((gone[fax_id] for fax_id in outcome.repeated if fax_id in gone), None)
            over = over_of.get(outcome.message_id) or repeats
            if over:
                over_of[outcome.message_id] = over
                judged.append(over)
                continue
        judged.append(outcome)
    return [(new, fresh) for new, fresh in kept if new.id not in over_of], judged


def _divided(
    new: NewMessage, known: dict[str, tuple[str, Instant]], at: Instant
) -> tuple[tuple[NewFax, ...], tuple[str, ...]]:
    """Its faxes that are new, and the ids of those that it repeats; what is new is known from here on."""
    fresh, repeated = [], []
    for one in new.faxes:
        fax_id, accepted_at = known.get(one.repeat_key, ("", 0))
        if new.repeat_window and fax_id and accepted_at >= at - new.repeat_window:
            repeated.append(fax_id)
            continue
        fresh.append(one)
        if new.repeat_window and one.repeat_key:
            known[one.repeat_key] = (one.id, at)
    return tuple(fresh), tuple(repeated)


async def _torn(tx: Tx, news: Sequence[NewMessage]) -> set[str]:
    """The mails of which not every staged piece is there any more."""
    staged = {new.id: new.staged_pieces for new in news if new.staged_pieces}
    if not staged:
        return set()
    counts = select(message_piece.c.message_id, func.count().label("pieces"))
    counts = counts.where(message_piece.c.message_id.in_(staged)).group_by(message_piece.c.message_id)
    found = {row.message_id: row.pieces for row in (await tx.conn.execute(counts)).all()}
    return {message_id for message_id, pieces in staged.items() if found.get(message_id) != pieces}


async def _accepted_before(tx: Tx, news: Sequence[NewMessage], at: Instant) -> dict[str, tuple[str, Instant]]:
    """By repeat key, the newest fax that has it, and when it was accepted. Guarded messages among them are adopted:
    the client's repeat gets its 250, so they must not be withdrawn any more."""
    since = at - max(new.repeat_window for new in news)
    keys = sorted({one.repeat_key for new in news if new.repeat_window for one in new.faxes if one.repeat_key})
    known: dict[str, tuple[str, Instant]] = {}
    guarded: set[str] = set()
    if keys and tx.shared:
        await wait_for_others(tx, keys)
    for start in range(0, len(keys), _MOST_KEYS):
        rows = (
            select(fax.c.repeat_key, fax.c.id, fax.c.accepted_at, message.c.id.label("message_id"), message.c.owner)
            .join(message, message.c.id == fax.c.message_id)
            .where(fax.c.repeat_key.in_(keys[start : start + _MOST_KEYS]), fax.c.accepted_at >= since)
            .order_by(fax.c.accepted_at)
        )
        if tx.shared:
            rows = rows.with_for_update(of=message)
        for row in (await tx.conn.execute(rows)).all():
            known[row.repeat_key] = (row.id, row.accepted_at)
            if row.owner and row.owner.endswith(GUARDED):
                guarded.add(row.message_id)
    if guarded:
        freed = update(message).where(message.c.id.in_(guarded), message.c.owner.endswith(GUARDED))
        await tx.conn.execute(freed.values(owner=None, due_at=at))
        tx.wake(PREPARE.name)
    return known


async def wait_for_others(tx: Tx, keys: Iterable[str]) -> None:
    """Another node may be committing the same mail right now: its row is seen once its lock is free."""
    locks = sorted({zlib.crc32(key.encode()) % _REPEAT_LOCKS for key in keys})
    waited = text("SELECT pg_advisory_xact_lock(:space, n) FROM unnest(CAST(:locks AS int[])) AS n ORDER BY n")
    await tx.conn.execute(waited, {"space": 0x6661_7862, "locks": locks})


async def _insert(tx: Tx, kept: Sequence[tuple[NewMessage, tuple[NewFax, ...]]], at: Instant) -> None:
    if not kept:
        return
    lease = {"owner": tx.node + GUARDED, "due_at": at + GUARD_MS} if tx.shared else {"owner": None, "due_at": at}
    await tx.conn.execute(
        insert(message),
        [
            {
                "id": new.id, "account": new.account, "state": MessageState.ACCEPTED, "accepted_at": at,
                "mail_from": new.mail_from, "client": new.client,
                "size": new.spooled_bytes or new.staged_bytes + len(new.content),
                "spooled": int(new.spooled_bytes > 0), "language": new.language, "options": new.options,
                "dsn_ret": new.dsn.ret, "dsn_envid": new.dsn.envid, "reports": new.reports, **lease,
                "preview": [_previewed(one) for one in faxes] if new.preview else None,
            }
            for new, faxes in kept
        ],
    )  # fmt: skip
    in_rows = [new for new, _ in kept if not new.spooled_bytes]
    if pieces := [piece for new in in_rows for piece in _pieces(new.id, new.staged_pieces, new.content)]:
        await tx.conn.execute(insert(message_piece), pieces)
    if faxed := [(new, faxes) for new, faxes in kept if not new.preview]:
        await _insert_faxes(tx, faxed, at)
    places = [(new.line, tuple(one.number or one.target for one in faxes)) for new, faxes in kept]
    await audit.record(tx, *(replace(line, recipients=told) for line, told in places if line))
    _announce(tx, [new.id for new, _ in kept])


def _previewed(one: NewFax) -> dict[str, object]:
    told = {"number": one.number, "target": one.target, "options": dict(one.options)}
    return told | {"recipients": list(one.recipients), "send_at": one.send_at}


async def _insert_faxes(tx: Tx, kept: Sequence[tuple[NewMessage, tuple[NewFax, ...]]], at: Instant) -> None:
    await tx.conn.execute(
        insert(fax),
        [
            {
                "id": one.id, "message_id": new.id, "account": new.account, "number": one.number,
                "recipients": list(one.recipients), "state": FaxState.QUEUED, "accepted_at": at,
                "repeat_key": one.repeat_key, "give_up_at": new.give_up_at, "send_at": one.send_at,
                "target": one.target, "options": dict(one.options) or None,
                "dsn": {address: asdict(dsn) for address, dsn in one.dsn.items()} or None,
            }
            for new, faxes in kept
            for one in faxes
        ],
    )  # fmt: skip
    late = [(new.id, new.delay_after) for new, _ in kept if new.delay_after is not None]
    if late:
        notices = [
            {
                "id": delayed_id(message_id), "message_id": message_id, "kind": NoticeKind.DELAYED, "created_at": at,
                "due_at": at + after,
            }
            for message_id, after in late
        ]  # fmt: skip
        await tx.conn.execute(insert(notice), notices)
    noted = [
        {"fax_id": one.id, "at": at, "state": FaxState.QUEUED, "note": "accepted"} for _, faxes in kept for one in faxes
    ]
    await tx.conn.execute(insert(fax_event), noted)


def _announce(tx: Tx, ids: Sequence[str]) -> None:
    """To the workers at once, or, where other nodes share the database, once the commit is known to be on disk."""
    if not tx.shared:
        tx.wake(PREPARE.name)
        return
    for message_id in ids:
        tx.follow(let_go, message_id)
        tx.undo(withdraw, message_id)


async def let_go(tx: Tx, ids: Sequence[str]) -> Sequence[None]:
    """The commit of these messages is known to be on disk: any node may work on them."""
    mine = update(message).where(message.c.id.in_(ids), message.c.owner == tx.node + GUARDED)
    await tx.conn.execute(mine.values(owner=None, due_at=now()))
    tx.wake(PREPARE.name)
    return [None] * len(ids)


async def withdraw(tx: Tx, ids: Sequence[str]) -> Sequence[bool]:
    """Their commit came through, but their clients were told to come again: nothing of them stays, or the repeat would
    be a second fax once the window for repeats is over. True for each that was still guarded."""
    guarded = select(message.c.id).where(message.c.id.in_(ids), message.c.owner == tx.node + GUARDED)
    gone = list((await tx.conn.execute(guarded.with_for_update())).scalars())
    of_these = select(fax.c.id).where(fax.c.message_id.in_(gone))
    await tx.conn.execute(delete(fax_event).where(fax_event.c.fax_id.in_(of_these)))
    await tx.conn.execute(delete(fax).where(fax.c.message_id.in_(gone)))
    await tx.conn.execute(delete(message_piece).where(message_piece.c.message_id.in_(gone)))
    await tx.conn.execute(delete(notice).where(notice.c.message_id.in_(gone)))
    await tx.conn.execute(delete(message).where(message.c.id.in_(gone)))
    await audit.withdrawn(tx, gone)
    return [message_id in gone for message_id in ids]


# --- pieces that come before the message -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Staged:
    """A part of a mail that is still coming in, under the id that it will have."""

    message_id: str
    first: int
    """The number of its first piece."""
    data: bytes


async def stage(tx: Tx, parts: Sequence[Staged]) -> Sequence[None]:
    pieces = [piece for part in parts for piece in _pieces(part.message_id, part.first, part.data)]
    await tx.conn.execute(insert(message_piece), pieces)
    return [None] * len(parts)


async def unstage(tx: Tx, ids: Sequence[str]) -> Sequence[None]:
    """The mail was refused, or its client went away."""
    if ids:
        await tx.conn.execute(delete(message_piece).where(message_piece.c.message_id.in_(ids)))
    return [None] * len(ids)


def _pieces(message_id: str, first: int, data: bytes) -> list[dict[str, object]]:
    starts = range(0, max(len(data), 1), PIECE)
    return [
        {"message_id": message_id, "seq": seq, "data": data[start : start + PIECE]}
        for seq, start in enumerate(starts, first)
    ]


async def content(store: Store, message_id: str) -> bytes:
    """The mail as it came, with CRLF line ends; empty where it is purged. Raises ``OSError`` where the spool fails."""
    async with store.read() as conn:
        spooled = (await conn.execute(select(message.c.spooled).where(message.c.id == message_id))).scalar()
        if not spooled or not store.spool:
            pieces = select(message_piece.c.data).where(message_piece.c.message_id == message_id)
            return b"".join((await conn.execute(pieces.order_by(message_piece.c.seq))).scalars())
    return await store.spool.read(message_id)


async def header(store: Store, message_id: str) -> bytes:
    """The mail's header, as far as it stands in its first piece; empty where it is purged. Raises as above."""
    async with store.read() as conn:
        spooled = (await conn.execute(select(message.c.spooled).where(message.c.id == message_id))).scalar()
        if not spooled or not store.spool:
            first = select(message_piece.c.data).where(message_piece.c.message_id == message_id)
            data = (await conn.execute(first.order_by(message_piece.c.seq).limit(1))).scalar()
            return bytes(data or b"").partition(b"\r\n\r\n")[0]
    return (await store.spool.head(message_id, PIECE)).partition(b"\r\n\r\n")[0]


async def staged(store: Store, message_id: str) -> bytes:
    """The pieces that are in the database of a mail that is no message yet."""
    pieces = select(message_piece.c.data).where(message_piece.c.message_id == message_id)
    async with store.read() as conn:
        return b"".join((await conn.execute(pieces.order_by(message_piece.c.seq))).scalars())


async def purge_incomplete(store: Store, *, before: Instant) -> int:
    """Drop what is there of mails that began before that instant and never became messages, and the spooled mails
    whose content is purged; how many they were."""
    rows = await store.write(partial(purge_staged, before=before))
    if not store.spool:
        return rows
    async with store.read() as conn:
        kept = set((await conn.execute(select(message.c.id).where(message.c.spooled == 1))).scalars())
    return rows + await store.spool.sweep(kept, before=before)


async def purge_staged(tx: Tx, *, before: Instant) -> int:
    """The pieces in the database; how many they were."""
    oldest_kept = str(ULID.from_timestamp(before / 1000))[:10]  # the time of a ULID is its first ten letters
    orphaned = message_piece.c.message_id.not_in(select(message.c.id))
    gone = await tx.conn.execute(delete(message_piece).where(message_piece.c.message_id < oldest_kept, orphaned))
    return gone.rowcount
