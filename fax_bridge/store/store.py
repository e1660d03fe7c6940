"""The store: one database, one writer.

All writes go through one task, which commits what many callers wait for in one transaction (group commit,
:mod:`fax_bridge.store.writer`): a commit costs one fsync, however many messages are in it. Reads use connections of
their own and never wait for the writer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.store.bell import Bell
from fax_bridge.store.checkpoints import Checkpoints
from fax_bridge.store.commits import AGAIN, OutcomeUnknown
from fax_bridge.store.engines import Engines, StoreBusy, engines_of
from fax_bridge.store.lease import owner_name
from fax_bridge.store.migrate import migrate
from fax_bridge.store.spool import Spool, spool_of
from fax_bridge.store.tx import EachWork, Item, Tx, Value, Write
from fax_bridge.store.writer import Writer, is_away

__all__ = ["OutcomeUnknown", "Store", "StoreBusy", "Tx"]

T = TypeVar("T")

log = structlog.get_logger("store")


class Store:
    """One database. Use :meth:`open`; :meth:`write` to change it, :meth:`read` to look."""

    def __init__(self, engines: Engines, url: str) -> None:
        self._engines = engines
        self._writer = Writer(engines, owner_name(), self._committed)
        self._wakers: dict[str, list[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None
        self._bell = Bell(url, self._ring) if engines.shared else None
        self._checkpoints = Checkpoints(engines.file) if engines.file else None
        self.spool = Spool(spool_of(engines.file)) if engines.file else None
        """Where large mails are, if not in the database."""

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
        store._task = asyncio.create_task(store._writer.run(), name="store writer")
        if exclusive:
            for helper in (store._bell, store._checkpoints):
                if helper:
                    helper.start()
        return store

    @property
    def shared(self) -> bool:
        """Whether other nodes may work on the same database."""
        return self._engines.shared

    async def close(self) -> None:
        """Finish the writes in hand, then let go of the database."""
        if self._task and not self._task.done():
            self._writer.close()
            await self._task
        for helper in (self._bell, self._checkpoints):
            if helper:
                await helper.stop()
        if self.spool:
            self.spool.close()
        await self._engines.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        async with self._engines.readers.connect() as conn:
            yield conn

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction and return its value once that is durable.

        What ``work`` raises comes back to the caller, undoes its own statements and nobody else's. It may
        run more than once (when a neighbour spoils the transaction), so it does nothing but database work.
        A caller that is cancelled while it waits does not stop the write. Raises :class:`OutcomeUnknown` where
        the connection was lost in the very commit and the database did not come back in time.
        """

        async def alone(tx: Tx, _: Sequence[None]) -> Sequence[T]:
            return [await work(tx)]

        return await self.write_each(alone, None)

    async def write_at_last(self, work: Callable[[Tx], Awaitable[T]], *, within: float) -> T:
        """:meth:`write` for what nobody can be asked again: tried for ``within`` seconds while the database is away.

        ``work`` has to bear that it was committed already, for that cannot always be known.
        """
        clock = asyncio.get_running_loop().time
        ends_at = clock() + within
        while True:
            try:
                return await self.write(work)
            except Exception as fault:
                if not is_away(fault) or clock() >= ends_at:
                    raise
                log.warning("not written yet", fault=type(fault).__name__)
            await asyncio.sleep(AGAIN)

    async def write_each(self, work: EachWork[Item, Value], item: Item, *, durable: bool = True) -> Value:
        """The same for what many callers write at the same moment: ``work`` gets the items of all of them at once.

        An item for which it returns a fault must have written nothing. Where it fails as a whole it is run again
        for each item by itself, so that one costs no other anything. ``durable=False``: the caller writes more later,
        and until that is on disk this may be lost too; PostgreSQL then does not wait for its disk.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._writer.put(Write(work, item, done, durable))
        return cast("Value", await done)

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

    def _committed(self, woken: set[str]) -> None:
        if self._checkpoints:
            self._checkpoints.due()
        self._ring(woken)
        if self._bell and woken:
            self._bell.ring(woken)

    def _ring(self, queues: Iterable[str]) -> None:
        for queue in queues:
            for waker in self._wakers.get(queue, ()):
                waker.set()
