"""A consistent copy of a SQLite database while the daemon works on it."""

import asyncio
import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from fax_bridge.errors import BridgeError
from fax_bridge.store.spool import spool_of

PIECE = 1024 * 1024


async def back_up(url: str, target: Path) -> int:
    """Write the copy to ``target``, which must not exist; its bytes. It appears under its name only when it is whole.

    One read transaction: what is committed after its begin is not in it, and nobody waits for it. Raises
    :class:`BridgeError`.
    """
    if not url.startswith("sqlite:"):
        raise BridgeError("store.url: this is a PostgreSQL database. Back it up with pg_dump, as any other.")
    return await asyncio.to_thread(_copy, Path(url.removeprefix("sqlite:///")), target)


def _copy(source: Path, target: Path) -> int:
    if not source.exists():
        raise BridgeError(f"store.url: {source} is not there yet. The daemon makes it at its first start.")
    if target.exists():
        raise BridgeError(f"{target} is there already. Name a new file.")
    part = target.with_name(target.name + ".part")
    try:
        # Mails and faxes are in it: for nobody else's eyes from its first byte.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(source, timeout=30)) as origin, closing(sqlite3.connect(part)) as copy:
            origin.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
            _take_in_spool(copy, spool_of(source))
            if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise BridgeError(f"{source} is damaged: the copy does not pass SQLite's own check.")
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)
    except (OSError, sqlite3.Error) as fault:
        raise BridgeError(f"{target} cannot be written: {fault}") from None
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _take_in_spool(copy: sqlite3.Connection, spool: Path) -> None:
    """The copy is one file: the mails of the spool become pieces in it. One that was purged meanwhile is purged."""
    for (message_id,) in copy.execute("SELECT id FROM message WHERE spooled = 1").fetchall():
        with contextlib.suppress(FileNotFoundError), (spool / message_id).open("rb") as mail:
            for seq, data in enumerate(iter(lambda: mail.read(PIECE), b"")):
                copy.execute(
                    "INSERT INTO message_piece (message_id, seq, data) VALUES (?, ?, ?)", (message_id, seq, data)
                )
    copy.execute("UPDATE message SET spooled = 0 WHERE spooled = 1")
    copy.commit()
