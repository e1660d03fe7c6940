"""One worker: takes due rows of one queue, runs the handler for each, keeps their leases while it does.

A handler that raises costs its own row a delay and nobody else anything.
"""

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row
from ulid import ULID

from fax_bridge.fax import now
from fax_bridge.store.lease import Lease, LeaseLost, Queue, backoff, claim, extend, finish, next_due
from fax_bridge.store.store import Store

POLL = 1.0
"""Seconds after which a worker looks even though nobody woke it: the safety net below the wake-ups."""

LEASE_MS = 60_000
"""How long a row is a worker's; extended at a third of it, and how long a dead worker's row waits."""

log = structlog.get_logger("worker")

Work = Row[Any]
"""The row in hand, without its large columns."""

Handler = Callable[[Lease, Work], Awaitable[None]]


def owner_name() -> str:
    """A name no other worker has, and from which a person sees where it ran."""
    return f"{_process_name()}{str(ULID())[-8:]}"


def owned_here(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the row is in the hand of a worker of this process."""
    return owner.startswith(_process_name(), autoescape=True)


def _process_name() -> str:
    return f"{platform.node()[:12]}-{os.getpid()}-"


class Worker:
    """``slots`` says how many rows may be in hand per lane; a queue without lanes has the one lane ``None``.

    ``open_lanes`` is asked before each claim which lanes may be served now (a paused account may not).
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        handle: Handler,
        slots: Mapping[str | None, int],
        open_lanes: Callable[[], Awaitable[set[str]]] | None = None,
    ) -> None:
        self.name = queue.name
        self._store = store
        self._queue = queue
        self._handle = handle
        self._slots = slots
        self._open_lanes = open_lanes
        self._owner = owner_name()
        self._wake = store.waker(queue.name)
        self._running: dict[asyncio.Task[None], tuple[Lease, str | None]] = {}
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work until :meth:`stop`; then no new rows are taken."""
        self._idle.clear()
        keeper = asyncio.create_task(self._keep_leases(), name=f"{self._queue.name} leases")
        try:
            while not self._stopping:
                # Cleared before the look, so that what comes between the look and the wait is not missed.
                self._wake.clear()
                try:
                    wait = await self._take()
                except Exception:  # the worker's edge: a database out of reach is waited out
                    log.exception("claim failed", queue=self._queue.name)
                    wait = POLL
                if wait > 0 and not self._stopping:
                    await self._pause(wait)
        finally:
            self._idle.set()
            await self._in_hand()
            keeper.cancel()

    async def stop(self, grace: float) -> None:
        """Let the rows in hand come to their end for ``grace`` seconds, then give them back."""
        self._stopping = True
        self._wake.set()
        # A claim may be under way: only once the loop has ended is it known what is in hand.
        await self._idle.wait()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _in_hand(self) -> None:
        """Leases are kept until the last row is done, also while stopping."""
        while self._running:
            await asyncio.wait(self._running)

    async def _take(self) -> float:
        """Claim what is due; the seconds to wait before the next look, 0 for at once."""
        lanes = await self._free_lanes()
        if not lanes:
            return POLL
        named = [lane for lane in lanes if lane is not None]
        async with self._store.read() as conn:
            due = await next_due(conn, self._queue, named if self._queue.lanes else None)
        if due is None or due > now():
            return POLL if due is None else min(POLL, max(0.005, (due - now()) / 1000))
        taken = 0
        for lane, free in lanes.items():
            rows = await self._store.write(
                partial(claim, queue=self._queue, owner=self._owner, lease_ms=LEASE_MS, limit=free, lane=lane)
            )
            for lease, row in rows:
                task = asyncio.create_task(self._work(lease, row), name=f"{self._queue.name} {lease.id}")
                self._running[task] = (lease, lane)
                task.add_done_callback(self._ended)
            taken += len(rows)
        return 0 if taken else POLL

    async def _free_lanes(self) -> dict[str | None, int]:
        allowed = await self._open_lanes() if self._open_lanes else None
        busy = [lane for _, lane in self._running.values()]
        free = {lane: slots - busy.count(lane) for lane, slots in self._slots.items()}
        return {lane: n for lane, n in free.items() if n > 0 and (allowed is None or lane in allowed)}

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        self._wake.set()

    async def _work(self, lease: Lease, row: Row[Any]) -> None:
        try:
            await self._handle(lease, row)
        except asyncio.CancelledError:
            await self._give_back(lease, 0)
            raise
        except LeaseLost as lost:
            log.warning("lease lost", queue=self._queue.name, row=str(lost))
            # Where it is ours all the same, the row changed while it was in hand: not for a lease's length, at once.
            await self._give_back(lease, 0)
        except Exception:  # the worker's edge: a bug costs this row a delay, never the daemon
            log.exception("handler failed", queue=self._queue.name, id=lease.id, claims=lease.claims)
            await self._give_back(lease, backoff(lease.claims, 1.0, 300.0))

    async def _give_back(self, lease: Lease, delay_ms: int) -> None:
        try:
            await self._store.write(partial(finish, lease=lease, due_at=now() + delay_ms))
        except LeaseLost:
            pass  # another worker has it
        except Exception as fault:  # noqa: BLE001 — then the lease runs out by itself
            log.warning("row not given back", queue=self._queue.name, id=lease.id, fault=type(fault).__name__)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            for task, (lease, _) in list(self._running.items()):
                try:
                    kept = await self._store.write(partial(extend, lease=lease, lease_ms=LEASE_MS))
                except Exception as fault:  # noqa: BLE001 — tried again at the next turn, twice before the lease ends
                    log.warning("lease not extended", queue=self._queue.name, id=lease.id, fault=type(fault).__name__)
                    continue
                if not kept and not task.done():
                    task.cancel()

    async def _pause(self, seconds: float) -> None:
        # Not wait_for(): before Python 3.12 it can swallow a cancellation.
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
