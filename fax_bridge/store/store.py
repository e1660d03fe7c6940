"""The engine and its one writer.

All writes go through one task, which commits what many callers wait for in one transaction (group commit):
a commit costs one fsync, however many messages are in it. A caller's future resolves after the commit,
never before. Reads use connections of their own and never wait for the writer.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from fax_bridge.errors import BridgeError
from fax_bridge.store.migrate import migrate

T = TypeVar("T")

GROUP = 128
"""The most writes of one commit; more would make the first of them wait without saving the disk much."""


class StoreBusy(BridgeError):
    """Another daemon works on this database."""


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

    def __init__(self, writer: AsyncEngine, readers: AsyncEngine, lock: BinaryIO | None) -> None:
        self._writer = writer
        self._readers = readers
        self._lock = lock
        self._queue: asyncio.Queue[_Write[Any] | None] = asyncio.Queue()
        self._wakers: dict[str, list[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, exclusive: bool = True) -> "Store":
        """Open, migrate and start the writer. ``exclusive=False`` is for commands beside a running daemon.

        Raises :class:`StoreBusy` where another daemon holds the file, :class:`BridgeError` where the
        database cannot be opened or is newer than this program.
        """
        path = _path(url, must_exist=not exclusive)
        lock = _lock(path) if exclusive else None
        writer, readers = _engines(path)
        store = cls(writer, readers, lock)
        if exclusive:
            try:
                await migrate(writer)
            except BaseException:
                await store.close()
                raise
        store._task = asyncio.create_task(store._write_forever(), name="store writer")
        return store

    async def close(self) -> None:
        """Finish the writes in hand, then let go of the database."""
        if self._task and not self._task.done():
            await self._queue.put(None)
            await self._task
        await self._readers.dispose()
        await self._writer.dispose()
        if self._lock:
            self._lock.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._readers.connect() as conn:
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
        results: list[tuple[_Write[Any], Any, BaseException | None]] = []
        woken: set[str] = set()
        try:
            async with self._writer.begin() as conn:
                for write in writes:
                    tx = Tx(conn)
                    try:
                        async with conn.begin_nested():
                            value = await write.work(tx)
                    except Exception as fault:  # noqa: BLE001 — it is the caller's, and goes back to the caller
                        results.append((write, None, fault))
                    else:
                        results.append((write, value, None))
                        woken |= tx.woken
        except Exception as fault:  # noqa: BLE001 — the commit failed: every caller has to hear of it
            results = [(write, None, fault) for write in writes]
            woken = set()
        for write, value, error in results:
            if write.done.cancelled():
                continue
            if error is not None:
                write.done.set_exception(error)
            else:
                write.done.set_result(value)
        for queue in woken:
            for waker in self._wakers.get(queue, ()):
                waker.set()


def _path(url: str, *, must_exist: bool) -> Path:
    path = Path(url.removeprefix("sqlite:///"))
    if not path.parent.is_dir():
        raise BridgeError(f"store.url: {path.parent} is no directory. Make it, owned by the daemon's user.")
    if must_exist and not path.exists():
        raise BridgeError(f"store.url: {path} is not there yet. The daemon makes it at its first start.")
    return path


def _lock(path: Path) -> BinaryIO:
    """Hold ``<file>.lock`` for the life of the process; a killed one lets go of it by dying."""
    lock = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreBusy(
            f"store.url: another fax-bridge works on {path}. Stop it, or give this one a file of its own."
        ) from None
    return lock


def _engines(path: Path) -> tuple[AsyncEngine, AsyncEngine]:
    url = f"sqlite+aiosqlite:///{path}"
    writer = create_async_engine(url, poolclass=StaticPool, connect_args={"timeout": 30})
    readers = create_async_engine(url, pool_size=4, max_overflow=8, connect_args={"timeout": 30})
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (readers, "BEGIN")):
        event.listen(engine.sync_engine, "connect", _set_pragmas)
        event.listen(engine.sync_engine, "begin", _beginner(begin))
    return writer, readers


def _set_pragmas(dbapi_connection: Any, _record: object) -> None:
    # The driver's own transaction handling would commit before a savepoint; ours begins by the event below.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    # FULL: each commit is on disk before it returns, also in WAL mode. NORMAL would lose the last ones at a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _beginner(statement: str) -> Callable[[Any], None]:
    def begin(conn: Any) -> None:
        conn.exec_driver_sql(statement)

    return begin
