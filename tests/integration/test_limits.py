"""What an account takes holds for all nodes together, and costs no other account anything."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from sqlalchemy import func, select, update

from fax_bridge.fax import FaxState, now
from fax_bridge.store import accounts, faxes, intake, schema
from fax_bridge.store.gate import Allowance
from fax_bridge.store.lease import Lease, claim, finish
from fax_bridge.store.limits import AccountLimits, Limit
from fax_bridge.store.rate import Rate
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work, Worker

SLOW, FAST = "default", "sales"


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    async with opened(either_url) as store:
        yield store


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await Store.open(url)
    await store.write(partial(accounts.known, fingerprints={SLOW: "", FAST: ""}))
    yield store
    await store.close()


async def queued(store: Store, account: str, count: int) -> None:
    """So many faxes that are due."""
    new = intake.NewMessage(
        id=f"M-{account}-{now()}", account=account, mail_from="ayse@example.com", client="127.0.0.1", content=b"",
        language="tr", options={}, give_up_at=now() + 600_000,
        faxes=tuple(intake.NewFax(f"{account}-{n}-{now()}", f"90216333{n:04d}", ("n@x",)) for n in range(count)),
    )  # fmt: skip
    await store.write_each(intake.accept, new)

    async def due(tx: Tx) -> None:
        of_it = schema.fax.c.message_id == new.id
        await tx.conn.execute(update(schema.fax).where(of_it).values(due_at=now()))
        tx.wake(faxes.SUBMIT.name)

    await store.write(due)


async def take(store: Store, limits: AccountLimits, account: str, *, owner: str, lease_ms: int = 60_000) -> list[Lease]:
    """One claim, as a worker with many free slots makes it."""

    async def within(tx: Tx) -> list[Lease]:
        allowance = await limits.allowance(tx, account)
        got = await claim(tx, faxes.SUBMIT, owner=owner, lease_ms=lease_ms, limit=allowance.rows, lane=account)
        await limits.took(tx, account, len(got))
        return [lease for lease, _ in got]

    return await store.write(within)


async def allowed(store: Store, limits: AccountLimits, account: str) -> Allowance:
    return await store.write(lambda tx: limits.allowance(tx, account))


def concurrent(most: int, per_minute: int = 0) -> AccountLimits:
    limit = Limit(most, Rate(per_minute) if per_minute else None)
    return AccountLimits({SLOW: limit, FAST: Limit(4)})


# --- one claim ---------------------------------------------------------------------------------------


async def test_a_claim_leaves_what_is_in_hand_elsewhere_its_place(store: Store) -> None:
    """max_concurrent counts the rows under a lease, whoever holds it, also those whose POST has begun."""
    limits = concurrent(3)
    await queued(store, SLOW, 5)
    first = await take(store, concurrent(2), SLOW, owner="elsewhere")
    await store.write(partial(faxes.submitting, lease=first[0]))
    assert len(first) == 2
    assert len(await take(store, limits, SLOW, owner="here")) == 1
    assert await allowed(store, limits, SLOW) == Allowance(0)
    assert await allowed(store, limits, FAST) == Allowance(4)
    await store.write(partial(finish, lease=first[1], due_at=now() + 60_000))
    assert await allowed(store, limits, SLOW) == Allowance(1)


async def test_a_dead_nodes_faxes_hold_their_places_until_their_leases_run_out(store: Store) -> None:
    """FaxMAX may still be at them; no longer than a lease, though."""
    limits = concurrent(2)
    await queued(store, SLOW, 2)
    assert len(await take(store, limits, SLOW, owner="dead", lease_ms=150)) == 2
    assert await allowed(store, limits, SLOW) == Allowance(0)
    await asyncio.sleep(0.2)
    assert await allowed(store, limits, SLOW) == Allowance(2)


async def test_a_paused_account_gives_nothing_however_late_it_is_seen(store: Store) -> None:
    """Another node may pause it between our look and our claim."""
    await store.write(partial(accounts.pause, name=SLOW, reason="401", fingerprint=""))
    assert await allowed(store, concurrent(2), SLOW) == Allowance(0)


async def test_a_rate_lets_one_through_and_names_the_instant_of_the_next(store: Store) -> None:
    """At 30 a minute that is two seconds later, for every node; what is put back unsent counts as never taken."""
    limits = concurrent(4, per_minute=30)
    await queued(store, SLOW, 3)
    before = now()
    (lease,) = await take(store, limits, SLOW, owner="w")
    shut = await allowed(store, limits, SLOW)
    assert shut.rows == 0
    assert shut.next_at is not None
    assert before + 2000 <= shut.next_at <= now() + 2000

    async def unsent(tx: Tx) -> None:
        await finish(tx, lease, due_at=now())
        await limits.put_back(tx, SLOW)

    await store.write(unsent)
    assert (await allowed(store, limits, SLOW)).rows == 1


# --- several nodes -----------------------------------------------------------------------------------


async def test_two_nodes_that_claim_at_the_same_moment_do_not_both_take_the_last_place(postgresql_url: str) -> None:
    """Fifty times: never more than max_concurrent under a lease, and always as many once both have asked."""
    limits = concurrent(3)
    async with opened(postgresql_url) as one, opened(postgresql_url) as two:
        await queued(one, SLOW, 200)
        for _ in range(50):
            taken = await asyncio.gather(
                *(take(node, limits, SLOW, owner=str(id(node))) for node in (one, two, one, two))
            )
            leases = list(itertools.chain(*taken))
            assert len(leases) == 3
            for lease in leases:
                await one.write(partial(finish, lease=lease, due_at=None))


async def test_a_rate_holds_over_two_nodes(postgresql_url: str) -> None:
    """Both ask all the time for two seconds: 120 a minute is two a second, and two of them at once."""
    limits = concurrent(50, per_minute=120)
    async with opened(postgresql_url) as one, opened(postgresql_url) as two:
        await queued(one, SLOW, 50)
        begin, end = now(), time.monotonic() + 2.0
        taken = 0
        while time.monotonic() < end:
            taken += sum(map(len, await asyncio.gather(*(take(node, limits, SLOW, owner="w") for node in (one, two)))))
            await asyncio.sleep(0.01)
        assert 4 <= taken <= 2 + (now() - begin) // 500


@dataclass
class Line:
    """Stands for FaxMAX: how many faxes of each account are on it at once, and what went when."""

    store: Store
    seconds: float
    now_on_it: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    begun: dict[str, list[float]] = field(default_factory=dict)

    async def handle(self, lease: Lease, row: Work) -> None:
        self.begun.setdefault(row.account, []).append(time.monotonic())
        self.now_on_it[row.account] += 1
        self.most[row.account] = max(self.most[row.account], self.now_on_it[row.account])
        await asyncio.sleep(self.seconds)
        self.now_on_it[row.account] -= 1
        await self.store.write(partial(finish, lease=lease, due_at=None, state=FaxState.FAILED, ended_at=now()))


@asynccontextmanager
async def working(line: Line, limits: AccountLimits, *nodes: Store) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for node in nodes:
            worker = Worker(node, faxes.SUBMIT, line.handle, {SLOW: 3, FAST: 4}, gate=limits)
            stack.push_async_callback(_ended, worker, asyncio.create_task(worker.run()))
        yield


async def _ended(worker: Worker, task: "asyncio.Task[None]") -> None:
    await asyncio.sleep(0)  # the task may not have begun
    await worker.stop(5)
    await task


async def left(store: Store, account: str) -> int:
    waiting = select(func.count()).where(schema.fax.c.account == account, schema.fax.c.state == FaxState.QUEUED)
    async with store.read() as conn:
        return int((await conn.execute(waiting)).scalar_one())


async def test_workers_of_two_nodes_keep_to_one_limit_and_leave_nothing(postgresql_url: str) -> None:
    """Each would take three by itself; together they never have more than three, and all faxes go."""
    async with opened(postgresql_url) as one, opened(postgresql_url) as two:
        line = Line(one, 0.03)
        await queued(one, SLOW, 30)
        async with working(line, concurrent(3), one, two), asyncio.timeout(20):
            while await left(one, SLOW):  # noqa: ASYNC110 — looks at a database
                await asyncio.sleep(0.02)
        assert line.most[SLOW] == 3
        assert len(line.begun[SLOW]) == 30


async def test_an_account_at_its_rate_neither_spins_nor_holds_up_another(store: Store) -> None:
    """It waits for its instant; the other's faxes go at once, and nobody asks the database again and again."""
    line = Line(store, 0.0)
    limits = _Counted(concurrent(4, per_minute=60))
    await queued(store, SLOW, 9)
    async with working(line, limits, store):
        await asyncio.sleep(0.5)
        asked = limits.asked[SLOW]
        started = time.monotonic()
        await queued(store, FAST, 8)
        async with asyncio.timeout(5):
            while await left(store, FAST):  # noqa: ASYNC110 — looks at a database
                await asyncio.sleep(0.01)
        assert time.monotonic() - started < 3  # the slow one would need seven seconds for its own
        await asyncio.sleep(max(0.0, 2.3 - (time.monotonic() - line.begun[SLOW][0])))
    steps = [b - a for a, b in itertools.pairwise(line.begun[SLOW])]
    assert len(steps) >= 2
    assert all(step >= 0.99 for step in steps), steps
    assert asked <= 4
    assert limits.asked[SLOW] <= 4 * (len(steps) + 1)


class _Counted(AccountLimits):
    """The real limits, and how often they were asked."""

    def __init__(self, limits: AccountLimits) -> None:
        super().__init__(limits._limits)  # noqa: SLF001 — the same ones
        self.asked: Counter[str] = Counter()

    async def allowance(self, tx: Tx, lane: str) -> Allowance:
        self.asked[lane] += 1
        return await super().allowance(tx, lane)
