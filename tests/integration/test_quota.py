"""How much may go holds for all nodes together, counts nothing that is refused, and costs nothing where none is set."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from fax_bridge.fax import now
from fax_bridge.store import intake, quota
from fax_bridge.store.quota import Charge, Levels, Limit, OverLimit, Window
from fax_bridge.store.schema import fax, message
from fax_bridge.store.schema import quota as table
from fax_bridge.store.store import Store, Tx

HOUR = 3_600_000
LATER = now() + HOUR


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


def mail(name: str, *charges: Charge, numbers: Sequence[str] = ("902163334455",), key: str = "") -> intake.NewMessage:
    return intake.NewMessage(
        id=name, account="default", mail_from="ayse@example.com", client="127.0.0.1", content=b"x", language="tr",
        options={}, give_up_at=LATER, repeat_window=HOUR, charges=charges,
        faxes=tuple(intake.NewFax(f"{name}-{n}", n, (f"{n}@x",), repeat_key=key and key + n) for n in numbers),
    )  # fmt: skip


async def accept(store: Store, new: intake.NewMessage) -> object:
    try:
        return await store.write_each(intake.accept, new)
    except OverLimit as over:
        return over


async def kept(store: Store) -> int:
    async with store.read() as conn:
        return int((await conn.execute(select(func.count()).select_from(message))).scalar_one())


async def test_a_bucket_is_emptied_once_however_many_come_at_once(store: Store) -> None:
    """Sixty sessions in one commit or in many: ten get their 250."""
    bucket = Charge(Limit("sender|a|faxes", 10, within=HOUR))
    outcomes = await asyncio.gather(*(accept(store, mail(f"M{n}", bucket)) for n in range(60)))
    assert sum(isinstance(one, intake.Accepted) for one in outcomes) == 10
    assert all(not one.never for one in outcomes if isinstance(one, OverLimit))
    assert await kept(store) == 10


async def test_nodes_share_the_bucket(postgresql_url: str) -> None:
    """Two daemons on one PostgreSQL, both accepting as fast as they can."""
    stores = [await Store.open(postgresql_url), await Store.open(postgresql_url)]
    charges = (Charge(Limit("site||faxes", 25, within=HOUR)), Charge(Limit("client|c|messages", 1000, within=HOUR)))
    try:
        tries = (accept(stores[n % 2], mail(f"M{n}", *charges)) for n in range(100))
        outcomes = await asyncio.gather(*tries)
        assert sum(isinstance(one, intake.Accepted) for one in outcomes) == 25
        assert await kept(stores[0]) == 25
    finally:
        for store in stores:
            await store.close()


async def test_a_refused_mail_takes_nothing_from_any_limit(store: Store) -> None:
    """It is over the second: the first has as much as before, and so has the second for a smaller one."""
    first, second = Limit("sender|a|messages", 2, within=HOUR), Limit("sender|a|faxes", 3, within=HOUR)
    charges = (Charge(first, per_fax=False), Charge(second))
    big = mail("M1", *charges, numbers=[f"90216333445{n}" for n in range(4)])
    over = await accept(store, big)
    assert isinstance(over, OverLimit)
    assert (over.limit, over.never) == (second, True)
    two = [mail("M2", *charges), mail("M3", *charges, numbers=("902163334456", "902163334457"))]
    assert [isinstance(await accept(store, one), intake.Accepted) for one in two] == [True, True]
    async with store.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(fax))).scalar() == 3


async def test_a_repeat_of_a_mail_takes_nothing(store: Store) -> None:
    """Its client never heard the 250: it is no second fax, and no second unit."""
    one = Charge(Limit("sender|a|faxes", 1, within=HOUR))
    outcomes = [await accept(store, mail(name, one, key="same")) for name in ("M1", "M2", "M3")]
    assert all(isinstance(outcome, intake.Accepted) for outcome in outcomes)
    assert await kept(store) == 1


async def test_a_mail_and_its_repeat_in_one_commit_are_refused_together(store: Store) -> None:
    """The repeat must not be told of a fax that is not kept."""
    none_left = Charge(Limit("sender|a|faxes", 1, within=HOUR))
    assert isinstance(await accept(store, mail("M0", none_left)), intake.Accepted)
    outcomes = await asyncio.gather(*(accept(store, mail(name, none_left, key="same")) for name in ("M1", "M2")))
    assert [type(one) for one in outcomes] == [OverLimit, OverLimit]


async def test_a_cap_is_one_of_the_day_and_the_next_day_has_its_own(store: Store) -> None:
    """Not a unit more, also after a pause that would have filled a bucket."""
    today, tomorrow = Window("cap|1", 0, now() + HOUR), Window("cap|2", 0, now() + 2 * HOUR)
    capped = Charge(Limit("cap", 2, windows=(today,)))
    outcomes = [await accept(store, mail(f"M{n}", capped)) for n in range(3)]
    assert [type(one) for one in outcomes] == [intake.Accepted, intake.Accepted, OverLimit]
    next_day = Charge(Limit("cap", 2, windows=(tomorrow,)))
    assert isinstance(await accept(store, mail("M9", next_day)), intake.Accepted)


async def test_a_destination_is_charged_for_its_own_faxes_only(store: Store) -> None:
    """Nobody is called without end, whoever sends."""
    a, b = "902163334455", "902163334456"
    of = {n: Charge(Limit(f"destination|{n}", 1, within=HOUR), number=n) for n in (a, b)}
    assert isinstance(await accept(store, mail("M1", of[a])), intake.Accepted)
    assert isinstance(await accept(store, mail("M2", of[b], numbers=(b,))), intake.Accepted)
    assert isinstance(await accept(store, mail("M3", of[a], of[b], numbers=(a, b))), OverLimit)


async def test_without_limits_the_accepting_commit_asks_for_none(store: Store) -> None:
    """Not a statement more: the table of the limits is not touched."""
    asked: list[str] = []
    engine = store._engines.writer.sync_engine  # noqa: SLF001 — what it says to the database is the promise

    def heard(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    await accept(store, mail("M1"))
    event.remove(engine, "before_cursor_execute", heard)
    assert asked
    assert not [statement for statement in asked if "quota" in statement]


async def test_what_means_nothing_any_more_is_forgotten(store: Store) -> None:
    """Buckets that are full again and days that are over; not what is still counted."""
    await accept(store, mail("M1", Charge(Limit("short", 1000, within=1000)), Charge(Limit("long", 1, within=HOUR))))
    await asyncio.sleep(0.05)
    assert await store.write(quota.purge) == 1
    async with store.read() as conn:
        assert (await conn.execute(select(table.c.key))).scalars().all() == ["long"]


async def test_pages_are_put_off_to_when_there_is_room(store: Store) -> None:
    """Each in its turn, and the third day for what does not fit on the second."""
    days = tuple(Window(f"d{n}", n * 1000, (n + 1) * 1000) for n in range(4))
    cap, bucket = Limit("c", 10, windows=days), Limit("b", 10, within=10_000)

    async def reserve(tx: Tx, limit: Limit, pages: int) -> int:
        levels = await Levels.of(tx, [limit], at=500)
        ready_at = levels.reserve([(limit, pages)])
        await levels.write(tx)
        return ready_at

    assert [await store.write(partial(reserve, limit=cap, pages=p)) for p in (6, 6, 6, 4)] == [500, 1000, 2000, 500]
    assert [await store.write(partial(reserve, limit=bucket, pages=p)) for p in (6, 4, 5)] == [500, 500, 5500]
    with pytest.raises(OverLimit) as over:
        await store.write(partial(reserve, limit=cap, pages=11))
    assert over.value.never


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 50), st.integers(1, 100_000), st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 60))))
def test_a_bucket_never_lets_more_through_than_it_holds_and_refills(
    most: int, within: int, tries: list[tuple[int, int]]
) -> None:
    """In any span, however the tries come: at most what it holds, and what fills in the meantime."""
    limit = Limit("x", most, within=within)
    level: dict[str, int] = {}
    at, gone = 1_000_000, []
    for pause, units in tries:
        at += pause
        levels = Levels(level, at)
        try:
            levels.take([(limit, units)])
            gone.append((at, units))
        except OverLimit:
            pass
    for start, (begun, _) in enumerate(gone):
        total = 0
        for ended, units in gone[start:]:
            total += units
            assert total <= most + (ended - begun + 1) * most / within
