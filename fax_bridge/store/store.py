"""The store and its one writer.

All writes go through one task, which commits what many callers wait for in one transaction (group commit):
a commit costs one fsync, however many messages are in it. A caller's future resolves after the commit,
never before. Reads use connections of their own and never wait for the writer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.store.bell import Bell
from fax_bridge.store.engines import Engines, StoreBusy, engines_of
from fax_bridge.store.migrate import migrate

__all__ = ["Store", "StoreBusy", "Tx"]

T = TypeVar("T")

GROUP = 128
"""The most writes of one commit; more would make the first of them wait without saving the disk much."""


@dataclass(frozen=True, slots=True)
class Tx:
    """A write under way: its connection, and the queues to wake once it is on disk."""

    conn: AsyncConnection
    woken: set[str] = field(default_factory=set)

    def wake(self, queue: str) -> None:
        self.woken.add(queue)


@dataclass(frozen=True, slots=True)
class _Write(Generic[T]):
    work: Callable[[Tx], Awaitable[T]]
    done: "asyncio.Future[T]"


class Store:
    """One database. Use :meth:`open`; :meth:`write` to change it, :meth:`read` to look."""

    def __init__(self, engines: Engines, url: str) -> None:
        self._engines = engines
        self._queue: asyncio.Queue[_Write[Any] | None] = asyncio.Queue()
        self._wakers: dict[str, list[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self._bell = Bell(url, self._ring) if engines.shared else None

    @classmethod
    async def open(cls, url: str, *, exclusive: bool = True) -> "Store":
        """Open, migrate and start the writer. ``exclusive=False`` is for commands beside a running daemon.

        Raises :class:`StoreBusy` where another daemon holds the file, :class:`BridgeError` where the
        database cannot be opened or is newer than this program.
        """
        engines = await engines_of(url, exclusive=exclusive)
        store = cls(engines, url)
        if exclusive:
            try:
                await migrate(engines.writer)
            except BaseException:
                await store.close()
                raise
        store._task = asyncio.create_task(store._write_forever(), name="store writer")
        if store._bell and exclusive:
            store._bell.start()
        return store

    @property
    def shared(self) -> bool:
        """Whether other nodes may work on the same database."""
        return self._engines.shared

    async def close(self) -> None:
        """Finish the writes in hand, then let go of the database."""
        if self._task and not self._task.done():
            await self._queue.put(None)
            await self._task
        if self._bell:
            await self._bell.stop()
        await self._engines.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._engines.readers.connect() as conn:
            yield conn

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction and return its value once that is durable.

        What ``work`` raises comes back to the caller, undoes its own statements and nobody else's. It may
        run more than once (when a neighbour spoils the transaction), so it does nothing but database work.
        A caller that is cancelled while it waits does not stop the write.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Write(work, done))
        return await asyncio.shield(done)

    def waker(self, queue: str) -> asyncio.Event:
        """An event that is set whenever a commit brought work for that queue."""
        waker = asyncio.Event()
        self._wakers.setdefault(queue, []).append(waker)
        return waker

    @property
    def task(self) -> "asyncio.Task[None]":
        """The writer, which ends only with :meth:`close`."""
        if self._task is None:
            raise BridgeError("the store is not open")
        return self._task

    @property
    def healthy(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            stopping = None in group
            writes = [write for write in group if write is not None]
            if writes:
                await self._commit(writes)

    async def _commit(self, writes: list[_Write[Any]]) -> None:
        """One transaction for all of them, a savepoint for each; nobody hears of success before the commit."""
        woken: set[str] = set()
        try:
            async with self._engines.writer.begin() as conn:
                results = [await self._run(conn, write, woken) for write in writes]
                await _still_open(conn)
        except Spoiled as fault:
            # A full disk, say: SQLite undid all of it. Each by itself, the small ones may still find room.
            if len(writes) > 1:
                for write in writes:
                    await self._commit([write])
                return
            results, woken = [_Result(writes[0], None, fault.__cause__ or fault)], set()
        except Exception as fault:  # noqa: BLE001 — the commit failed: every caller has to hear of it
            results, woken = [_Result(write, None, fault) for write in writes], set()
        for result in results:
            result.tell()
        self._ring(woken)
        if self._bell and woken:
            self._bell.ring(woken)

    async def _run(self, conn: AsyncConnection, write: _Write[Any], woken: set[str]) -> "_Result":
        """One write inside the group. Raises :class:`Spoiled` when its fault ended the transaction of all."""
        tx = Tx(conn)
        try:
            async with conn.begin_nested():
                value = await write.work(tx)
        except Exception as fault:  # noqa: BLE001 — it is the caller's, and goes back to the caller
            await _still_open(conn, fault)
            return _Result(write, None, fault)
        woken |= tx.woken
        return _Result(write, value, None)

    def _ring(self, queues: Iterable[str]) -> None:
        for queue in queues:
            for waker in self._wakers.get(queue, ()):
                waker.set()


class Spoiled(BridgeError):
    """The database ended the transaction by itself; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class _Result:
    write: _Write[Any]
    value: Any
    fault: BaseException | None

    def tell(self) -> None:
        if self.write.done.cancelled():
            return
        if self.fault is not None:
            self.write.done.set_exception(self.fault)
        else:
            self.write.done.set_result(self.value)


async def _still_open(conn: AsyncConnection, cause: BaseException | None = None) -> None:
    """SQLite rolls everything back at a full disk or an I/O error (lang_transaction.html §3), and the driver's commit
    is then silent: without this look, callers would hear of a success that never was."""
    if conn.dialect.name == "sqlite":
        raw = await conn.get_raw_connection()
        if not getattr(raw.driver_connection, "in_transaction", False):
            raise Spoiled("the transaction was rolled back by the database") from cause
