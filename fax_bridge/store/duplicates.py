"""Has this document gone to this number already? Asked where the settings want it, before the faxes may go."""

import zlib

from sqlalchemy import select, text

from fax_bridge.fax import FaxState, Instant
from fax_bridge.store.schema import fax, message
from fax_bridge.store.tx import Tx

_COUNTS = (FaxState.QUEUED, FaxState.SUBMITTING, FaxState.SUBMITTED, FaxState.UNKNOWN, FaxState.DELIVERED)
"""It is on its way, or there. One that failed, was cancelled or is itself held is no reason to ask."""


async def earlier(tx: Tx, *, message_id: str, sha256: str, since: Instant) -> dict[str, tuple[str, str, Instant]]:
    """By fax of this message that is queued: its number, the fax before it, and when that was accepted."""
    if tx.shared:  # the same document in the hand of another node, at the same moment
        lock = text("SELECT pg_advisory_xact_lock(:space, :n)")
        await tx.conn.execute(lock, {"space": 0x6661_7864, "n": zlib.crc32(sha256.encode()) % 1024})
    queued = select(fax.c.id, fax.c.number).where(fax.c.message_id == message_id, fax.c.state == FaxState.QUEUED)
    mine = (await tx.conn.execute(queued)).all()
    before = (
        select(fax.c.id, fax.c.number, fax.c.accepted_at)
        .join(message, message.c.id == fax.c.message_id)
        .where(message.c.sha256 == sha256, message.c.id != message_id, message.c.accepted_at >= since)
        .where(fax.c.number.in_([row.number for row in mine]), fax.c.state.in_(_COUNTS))
        .order_by(fax.c.accepted_at)
    )
    found = {row.number: row for row in (await tx.conn.execute(before)).all()}
    return {
        row.id: (row.number, found[row.number].id, found[row.number].accepted_at) for row in mine if row.number in found
    }
