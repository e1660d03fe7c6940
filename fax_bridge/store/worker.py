"""One worker: takes due rows of one queue, runs the handler for each, keeps their leases while it does.

A handler that raises costs its own row a delay and nobody else anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row

from fax_bridge.fax import Instant, now
from fax_bridge.store.gate import Gate
from fax_bridge.store.lease import Lease, LeaseLost, Queue, backoff, claim, extend, finish, next_due, owner_name
from fax_bridge.store.store import Store, Tx

POLL = 1.0
"""Seconds after which a worker looks even though nobody woke it: the safety net below the wake-ups."""

POLL_MS = int(POLL * 1000)

AT_ONCE: Instant = 0
"""An instant that has always come."""

LEASE_MS = 60_000
"""How long a row is a worker's; extended at a third of it, and how long a dead worker's row waits."""

log = structlog.get_logger("worker")

Work = Row[Any]
"""The row in hand, without its large columns."""

Handler = Callable[[Lease, Work], Awaitable[None]]


class Worker:
    """``slots`` says how many rows may be in hand here per lane; a queue without lanes has the one lane ``None``.

    ``open_lanes`` is asked before each claim which lanes may be served now (a paused account may not); ``gate``, within
    it, how many rows a lane may take. Lanes are served one by one: what holds one back costs the others nothing.
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        handle: Handler,
        slots: Mapping[str | None, int],
        open_lanes: Callable[[], Awaitable[set[str]]] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.name = queue.name
        self._store = store
        self._queue = queue
        self._handle = handle
        self._slots = slots
        self._open_lanes = open_lanes
        self._gate = gate
        self._shut: dict[str | None, Instant] = {}
        """Lanes that may take nothing, whoever wakes us, and until when."""
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
        looks = [await self._serve(lane, free) for lane, free in (await self._free_lanes()).items()]
        soonest = min(looks, default=now() + POLL_MS)
        return 0 if soonest == AT_ONCE else min(POLL, max(0.005, (soonest - now()) / 1000))

    async def _serve(self, lane: str | None, free: int) -> Instant:
        """Claim what is due of one lane; when it is worth the next look, :data:`AT_ONCE` where there may be more."""
        at = now()
        if at < (shut_until := self._shut.get(lane, AT_ONCE)) <= at + POLL_MS:  # if more, the clock was set back
            return shut_until
        async with self._store.read() as conn:
            due = await next_due(conn, self._queue, lane)
        if due is None or due > now():
            return now() + POLL_MS if due is None else due
        rows, next_at = await self._store.write(partial(self._claim, lane=lane, free=free))
        for lease, row in rows:
            task = asyncio.create_task(self._work(lease, row), name=f"{self._queue.name} {lease.id}")
            self._running[task] = (lease, lane)
            task.add_done_callback(self._ended)
        if next_at is not None:
            self._shut[lane] = min(next_at, now() + POLL_MS)
            return self._shut[lane]
        return AT_ONCE if rows else now() + POLL_MS

    async def _claim(self, tx: Tx, *, lane: str | None, free: int) -> tuple[list[tuple[Lease, Work]], Instant | None]:
        """The rows that were taken; where the gate let none through, when to ask again, if known."""
        take = partial(claim, tx, self._queue, owner=self._owner, lease_ms=LEASE_MS, lane=lane)
        if self._gate is None or lane is None:
            return await take(limit=free), None
        allowance = await self._gate.allowance(tx, lane)
        if not allowance.rows:
            return [], allowance.next_at
        rows = await take(limit=min(free, allowance.rows))
        await self._gate.took(tx, lane, len(rows))
        return rows, None

    async def _free_lanes(self) -> dict[str | None, int]:
        allowed = await self._open_lanes() if self._open_lanes else None
        busy = [lane for _, lane in self._running.values()]
        free = {lane: slots - busy.count(lane) for lane, slots in self._slots.items()}
        return {lane: n for lane, n in free.items() if n > 0 and (allowed is None or lane in allowed)}

    def _ended(self, task: "asyncio.Task[None]") -> None:
        _, lane = self._running.pop(task)
        # It may have been put back unsent, and its place with it.
        self._shut.pop(lane, None)
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
