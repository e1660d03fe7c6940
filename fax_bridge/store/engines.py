"""The two kinds of database, as a pair of engines each: one connection that writes, some that read."""

import fcntl
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import structlog
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from fax_bridge.errors import BridgeError

LOG_PAGES = 4000
"""Pages (16 MB) of SQLite's log at which the writer moves them itself. Left to grow, it can take all the room of a
disk, and then nothing can be moved out of it any more."""

log = structlog.get_logger("store")


class StoreBusy(BridgeError):
    """Another daemon works on this database."""


@dataclass(frozen=True, slots=True)
class Engines:
    writer: AsyncEngine
    readers: AsyncEngine
    lock: BinaryIO | None
    """Held by the only daemon of a SQLite file; ``None`` where many nodes may share the database."""
    file: Path | None = None
    """That of SQLite."""

    @property
    def shared(self) -> bool:
        return self.writer.dialect.name == "postgresql"

    async def dispose(self) -> None:
        await self.readers.dispose()
        await self.writer.dispose()
        if self.lock:
            self.lock.close()


async def engines_of(url: str, *, exclusive: bool) -> Engines:
    """Open the database of ``store.url``. Raises :class:`BridgeError` with words for the administrator."""
    if url.startswith("sqlite:"):
        return _sqlite(Path(url.removeprefix("sqlite:///")), exclusive=exclusive)
    return await _postgresql(url)


# --- SQLite ------------------------------------------------------------------------------------------


def _sqlite(path: Path, *, exclusive: bool) -> Engines:
    if not path.parent.is_dir():
        raise BridgeError(f"store.url: {path.parent} is no directory. Make it, owned by the daemon's user.")
    if not exclusive and not path.exists():
        raise BridgeError(f"store.url: {path} is not there yet. The daemon makes it at its first start.")
    lock = _lock(path) if exclusive else None
    if exclusive and not path.exists():
        # Mails and faxes will be in it: for nobody else's eyes. SQLite gives its -wal and -shm the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    url = f"sqlite+aiosqlite:///{path}"
    # Parameters are mails and faxes: none of them may stand in an error's text.
    writer = create_async_engine(url, poolclass=StaticPool, hide_parameters=True, connect_args={"timeout": 30})
    readers = create_async_engine(url, pool_size=4, max_overflow=8, hide_parameters=True, connect_args={"timeout": 30})
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (readers, "BEGIN")):
        event.listen(engine.sync_engine, "connect", _set_pragmas)
        event.listen(engine.sync_engine, "begin", _beginner(begin))
    if exclusive:
        event.listen(writer.sync_engine, "connect", _leave_checkpoints)
    return Engines(writer, readers, lock, path)


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


def _set_pragmas(dbapi_connection: Any, _record: object) -> None:
    # The driver's own transaction handling would commit before a savepoint; ours begins by the event below.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    # FULL: a commit is on disk before it returns, in WAL mode too. NORMAL would lose the last ones at a power cut.
    # auto_vacuum counts only for a file that is being made: purged pages can then be given back to the disk.
    for pragma in (
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _leave_checkpoints(dbapi_connection: Any, _record: object) -> None:
    """The daemon's writer leaves most to :mod:`fax_bridge.store.checkpoints`; a command beside it cares for its own."""
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    cursor.execute(f"PRAGMA journal_size_limit={LOG_PAGES * 4096}")
    cursor.close()


def _beginner(statement: str) -> Callable[[Any], None]:
    def begin(conn: Any) -> None:
        conn.exec_driver_sql(statement)

    return begin


# --- PostgreSQL --------------------------------------------------------------------------------------


async def _postgresql(url: str) -> Engines:
    if importlib.util.find_spec("asyncpg") is None:
        raise BridgeError("store.url: PostgreSQL needs a driver. Install fax-bridge[postgresql].")
    try:
        target = make_url(url).set(drivername="postgresql+asyncpg")
    except ArgumentError:
        raise BridgeError("store.url: cannot be read. Write postgresql://USER:PASSWORD@HOST/DATABASE.") from None
    # One connection writes, so that what waits is one commit. Checked before use: a restarted server costs one error.
    writer = create_async_engine(target, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True)
    readers = create_async_engine(target, pool_size=4, max_overflow=8, pool_pre_ping=True, hide_parameters=True)
    engines = Engines(writer, readers, None)
    try:
        await _is_durable(engines)
    except BridgeError:
        await engines.dispose()
        raise
    except (DBAPIError, OSError) as fault:
        await engines.dispose()
        reason = getattr(fault, "orig", None) or fault
        raise BridgeError(f"store.url: the database cannot be reached: {type(reason).__name__}: {reason}") from None
    return engines


async def _is_durable(engines: Engines) -> None:
    """A commit has to be on disk before the 250. Raises :class:`BridgeError` where the server says otherwise."""
    async with engines.readers.connect() as conn:
        settings = {
            name: (await conn.execute(text(f"SHOW {name}"))).scalar() for name in ("synchronous_commit", "fsync")
        }
    if settings["synchronous_commit"] == "off":
        raise BridgeError(
            "store.url: the server has synchronous_commit=off and would lose accepted mail at a crash. "
            "Set it on for this database: ALTER DATABASE … SET synchronous_commit = on."
        )
    if settings["fsync"] == "off":
        log.warning("the PostgreSQL server has fsync=off: a power cut can lose accepted mail")
