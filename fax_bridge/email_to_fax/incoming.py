"""One mail while it comes in: counted, digested, and given to the store where it is too large to wait in memory.

Up to ``smtp.spool_memory`` bytes wait here for the commit that accepts them. Above it they go to the spool, or on
PostgreSQL as staged pieces to the database, under the id that the mail will have; one write at a time, and the client
is not read on while more is due: the memory of a session is the same whatever the size of its mail.
"""

import asyncio
import contextlib
import errno

import structlog
from ulid import ULID

from fax_bridge.email_to_fax.repeats import MailDigest
from fax_bridge.email_to_fax.smtp_data import BareNewlines
from fax_bridge.settings import Smtp
from fax_bridge.store import intake
from fax_bridge.store.store import Store

log = structlog.get_logger("smtp")

TOO_LARGE = "552 5.3.4 the mail is larger than {limit} bytes"
BARE_NEWLINE = "550 5.6.0 the mail has a CR or LF that stands alone"
LOCAL_ERROR = "451 4.3.0 local error, try again later"
NO_ROOM = "452 4.3.1 no room for mail at present, try again later"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Incoming:
    """Give it the mail's bytes with :meth:`add`; then :meth:`finish` it, or :meth:`abandon` it. One of them, once."""

    def __init__(self, store: Store, settings: Smtp, size_limit: int | None = None) -> None:
        """``size_limit``: the bytes that this mail may have, where they are fewer than the site's."""
        self.id = str(ULID())
        self.size = 0
        self.digest = MailDigest()
        self.staged_pieces = 0
        self.staged_bytes = 0
        self.spooled_bytes = 0
        self.refusal = ""
        """The reply to give at the end; once there is one, the rest is read and thrown away."""
        self._store = store
        self._settings = settings
        self._size_limit = settings.max_message_bytes if size_limit is None else size_limit
        self._held = bytearray()
        """Waits; behind a write under way no more than ``_most_held`` bytes, then the client is made to wait."""
        self._writing: asyncio.Task[None] | None = None
        self._file = store.spool.begin(self.id) if store.spool else None
        # A file takes its bytes at once; the database takes those of all sessions in turn, fewer times if more wait.
        self._most_held = intake.PIECE if self._file else 2 * intake.PIECE
        self._newlines = BareNewlines() if settings.bare_newline == "reject" else None

    @property
    def in_store(self) -> bool:
        """Whether its beginning is in the store already."""
        return bool(self.spooled_bytes or self.staged_bytes)

    async def add(self, data: bytes | bytearray) -> None:
        """Take the next bytes; returns when more may be read from the client."""
        self.size += len(data)
        if self.size > self._size_limit:
            self._refuse(TOO_LARGE.format(limit=self._size_limit))
        if self.refusal:
            return
        self.digest.update(data)
        if self._newlines:
            self._newlines.feed(data)
        self._held += data
        due = self.size > self._settings.spool_memory and len(self._held) >= intake.PIECE
        # While one write is under way the next one grows: a busy store gets fewer and larger ones.
        if due and (self._writing is None or self._writing.done() or len(self._held) >= self._most_held):
            await self._spill()

    async def finish(self) -> bytes:
        """All has come, and what is outside the database is on disk: what is still to be committed.

        Where there is a :attr:`refusal` now, the mail is to be abandoned.
        """
        if self.spooled_bytes:
            await self._spill()
        await self._written()
        if self._newlines and self._newlines.found:
            self._refuse(BARE_NEWLINE)
        if self._file and self.spooled_bytes and not self.refusal:
            self._writing = asyncio.create_task(self._file.sync())
            await self._written()
        content = bytes(self._held)
        self._held.clear()
        return content

    async def whole(self, content: bytes) -> bytes:
        """The mail from its beginning; ``content`` is what :meth:`finish` gave. Raises what the store or spool does."""
        if self.spooled_bytes and self._store.spool:
            return await self._store.spool.read(self.id)
        return await intake.staged(self._store, self.id) + content if self.staged_pieces else content

    async def abandon(self) -> None:
        """The mail was refused, its client went away, or it is kept already: nothing of it stays. What fails here is
        purged later."""
        self._refuse(LOCAL_ERROR)
        await self._written()
        with contextlib.suppress(Exception):
            if self._file and self.spooled_bytes:
                await self._file.discard()
            elif self.staged_pieces:
                await self._store.write_each(intake.unstage, self.id)

    async def _spill(self) -> None:
        """Begin to write what is held, once the write before it is done."""
        await self._written()
        if self.refusal:
            return
        if self._file:
            data, self._held = self._held, bytearray()
            self.spooled_bytes += len(data)
            self._writing = asyncio.create_task(self._file.write(data))
            return
        length = len(self._held) // intake.PIECE * intake.PIECE
        part = intake.Staged(self.id, self.staged_pieces, bytes(memoryview(self._held)[:length]))
        del self._held[:length]
        self._writing = asyncio.create_task(self._store.write_each(intake.stage, part, durable=False))
        self.staged_pieces += length // intake.PIECE
        self.staged_bytes += length

    async def _written(self) -> None:
        """Wait for the write under way. Where it failed, the client is told to come again."""
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except Exception as fault:  # noqa: BLE001 — whatever the disk or the database had: the mail is not stored
            log.error("a piece of a mail could not be stored", id=self.id, why=reason_of(fault))
            is_full = isinstance(fault, OSError) and fault.errno in _FULL
            self._refuse(NO_ROOM if is_full else LOCAL_ERROR)
        self._writing = None

    def _refuse(self, reply: str) -> None:
        self.refusal = self.refusal or reply
        self._held.clear()


def reason_of(fault: Exception) -> str:
    """The database's own words, without the statement and its values: they would show the mail."""
    reason = getattr(fault, "orig", None) or fault
    return f"{type(reason).__name__}: {reason}"
