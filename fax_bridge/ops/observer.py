"""What is true now, in one value that metrics, health and alerts share; asked at most every two seconds."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from fax_bridge.settings import Settings
from fax_bridge.store.depths import Depths, depths
from fax_bridge.store.store import Store

log = structlog.get_logger("ops")

FRESH = 2.0
"""Seconds for which an answer is good."""
PATIENCE = 5.0
"""Seconds that the database has to answer in."""


@dataclass(frozen=True, slots=True)
class Facts:
    dead: tuple[str, ...]
    """Our own parts that should live and do not."""
    depths: Depths | None
    """``None`` where the database does not answer."""
    database_fault: str
    database_seconds: float
    """What the look into it took."""
    database_bytes: int | None
    disk_free_bytes: int | None
    """Both ``None`` for a database on a server."""
    outages: dict[str, bool]
    """By account, whether FaxMAX is taken to be out of reach."""


class Observer:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        what_is_dead: Callable[[], list[str]],
        outages: Callable[[], dict[str, bool]],
    ) -> None:
        self._path = settings.store.path
        self._store = store
        self.what_is_dead = what_is_dead
        self._outages = outages
        self._looking = asyncio.Lock()
        self._facts: Facts | None = None
        self._looked_at = float("-inf")

    async def facts(self) -> Facts:
        async with self._looking:
            if self._facts is None or time.monotonic() - self._looked_at > FRESH:
                self._facts = await self._look()
                self._looked_at = time.monotonic()
            return self._facts

    async def _look(self) -> Facts:
        began, found, fault = time.monotonic(), None, ""
        try:
            async with asyncio.timeout(PATIENCE), self._store.read() as conn:
                found = await depths(conn)
        except Exception as error:  # noqa: BLE001 — whatever it is, the database did not answer
            fault = f"no answer within {PATIENCE:.0f} s" if isinstance(error, TimeoutError) else type(error).__name__
            log.warning("the database does not answer", fault=fault)
        return Facts(
            dead=tuple(self.what_is_dead()),
            depths=found,
            database_fault=fault,
            database_seconds=time.monotonic() - began,
            database_bytes=_size(self._path) if self._path else None,
            disk_free_bytes=_free(self._path.parent) if self._path else None,
            outages=self._outages(),
        )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _free(directory: Path) -> int | None:
    try:
        disk = os.statvfs(directory)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize
