"""The audit log: who did what, to whom, by which right. A line is written in the transaction of what it tells of.

The database itself refuses to change a line, and to delete one before its time (the triggers of migration 0009), so a
bug or a hasty hand cannot; only who may alter the schema can.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, String, cast, delete, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.acts import Act
from fax_bridge.fax import Instant, now
from fax_bridge.store.schema import audit, fax, message
from fax_bridge.store.tx import Tx

STEP = 50
"""Lines that are deleted at once."""


@dataclass(frozen=True, slots=True)
class Line:
    act: Act
    who: str
    """An envelope sender, or the account on this machine of the person at the command."""
    by_right: str
    """The entry of the settings that allowed it, and from where; for a person, what made them one who may."""
    about: str
    """The id of the message, fax, push or account."""
    keep: int
    """Milliseconds."""
    recipients: tuple[str, ...] = ()
    """E.164 digits, or what is kept at FaxMAX: ``book-ID``, ``contact-ID``; ``list`` is told with its numbers in the
    line of the document."""
    sha256: str = ""
    """Of the document."""
    detail: str = ""


async def record(tx: Tx, *lines: Line) -> None:
    if not lines:
        return
    at = now()
    await tx.conn.execute(
        insert(audit),
        [
            {
                "at": at, "act": line.act, "who": line.who, "by_right": line.by_right, "about": line.about,
                "recipients": list(line.recipients), "sha256": line.sha256, "detail": line.detail[:500],
                "keep_until": at + line.keep,
            }
            for line in lines
        ],
    )  # fmt: skip


async def with_fax(tx: Tx, line: Line) -> Line:
    """With the number and the document of the fax that it is about, if it is about one."""
    of_fax = select(fax.c.id, fax.c.number, fax.c.target, message.c.sha256).join(
        message, message.c.id == fax.c.message_id
    )
    row = (await tx.conn.execute(of_fax.where(fax.c.id == line.about.upper()))).first()
    return replace(line, about=row.id, recipients=(row.number or row.target,), sha256=row.sha256) if row else line


async def withdrawn(tx: Tx, ids: Sequence[str]) -> None:
    """These messages are taken back: their lines stay, and one more says so."""
    copied = ("who", "by_right", "about", "recipients", "sha256", "keep_until")
    detail = "its client was told to come again"
    source = select(literal(now()), literal("withdrawn"), literal(detail), *(audit.c[name] for name in copied))
    source = source.where(audit.c.about.in_(ids), audit.c.act == "accepted")
    await tx.conn.execute(insert(audit).from_select(["at", "act", "detail", *copied], source))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the log is to be shown; all of it has to hold."""

    limit: int
    who: str = ""
    """A part of it."""
    to: str = ""
    """The beginning of E.164 digits."""
    acts: tuple[str, ...] = ()
    about: str = ""
    since: Instant = 0
    until: Instant | None = None


async def listed(conn: AsyncConnection, wanted: Wanted) -> Sequence[Row[Any]]:
    """The newest lines first."""
    rows = select(audit).where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(audit.c.at < wanted.until)
    if wanted.who:
        rows = rows.where(audit.c.who.contains(wanted.who.lower(), autoescape=True))
    if wanted.to:
        rows = rows.where(cast(audit.c.recipients, String).contains(f'"{wanted.to}', autoescape=True))
    if wanted.acts:
        rows = rows.where(audit.c.act.in_(wanted.acts))
    if wanted.about:
        rows = rows.where(audit.c.about == wanted.about)
    return (await conn.execute(rows.order_by(audit.c.id.desc()).limit(wanted.limit))).all()


async def purge(tx: Tx) -> int:
    """Delete the lines whose time is over; how many they were."""
    old = select(audit.c.id).where(audit.c.keep_until < now()).limit(STEP)
    gone = await tx.conn.execute(delete(audit).where(audit.c.id.in_(old)))
    return gone.rowcount
