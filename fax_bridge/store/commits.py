"""Did that commit come through? PostgreSQL remembers, also when the connection was lost in the middle of it.

A transaction's id is asked for before its COMMIT; afterwards ``pg_xact_status`` tells whether it was committed
(PostgreSQL manual, 9.27.8). SQLite needs none of it: it answers, or the process is dead.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fax_bridge.errors import BridgeError
from fax_bridge.store.tx import Write

AGAIN = 0.5
"""Seconds between two tries to reach a database that is away."""

log = structlog.get_logger("store")


class OutcomeUnknown(BridgeError):
    """The connection was lost in the COMMIT, and the database did not come back in time to say what became of it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A transaction whose callers were told of a failure, and what takes it back if it was none."""

    xid: str
    undoing: Sequence[Write]


async def need_not_be_on_disk(conn: AsyncConnection) -> None:
    """The commit of this transaction does not wait for the disk. The log is one sequence: a later commit that does
    wait brings this one to the disk with it (PostgreSQL manual, 28.4)."""
    if conn.dialect.name == "postgresql":
        await conn.execute(text("SET LOCAL synchronous_commit = off"))


async def transaction_id(conn: AsyncConnection) -> str | None:
    """The id of the transaction under way; ``None`` on SQLite, or where it has written nothing."""
    if conn.dialect.name != "postgresql":
        return None
    found: str | None = (await conn.execute(text("SELECT pg_current_xact_id_if_assigned()::text"))).scalar()
    return found


async def came_through(readers: AsyncEngine, xid: str) -> bool | None:
    """Whether the transaction was committed; ``None`` while that cannot be known (yet)."""
    try:
        async with asyncio.timeout(10), readers.connect() as conn:
            status = (
                await conn.execute(text("SELECT pg_xact_status(CAST(CAST(:xid AS text) AS xid8))"), {"xid": xid})
            ).scalar()
    except (DBAPIError, OSError, TimeoutError) as fault:
        log.debug("not answered yet", fault=f"{type(fault).__name__}: {fault}")
        return None
    # Still in progress: the server has not noticed yet that its client is gone.
    return None if status == "in progress" else status == "committed"


async def settled(readers: AsyncEngine, xid: str, within: float, stop: asyncio.Event) -> bool | None:
    """Ask until it is known, but no longer than ``within`` seconds and not once ``stop`` is set."""
    log.warning("the connection was lost in a commit; asking what became of it")
    ends_at = asyncio.get_running_loop().time() + within
    while (known := await came_through(readers, xid)) is None:
        if stop.is_set() or asyncio.get_running_loop().time() >= ends_at:
            break
        await asyncio.sleep(AGAIN)
    log.warning("the lost commit", came_through="unknown" if known is None else known)
    return known
