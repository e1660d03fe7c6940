"""A consistent copy of a SQLite database while the daemon works on it, and the way back.

A copy knows nothing of what was sent after it was made: a fax that waits in it may long have gone out. So a restored
database holds every one of them until a person has decided; nothing goes out twice by itself.
"""

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from fax_bridge.errors import BridgeError
from fax_bridge.fax import Instant, MessageState
from fax_bridge.store import audit, operator
from fax_bridge.store.audit import Line
from fax_bridge.store.spool import spool_of
from fax_bridge.store.store import Store, Tx

PIECE = 1024 * 1024


async def back_up(url: str, target: Path) -> int:
    """Write the copy to ``target``, which must not exist; its bytes. It appears under its name only when it is whole.

    One read transaction: what is committed after its begin is not in it, and nobody waits for it. Raises
    :class:`BridgeError`.
    """
    if not url.startswith("sqlite:"):
        raise BridgeError("store.url: this is a PostgreSQL database. Back it up with pg_dump, as any other.")
    return await asyncio.to_thread(_back_up, _path(url), target)


async def restore(url: str, source: Path | None, *, until: Instant, line: Line | None = None) -> int:
    """Put a copy in the place of the database, with every fax that waits held ``until`` then; how many those are.

    Without ``source`` the database is in its place already, as one of PostgreSQL is after ``pg_restore``. The daemon
    must not run: it would send what is not held yet. ``line`` is for the audit log. Raises :class:`BridgeError`.
    """
    if source is None:
        return await _hold_all(url, until, line, exclusive=url.startswith("sqlite:"))
    if not url.startswith("sqlite:"):
        raise BridgeError("store.url: this is a PostgreSQL database. Use pg_restore, then this command without a file.")
    target = _path(url)
    part = _part(target)
    try:
        await asyncio.to_thread(_copy_back, source, target)
        # Before it has its name: there is no moment at which a daemon could find it with faxes that may go.
        held = await _hold_all(f"sqlite:///{part}", until, line, exclusive=True)
        await asyncio.to_thread(_put_in_place, part, target)
    finally:
        for path in (*_files(part), part.with_name(part.name + ".lock")):
            path.unlink(missing_ok=True)
    return held


async def _hold_all(url: str, until: Instant, line: Line | None, *, exclusive: bool) -> int:
    store = await Store.open(url, exclusive=exclusive)

    async def hold(tx: Tx) -> int:
        held = await operator.hold_all(tx, until=until)
        if line:
            await audit.record(tx, replace(line, detail=f"{held} faxes held"))
        return held

    try:
        return await store.write(hold)
    finally:
        await store.close()


def _back_up(source: Path, target: Path) -> int:
    if not source.exists():
        raise BridgeError(f"store.url: {source} is not there yet. The daemon makes it at its first start.")
    if target.exists():
        raise BridgeError(f"{target} is there already. Name a new file.")
    part = _part(target)
    try:
        _copy(source, part)
        _put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _copy_back(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BridgeError(f"{source} is not there. Name a file that fax-bridge backup has made.")
    if not target.parent.is_dir():
        raise BridgeError(f"store.url: {target.parent} is no directory. Make it, owned by the daemon's user.")
    # A write-ahead log that is left beside it would be played into the restored one.
    if left := [path.name for path in _files(target) if path.exists()]:
        raise BridgeError(f"{target.parent}: {', '.join(left)} is still there. Stop the daemon and move it away first.")
    _copy(source, _part(target))


def _copy(source: Path, part: Path) -> None:
    try:
        # Mails and faxes are in it: for nobody else's eyes from its first byte.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(source, timeout=30)) as origin, closing(sqlite3.connect(part)) as copy:
            if not origin.execute("SELECT 1 FROM sqlite_master WHERE name = 'fax'").fetchone():
                raise BridgeError(f"{source} is no database of fax-bridge.")
            origin.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
            _take_in_spool(copy, spool_of(source))
            if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise BridgeError(f"{source} is damaged: the copy does not pass SQLite's own check.")
    except (OSError, sqlite3.Error) as fault:
        raise BridgeError(f"{source} cannot be copied to {part.parent}: {fault}") from None


def _put_in_place(part: Path, target: Path) -> None:
    """Durable, and under its name only now."""
    try:
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except OSError as fault:
        raise BridgeError(f"{target} cannot be written: {fault}") from None


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _files(path: Path) -> tuple[Path, ...]:
    """All that a database of SQLite may consist of (wal.html)."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_in_spool(copy: sqlite3.Connection, spool: Path) -> None:
    """The copy is one file: the mails of the spool become pieces in it. One that was purged meanwhile is purged; one
    that is still to be read and is not there stays amiss, and is told to its sender."""
    for message_id, state in copy.execute("SELECT id, state FROM message WHERE spooled = 1").fetchall():
        try:
            with (spool / message_id).open("rb") as mail:
                for seq, data in enumerate(iter(partial(mail.read, PIECE), b"")):
                    row = (message_id, seq, data)
                    copy.execute("INSERT INTO message_piece (message_id, seq, data) VALUES (?, ?, ?)", row)
        except FileNotFoundError:
            if state == MessageState.ACCEPTED:
                continue
        copy.execute("UPDATE message SET spooled = 0 WHERE id = ?", (message_id,))
    copy.commit()
