"""One mail while it comes in: counted, digested, and staged in the store where it is too large to wait in memory.

Up to ``smtp.spool_memory`` bytes wait here for the commit that accepts them. Above it, pieces go to the store under the
id that the mail will have, one write at a time, and the client is not read on while two are due: the memory of a
session is the same whatever the size of its mail.
"""

import asyncio
import contextlib

import structlog
from ulid import ULID

from fax_bridge.email_to_fax.repeats import MailDigest
from fax_bridge.email_to_fax.smtp_data import BareNewlines
from fax_bridge.settings import Smtp
from fax_bridge.store import intake
from fax_bridge.store.store import Store

log = structlog.get_logger("smtp")

MOST_HELD = 2 * intake.PIECE
"""Bytes that wait behind a write under way before the client is made to wait."""

TOO_LARGE = "552 5.3.4 the mail is larger than {limit} bytes"
BARE_NEWLINE = "550 5.6.0 the mail has a CR or LF that stands alone"
LOCAL_ERROR = "451 4.3.0 local error, try again later"


class Incoming:
    """Give it the mail's bytes with :meth:`add`; then :meth:`finish` it, or :meth:`abandon` it. One of them, once."""

    def __init__(self, store: Store, settings: Smtp) -> None:
        self.id = str(ULID())
        self.size = 0
        self.digest = MailDigest()
        self.staged_pieces = 0
        self.staged_bytes = 0
        self.refusal = ""
        """The reply to give at the end; once there is one, the rest is read and thrown away."""
        self._store = store
        self._settings = settings
        self._held = bytearray()
        self._staging: asyncio.Task[None] | None = None
        self._newlines = BareNewlines() if settings.bare_newline == "reject" else None

    async def add(self, data: bytes | bytearray) -> None:
        """Take the next bytes; returns when more may be read from the client."""
        self.size += len(data)
        if self.size > self._settings.max_message_bytes:
            self._refuse(TOO_LARGE.format(limit=self._settings.max_message_bytes))
        if self.refusal:
            return
        self.digest.update(data)
        if self._newlines:
            self._newlines.feed(data)
        self._held += data
        due = self.size > self._settings.spool_memory and len(self._held) >= intake.PIECE
        # While one write is under way the next one grows: a busy store gets fewer and larger ones.
        if due and (self._staging is None or self._staging.done() or len(self._held) >= MOST_HELD):
            await self._spill()

    async def finish(self) -> bytes:
        """All has come: what is not staged. Where there is a :attr:`refusal` now, the mail is to be abandoned."""
        await self._staged()
        if self._newlines and self._newlines.found:
            self._refuse(BARE_NEWLINE)
        content = bytes(self._held)
        self._held.clear()
        return content

    async def abandon(self) -> None:
        """The mail was refused or its client went away: nothing of it stays. What fails here is purged at a start."""
        self._refuse(LOCAL_ERROR)
        await self._staged()
        if self.staged_pieces:
            with contextlib.suppress(Exception):
                await self._store.write_each(intake.unstage, self.id)

    async def _spill(self) -> None:
        """Begin to write all whole pieces, once the write before it is done."""
        await self._staged()
        if self.refusal:
            return
        length = len(self._held) // intake.PIECE * intake.PIECE
        data = bytes(memoryview(self._held)[:length])
        del self._held[:length]
        part = intake.Staged(self.id, self.staged_pieces, data)
        self._staging = asyncio.create_task(self._store.write_each(intake.stage, part))
        self.staged_pieces += length // intake.PIECE
        self.staged_bytes += length

    async def _staged(self) -> None:
        """Wait for the write under way. Where it failed, the client is told to come again."""
        if self._staging is None:
            return
        try:
            await asyncio.shield(self._staging)
        except Exception as fault:  # noqa: BLE001 — whatever the database had: the mail is not stored, so 451
            log.error("a piece of a mail could not be stored", id=self.id, why=reason_of(fault))
            self._refuse(LOCAL_ERROR)
        self._staging = None

    def _refuse(self, reply: str) -> None:
        self.refusal = self.refusal or reply
        self._held.clear()


def reason_of(fault: Exception) -> str:
    """The database's own words, without the statement and its values: they would show the mail."""
    reason = getattr(fault, "orig", None) or fault
    return f"{type(reason).__name__}: {reason}"
