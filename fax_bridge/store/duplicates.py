"""Has this document gone to this number already? Asked where the settings want it, before the faxes may go."""

import zlib
from dataclasses import dataclass

from sqlalchemy import or_, select, text

from fax_bridge.fax import FaxState, Instant
from fax_bridge.store.schema import fax, message
from fax_bridge.store.tx import Tx

_COUNTS = (FaxState.QUEUED, FaxState.SUBMITTING, FaxState.SUBMITTED, FaxState.UNKNOWN, FaxState.DELIVERED)
"""It is on its way, or there. One that failed, was cancelled or is itself held is no reason to ask."""


@dataclass(frozen=True, slots=True)
class Earlier:
    number: str
    target: str
    """Where ``number`` is empty."""
    fax_id: str
    accepted_at: Instant


async def earlier(tx: Tx, *, message_id: str, sha256: str, since: Instant) -> dict[str, Earlier]:
    """By fax of this message that is queued: where it goes, the fax before it, and when that was accepted.

    Not those whose address asked for it again.
    """
    if tx.shared:  # the same document in the hand of another node, at the same moment
        lock = text("SELECT pg_advisory_xact_lock(:space, :n)")
        await tx.conn.execute(lock, {"space": 0x6661_7864, "n": zlib.crc32(sha256.encode()) % 1024})
    mine = select(fax.c.id, fax.c.number, fax.c.target, fax.c.options)
    mine = mine.where(fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED)
    rows = [row for row in (await tx.conn.execute(mine)).all() if not (row.options or {}).get("again")]
    # All phone books have the empty number, until FaxMAX names one: they are the same where the target is.
    numbers = [row.number for row in rows if row.number]
    targets = [row.target for row in rows if not row.number]
    before = (
        select(fax.c.id, fax.c.number, fax.c.target, fax.c.accepted_at)
        .join(message, message.c.id == fax.c.message_id)
        .where(message.c.sha256 == sha256, message.c.id != message_id, message.c.accepted_at >= since)
        .where(or_(fax.c.number.in_(numbers), fax.c.target.in_(targets)), fax.c.state.in_(_COUNTS))
        .order_by(fax.c.accepted_at)
    )
    found = {key: one for one in (await tx.conn.execute(before)).all() for key in (one.number, one.target) if key}
    return {
        row.id: Earlier(row.number, row.target, one.id, one.accepted_at)
        for row in rows
        if (one := found.get(row.number or row.target)) is not None
    }
