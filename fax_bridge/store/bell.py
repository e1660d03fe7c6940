"""Rings through PostgreSQL when a commit brought work, so that the workers of other nodes need not wait to poll.

One NOTIFY for a whole batch, after the commit and on a connection of its own: inside the transaction it would
take a lock through the whole server's commits and make them one after the other.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from sqlalchemy import make_url

CHANNEL = "fax_bridge"
AGAIN = 2.0
"""Seconds between tries to reach the server; meanwhile the workers' poll is the safety net."""

log = structlog.get_logger("store")


class Bell:
    """``heard`` is called with the names of queues that got work, from whichever node."""

    def __init__(self, url: str, heard: Callable[[Iterable[str]], None]) -> None:
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._heard = heard
        self._waiting: set[str] = set()
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve(), name="store bell")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ring(self, queues: Iterable[str]) -> None:
        self._waiting |= set(queues)
        self._rung.set()

    async def _serve(self) -> None:
        import asyncpg

        while True:
            try:
                conn = await asyncpg.connect(self._dsn, timeout=10)
                try:
                    await self._talk(conn)
                finally:
                    await conn.close(timeout=2)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
                log.warning("no bell", fault=f"{type(fault).__name__}: {fault}")
            await asyncio.sleep(AGAIN)

    async def _talk(self, conn: Any) -> None:
        await conn.add_listener(CHANNEL, self._on_notify)
        while not conn.is_closed():
            # Cleared before the look, so that a ring between the look and the wait is not missed.
            self._rung.clear()
            if self._waiting:
                queues, self._waiting = self._waiting, set()
                await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, ",".join(sorted(queues)))
            try:
                async with asyncio.timeout(AGAIN):
                    await self._rung.wait()
            except TimeoutError:
                continue

    def _on_notify(self, _conn: Any, _pid: int, _channel: str, payload: str) -> None:
        self._heard(payload.split(","))
