"""What one claim costs while so many faxes wait, all of them due: it should not matter how many they are."""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import insert
from ulid import ULID

from benchmarks.databases import KINDS, Database, databases
from benchmarks.machine import described
from benchmarks.processes import Failed
from benchmarks.rounds import arguments, chosen, command, quantile, run, say, table, workplace
from fax_bridge.fax import FaxState, MessageState, now
from fax_bridge.store import accounts
from fax_bridge.store.faxes import SUBMIT
from fax_bridge.store.lease import Lease, claim, finish, next_due
from fax_bridge.store.limits import AccountLimits, Limit
from fax_bridge.store.schema import fax, message
from fax_bridge.store.store import Store, Tx

WAITING = (1_000, 100_000, 1_000_000)
BATCH = 10_000
"""Rows of one insert."""
ACCOUNT = "default"
HOUR = 3_600_000
LIMITS = AccountLimits({ACCOUNT: Limit(max_concurrent=4)})


@dataclass(slots=True)
class Queue:
    """One database with so many waiting faxes, and what its claims took, in milliseconds."""

    kind: str
    waiting: int
    store: Store
    statements: list[float] = field(default_factory=list)
    """The claim alone, with the question of what the account may take."""
    commits: list[float] = field(default_factory=list)
    """With its transaction, until it is on disk."""
    looks: list[float] = field(default_factory=list)
    """When is the next one due?"""

    async def measure(self) -> None:
        """One look and one claim; the fax goes to the end of the queue afterwards, so that as many wait as before."""
        began = time.perf_counter()
        async with self.store.read() as conn:
            due = await next_due(conn, SUBMIT, ACCOUNT)
        looked = time.perf_counter()
        taken = await self.store.write(self._claim)
        done = time.perf_counter()
        if due is None or len(taken) != 1:
            raise Failed(f"{self.waiting} faxes wait, and {len(taken)} were claimed")
        self.looks.append(1000 * (looked - began))
        self.commits.append(1000 * (done - looked))
        await self.store.write(partial(finish, lease=taken[0], due_at=now() + HOUR))

    async def _claim(self, tx: Tx) -> list[Lease]:
        began = time.perf_counter()
        if not (await LIMITS.allowance(tx, ACCOUNT)).rows:
            raise Failed("the account may take nothing")
        rows = await claim(tx, SUBMIT, owner="bench", lease_ms=60_000, limit=1, lane=ACCOUNT)
        await LIMITS.took(tx, ACCOUNT, len(rows))
        self.statements.append(1000 * (time.perf_counter() - began))
        return [lease for lease, _ in rows]


async def fill(url: str, waiting: int) -> None:
    """Insert the rows, each a fax with a message of its own, and ANALYZE."""
    store = await Store.open(url)
    try:
        await store.write(partial(accounts.known, fingerprints={ACCOUNT: ""}))
        first_due = now() - HOUR
        for start in range(0, waiting, BATCH):
            await store.write(partial(_insert, first=start, count=min(BATCH, waiting - start), first_due=first_due))
        await store.write(_analyze)
    finally:
        await store.close()


async def _insert(tx: Tx, *, first: int, count: int, first_due: int) -> None:
    ids = [(str(ULID()), str(ULID())) for _ in range(count)]
    shared = {"account": ACCOUNT, "accepted_at": first_due}
    await tx.conn.execute(
        insert(message),
        [
            shared
            | {"id": message_id, "state": MessageState.READY, "mail_from": "bench@example.com", "client": "127.0.0.1"}
            | {"size": 10_240, "language": "tr", "options": {}}
            for message_id, _ in ids
        ],
    )
    await tx.conn.execute(
        insert(fax),
        [
            shared
            | {"id": fax_id, "message_id": message_id, "number": f"90216{first + i:07d}", "state": FaxState.QUEUED}
            | {
                "recipients": [f"{first + i}@fax.example.com"],
                "give_up_at": first_due + 48 * HOUR,
                "repeat_key": fax_id,
            }
            | {"due_at": first_due + first + i}
            for i, (message_id, fax_id) in enumerate(ids)
        ],
    )


async def _analyze(tx: Tx) -> None:
    await tx.conn.exec_driver_sql("ANALYZE")


async def play(wanted: Sequence[tuple[Database, int]], claims: int) -> list[Queue]:
    """All queues are there at once, and take turns in random order."""
    async with AsyncExitStack() as stack:
        queues = []
        for database, waiting in wanted:
            began = time.monotonic()
            await fill(database.url, waiting)
            say(f"{database.kind}: {waiting} rows in {time.monotonic() - began:.0f} s")
            # Opened anew: SQLite reads what ANALYZE found when a connection begins.
            store = await Store.open(database.url)
            stack.push_async_callback(store.close)
            queues.append(Queue(database.kind, waiting, store))
        for queue in queues:
            for _ in range(10):
                await queue.measure()
            for timings in (queue.statements, queue.commits, queue.looks):
                timings.clear()
        for _ in range(claims):
            for queue in random.sample(queues, len(queues)):
                await queue.measure()
    return queues


def report(queues: Sequence[Queue]) -> str:
    rows = []
    for queue in queues:
        least = next(q for q in queues if q.kind == queue.kind)
        rows.append(
            [
                f"{queue.kind}, {queue.waiting:,} waiting",
                *_cells(queue.statements, least.statements),
                *_cells(queue.commits, least.commits),
                *_cells(queue.looks, least.looks),
            ]
        )
    head = ("queue", *(f"{what}{column}" for what in ("claim", "with its commit", "next due")
                       for column in (", ms p50", " p99", " ×")))  # fmt: skip
    return table(head, rows)


def _cells(timings: Sequence[float], least: Sequence[float]) -> tuple[str, str, str]:
    median = statistics.median(timings)
    return f"{median:.2f}", f"{quantile(timings, 0.99):.2f}", f"{median / statistics.median(least):.2f}"


def main() -> None:
    parser = arguments("claims", __doc__, turns=200, called="claims")
    parser.add_argument("--most", type=int, default=WAITING[-1], help="leave out queues with more waiting faxes")
    told = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in chosen(KINDS, told.only)]
    with workplace(told.directory) as directory, databases(directory, tuple(kinds)) as made, ExitStack() as stack:
        head = described(command(), directory, made.version)
        wanted = [
            (stack.enter_context(made.new(kind)), waiting)
            for kind in kinds
            for waiting in WAITING
            if waiting <= told.most
        ]
        queues = asyncio.run(play(wanted, told.turns))
    print(f"{head}\n- medians of {told.turns} claims each, taken in turn; × is the ratio to the shortest queue\n")
    print(report(queues))


if __name__ == "__main__":
    run(main)
