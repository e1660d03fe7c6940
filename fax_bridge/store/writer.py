"""The one writer: takes what many callers want written, and commits it together.

Writes of one kind share their statements; each kind has a savepoint, so that what fails undoes itself and nothing
else. Nobody hears of a success before it is on disk.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.store.commits import (
    AGAIN,
    Doubt,
    OutcomeUnknown,
    came_through,
    need_not_be_on_disk,
    settled,
    transaction_id,
)
from fax_bridge.store.engines import Engines
from fax_bridge.store.tx import Tx, Write

GROUP = 128
"""The most writes of one commit; more would make the first of them wait without saving the disk much."""

SETTLES_WITHIN = 60.0
"""Seconds for which the callers of a lost commit wait to learn what became of it. SMTP clients wait ten minutes for the
reply to their mail (RFC 5321 §4.5.3.2.6), and a "come again" for a mail that is in is worse than a late answer."""


class Writer:
    """Runs as one task, :meth:`run`. ``committed`` is called after each commit with the queues that got work."""

    def __init__(self, engines: Engines, node: str, committed: Callable[[set[str]], None]) -> None:
        self._engines = engines
        self._node = node
        self._committed = committed
        self._queue: asyncio.Queue[Write | None] = asyncio.Queue()
        self._doubts: list[Doubt] = []
        self._later: list[Write] = []
        """Writes in the background that found the database away."""
        self._try_at = 0.0
        self._closing = asyncio.Event()

    def put(self, write: Write) -> None:
        self._queue.put_nowait(write)

    def close(self) -> None:
        """Commit what is waiting, and what is to follow it, then end."""
        self._closing.set()
        self._queue.put_nowait(None)

    async def run(self) -> None:
        closing = False
        while not (closing and self._queue.empty()):  # what is tried later is given up then
            group = [await self._first()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            closing = closing or None in group
            if writes := [write for write in group if write is not None]:
                await self._commit(writes)

    async def _first(self) -> Write | None:
        """The next write, once there is one; in between, what waits for a database that was away is tried again."""
        clock = asyncio.get_running_loop().time
        while self._doubts or self._later:
            if clock() >= self._try_at:
                self._try_at = clock() + AGAIN
                later, self._later = self._later, []
                for write in later:
                    self.put(write)
                await self._undo()
            # Not wait_for(): before Python 3.12 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._try_at):
                    return await self._queue.get()
        return await self._queue.get()

    async def _commit(self, writes: list[Write]) -> None:
        xid, tx = None, None
        try:
            async with self._engines.writer.begin() as conn:
                tx = Tx(conn, self._node)
                durable = any(write.durable for write in writes)
                if not durable:
                    await need_not_be_on_disk(conn)
                for alike in _by_kind(writes):
                    await self._run(tx, alike)
                await _still_open(conn)
                xid = await transaction_id(conn) if durable else None
        except Spoiled as fault:
            # A full disk, say: SQLite undid all of it. Each by itself, the small ones may still find room.
            if len(writes) > 1:
                for write in writes:
                    await self._commit([write])
                return
            tx = None
            writes[0].fail(fault.__cause__ or fault)
        except Exception as fault:  # noqa: BLE001 — the commit failed: every caller has to hear of it
            known = await self._settled(xid) if xid else False
            if not known:
                if xid and tx and known is None:
                    self._doubts.append(Doubt(xid, tx.undoing))
                    fault = OutcomeUnknown(f"the database was lost in a commit: {type(fault).__name__}")
                tx = None
                for write in writes:
                    write.fail(fault)
        for write in writes:
            if write.done is None and write.fault is not None and is_away(write.fault):
                self._later.append(write)
            else:
                write.tell()
        if tx:
            self._after(tx)

    def _after(self, tx: Tx) -> None:
        """It is on disk: what is to follow may follow."""
        for write in tx.following:
            self.put(write)
        self._committed(tx.woken)

    async def _run(self, tx: Tx, writes: list[Write]) -> None:
        """Writes of one kind. Raises :class:`Spoiled` when their fault ended the transaction of all."""
        part = tx.part()
        try:
            async with tx.conn.begin_nested():
                values = await writes[0].work(part, [write.item for write in writes])
                if len(writes) == 1 and isinstance(values[0], Exception):
                    raise values[0]
        except Exception as fault:  # noqa: BLE001 — it is the caller's, and goes back to the caller
            await _still_open(tx.conn, fault)
            if len(writes) == 1:
                writes[0].fail(fault)
                return
            for write in writes:
                await self._run(tx, [write])
            return
        for write, value in zip(writes, values, strict=True):
            write.value, write.fault = (None, value) if isinstance(value, Exception) else (value, None)
        tx.add(part)

    # --- commits in doubt -----------------------------------------------------------------------------

    async def _settled(self, xid: str) -> bool | None:
        return await settled(self._engines.readers, xid, SETTLES_WITHIN, self._closing)

    async def _undo(self) -> None:
        """Take back what came through although its callers were told otherwise, before anything new is written."""
        doubts, self._doubts = self._doubts, []
        for doubt in doubts:
            known = await came_through(self._engines.readers, doubt.xid)
            if known is None:
                self._doubts.append(doubt)
            elif known:
                for write in doubt.undoing:
                    self.put(write)


class Spoiled(BridgeError):
    """The database ended the transaction by itself; nothing of it is kept."""


def _by_kind(writes: Iterable[Write]) -> list[list[Write]]:
    kinds: dict[object, list[Write]] = {}
    for write in writes:
        kinds.setdefault(write.work, []).append(write)
    return list(kinds.values())


_PASSING = ("08", "40", "53", "57P")
"""Classes of SQLSTATE of which the statement is innocent: the connection, a deadlock of two nodes, room and memory, a
server that stops or starts (PostgreSQL manual, appendix A)."""


def is_away(fault: BaseException) -> bool:
    """Whether the database, rather than the statement, is at fault."""
    if isinstance(fault, DBAPIError):
        passing = str(getattr(fault.orig, "sqlstate", None) or "").startswith(_PASSING)
        if passing or fault.connection_invalidated:
            return True
    return isinstance(fault, OperationalError | InterfaceError | OSError | OutcomeUnknown)


async def _still_open(conn: AsyncConnection, cause: BaseException | None = None) -> None:
    """SQLite rolls everything back at a full disk or an I/O error (lang_transaction.html §3), and the driver's commit
    is then silent: without this look, callers would hear of a success that never was."""
    if conn.dialect.name == "sqlite":
        raw = await conn.get_raw_connection()
        if not getattr(raw.driver_connection, "in_transaction", False):
            raise Spoiled("the transaction was rolled back by the database") from cause
