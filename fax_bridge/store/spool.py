"""Large mails of a SQLite store, each in a file of its own beside it, on disk before the commit that accepts it.

In the database a megabyte is written twice (into the log, then into the file) and by the one writer; here it is written
once, beside its neighbours'. Measured with 1 MB mails: twice as many a second. Small mails stay in the database, where
a hundred share one fsync. On PostgreSQL all mails stay there: another node could not read a file of this one.
"""

import asyncio
import os
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fax_bridge.store.lease import moment_of

Result = TypeVar("Result")

THREADS = 12
"""Files that are synced at the same time; the file system makes one journal entry of them."""


def spool_of(database: Path) -> Path:
    """The directory beside that SQLite file."""
    return database.with_name(database.name + ".spool")


class Spool:
    """A directory with a file for each mail, named by the message's id."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._named: asyncio.Task[None] | None = None
        self._naming: asyncio.Task[None] | None = None

    def close(self) -> None:
        self._threads.shutdown()

    def begin(self, message_id: str) -> "SpooledMail":
        return SpooledMail(self, self._path(message_id))

    async def read(self, message_id: str) -> bytes:
        """Raises ``OSError`` where it is not there."""
        return await self.run(self._path(message_id).read_bytes)

    async def head(self, message_id: str, size: int) -> bytes:
        """Its first bytes. Raises as above."""

        def read() -> bytes:
            with self._path(message_id).open("rb") as file:
                return file.read(size)

        return await self.run(read)

    async def discard(self, message_id: str) -> None:
        await self.run(lambda: self._path(message_id).unlink(missing_ok=True))

    async def sweep(self, kept: Set[str], *, before: int) -> int:
        """Remove the files of mails that began before that instant and are not to be kept; how many they were."""
        return await self.run(lambda: self._sweep(kept, before))

    async def names_synced(self) -> None:
        """Return once the directory is on disk with all names that are in it now. One fsync serves all who wait."""
        if self._named is None:
            self._named = asyncio.create_task(self._sync_after(self._naming))
        await asyncio.shield(self._named)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def open(self, path: Path) -> int:
        self._directory.mkdir(mode=0o700, exist_ok=True)  # mails are for nobody else's eyes
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    async def _sync_after(self, before: "asyncio.Task[None] | None") -> None:
        """Who came while a sync was under way may have been too late for it, and waits for the next."""
        if before is not None:
            await asyncio.wait([before])
        self._naming, self._named = self._named, None
        await self.run(self._sync)

    def _sync(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _sweep(self, kept: Set[str], before: int) -> int:
        gone = 0
        for path in self._directory.glob("*") if self._directory.is_dir() else ():
            if path.name not in kept and moment_of(path.name) < before:
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _path(self, message_id: str) -> Path:
        return self._directory / message_id


class SpooledMail:
    """One mail while it comes in. Every method raises ``OSError`` where the disk does not take it."""

    def __init__(self, spool: Spool, path: Path) -> None:
        self._spool = spool
        self._path = path
        self._file: int | None = None

    async def write(self, data: bytes | bytearray) -> None:
        await self._spool.run(lambda: self._write(data))

    async def sync(self) -> None:
        """All has been written: return once it is on disk, with its name."""
        await self._spool.run(self._sync)
        await self._spool.names_synced()

    async def discard(self) -> None:
        await self._spool.run(self._discard)

    def _write(self, data: bytes | bytearray) -> None:
        if self._file is None:
            self._file = self._spool.open(self._path)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]

    def _sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file)
            self._close()

    def _discard(self) -> None:
        if self._file is not None:
            self._close()
        self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
