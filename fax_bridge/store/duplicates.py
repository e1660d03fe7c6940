"""Has this document gone to this number already? Asked where the settings want it, before the faxes may go."""

import zlib

from sqlalchemy import or_, select, text

from fax_bridge.fax import FaxState, Instant
from fax_bridge.store.schema import fax, message
from fax_bridge.store.tx import Tx

_COUNTS = (FaxState.QUEUED, FaxState.SUBMITTING, FaxState.SUBMITTED, FaxState.UNKNOWN, FaxState.DELIVERED)
"""It is on its way, or there. One that failed, was cancelled or is itself held is no reason to ask."""


async def earlier(tx: Tx, *, message_id: str, sha256: str, since: Instant) -> dict[str, tuple[str, str, Instant]]:
    """By fax of this message that is queued: where it goes, the fax before it, and when that was accepted.

    Not those whose address asked for it again.
    """
    if tx.shared:  # the same document in the hand of another node, at the same moment
        lock = text("SELECT pg_advisory_xact_lock(:space, :n)")
        await tx.conn.execute(lock, {"space": 0x6661_7864, "n": zlib.crc32(sha256.encode()) % 1024})
    queued = select(fax.c.id, fax.c.number, fax.c.target, fax.c.options).where(
        fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED
    )
    mine = [row for row in (await tx.conn.execute(queued)).all() if not (row.options or {}).get("again")]
    numbers, targets = {row.number for row in mine if row.number}, {row.target for row in mine if row.target}
    before = (
        select(fax.c.id, fax.c.number, fax.c.target, fax.c.accepted_at)
        .join(message, message.c.id == fax.c.message_id)
        .where(message.c.sha256 == sha256, message.c.id != message_id, message.c.accepted_at >= since)
        .where(or_(fax.c.number.in_(numbers), fax.c.target.in_(targets)), fax.c.state.in_(_COUNTS))
        .order_by(fax.c.accepted_at)
    )
    # What FaxMAX keeps has no number that we know: there the same book or contact is the same destination.
    found = {place: row for row in (await tx.conn.execute(before)).all() for place in (row.number, row.target) if place}
    places = ((row.id, row.target or row.number) for row in mine)
    return {fax_id: (place, found[place].id, found[place].accepted_at) for fax_id, place in places if place in found}
