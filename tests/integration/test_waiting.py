"""A fax waits for its time to send and for quiet hours to end, at each place where it could be begun."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from fax_bridge.fax import Instant, ResultClass, now
from fax_bridge.quiet_hours import ALWAYS, AT_ONCE, QuietHours, Schedule
from fax_bridge.store import faxes, intake, messages, operator, schema
from fax_bridge.store.lease import Lease, LeaseLost, claim
from fax_bridge.store.store import Store, Tx
from fax_bridge.wall_clock import at_zone

NUMBER, OTHER = "902163334455", "4930123456"
PROMISES = faxes.Promises(confirm=60_000, confirm_page=1000, unknown=60_000, answer=1_000)
UTC = ZoneInfo("UTC")
LIFETIME = 60_000
HOUR = 3_600_000


def quiet_now() -> Schedule:
    """To Turkey it is quiet, from an hour ago until about an hour from now."""
    here = at_zone(now(), UTC)
    start, end = ((here + timedelta(hours=h)).time().replace(second=0, microsecond=0) for h in (-1, 1))
    return Schedule((QuietHours("90", start, end, UTC),))


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


async def prepared(
    store: Store, *new: intake.NewFax, send_at: Instant | None = None, schedule: Schedule = ALWAYS
) -> None:
    mail = intake.NewMessage(
        id="M1", account="default", mail_from="ayse@example.com", client="c", content=b"x", language="tr", options={},
        give_up_at=now() + LIFETIME, faxes=new,
    )  # fmt: skip
    await store.write_each(intake.accept, mail)
    ((lease, _),) = await store.write(partial(claim, queue=messages.PREPARE, owner="w", lease_ms=60_000, limit=1))
    headers = messages.Headers("x", "", "")
    made = partial(messages.prepared, lease=lease, headers=headers, pdf=b"%PDF", sha256="s", pages=1, cover=None)
    await store.write(partial(made, fates=[], send_at=send_at, schedule=schedule))


def new_fax(fax_id: str, number: str = NUMBER, send_at: Instant | None = None) -> intake.NewFax:
    return intake.NewFax(fax_id, number, ("n@x",), send_at=send_at)


async def row_of(store: Store, fax_id: str) -> Any:
    async with store.read() as conn:
        return (await conn.execute(select(schema.fax).where(schema.fax.c.id == fax_id))).one()


async def notes(store: Store, fax_id: str) -> list[str]:
    async with store.read() as conn:
        found = await faxes.shown(conn, fax_id)
    assert found is not None
    return [event.note for event in found[2]]


async def claimed(store: Store, *, after: Instant = 0) -> list[Lease]:
    """What a worker gets now; with ``after``, once all is due."""
    if after:

        async def age(tx: Tx) -> None:
            await tx.conn.execute(update(schema.fax).where(schema.fax.c.due_at <= after).values(due_at=now()))

        await store.write(age)
    got = await store.write(partial(claim, queue=faxes.SUBMIT, owner="w", lease_ms=60_000, limit=9, lane="default"))
    return [lease for lease, _ in got]


async def test_a_prepared_fax_is_due_at_its_time_and_its_lifetime_begins_then(store: Store) -> None:
    """An address's time wins over the header's; where there is none it goes at once."""
    soon, later = now() + HOUR, now() + 2 * HOUR
    await prepared(store, new_fax("A", send_at=later), new_fax("B", OTHER), send_at=soon)
    a, b = await row_of(store, "A"), await row_of(store, "B")
    assert (a.send_at, a.due_at, b.send_at, b.due_at) == (later, later, soon, soon)
    assert later + LIFETIME - 20_000 <= a.give_up_at <= later + LIFETIME
    assert any(note.startswith("not before ") for note in await notes(store, "A"))
    assert await claimed(store) == []
    assert await store.write(faxes.expire) == []


async def test_quiet_hours_hold_the_destinations_that_they_are_for(store: Store) -> None:
    """The fax to Turkey waits and loses nothing of its lifetime; the one to Germany goes."""
    await prepared(store, new_fax("A"), new_fax("B", OTHER), schedule=quiet_now())
    a = await row_of(store, "A")
    assert a.due_at >= now() + HOUR - 120_000
    assert a.give_up_at >= a.due_at + LIFETIME - 20_000
    assert [lease.id for lease in await claimed(store)] == ["B"]


async def test_the_intent_is_not_written_for_a_fax_that_was_claimed_too_early(store: Store) -> None:
    """The last line: whatever made it due, it goes back and nothing was begun; an hour is no part of its lifetime."""
    await prepared(store, new_fax("A"))
    (lease,) = await claimed(store)
    with pytest.raises(faxes.NotYet):
        await store.write(partial(faxes.submitting, lease=lease, schedule=quiet_now()))
    before = await row_of(store, "A")
    assert (before.state, before.attempts) == ("queued", 0)
    await store.write(partial(faxes.put_off, lease=lease, schedule=quiet_now()))
    after = await row_of(store, "A")
    assert (after.owner, after.attempts) == (None, 0)
    assert after.due_at >= now() + HOUR - 120_000
    assert after.give_up_at - before.give_up_at >= HOUR - 120_000
    assert await store.write(partial(faxes.submitting, lease=(await claimed(store, after=after.due_at))[0])) == 1


async def test_a_retry_is_no_exception(store: Store) -> None:
    """A line fault at one minute to ten does not call at five past."""
    await prepared(store, new_fax("A"))
    (lease,) = await claimed(store)
    await store.write(partial(faxes.submitting, lease=lease))
    again = partial(
        faxes.retried, fax_id="A", attempt=1, delay_ms=1000, detail="busy", promises=PROMISES, schedule=quiet_now()
    )
    await store.write(again)
    row = await row_of(store, "A")
    assert (row.state, row.detail) == ("queued", "busy")
    assert row.due_at >= now() + HOUR - 120_000
    assert "busy; not before" in (await notes(store, "A"))[-1]


async def test_an_unknown_that_is_sent_again_as_set_waits_too(store: Store) -> None:
    """on_unknown = "retry": the window closes whenever it does."""
    await prepared(store, new_fax("A"))
    (lease,) = await claimed(store)
    await store.write(partial(faxes.submitting, lease=lease))
    await store.write(partial(faxes.lost, fax_id="A", attempt=1, detail="cut", promises=PROMISES))

    async def over(tx: Tx) -> None:
        await tx.conn.execute(update(schema.fax).values(due_at=now()))

    await store.write(over)
    ((window, _),) = await store.write(partial(claim, queue=faxes.PROMISED, owner="w", lease_ms=60_000, limit=1))
    due = partial(faxes.promise_due, lease=window, on_unknown="retry", promises=PROMISES, schedule=quiet_now())
    assert await store.write(due) == "queued"
    assert (await row_of(store, "A")).due_at >= now() + HOUR - 120_000


async def test_an_operators_retry_waits_for_nothing_from_then_on(store: Store) -> None:
    """Neither its time to send nor quiet hours hold it, should the try fail neither."""
    await prepared(store, new_fax("A", send_at=now() + HOUR), schedule=quiet_now())
    await store.write(partial(operator.retry, fax_id="A"))
    (lease,) = await claimed(store)
    assert (await row_of(store, "A")).send_at == AT_ONCE
    assert await store.write(partial(faxes.submitting, lease=lease, schedule=quiet_now())) == 1
    again = partial(
        faxes.retried, fax_id="A", attempt=1, delay_ms=1000, detail="cut", promises=PROMISES, schedule=quiet_now()
    )
    await store.write(again)
    assert (await row_of(store, "A")).due_at <= now() + 1000


async def test_a_fax_that_waits_for_its_time_does_not_look_like_a_stuck_queue(store: Store) -> None:
    """The oldest that waits is told since when it could have gone."""
    await prepared(store, new_fax("A", send_at=now() + HOUR))
    async with store.read() as conn:
        assert await operator.oldest_waiting(conn) is None
    since = now() - 1000

    async def its_time(tx: Tx) -> None:
        await tx.conn.execute(update(schema.fax).values(send_at=since, accepted_at=since - HOUR))

    await store.write(its_time)
    async with store.read() as conn:
        assert await operator.oldest_waiting(conn) == since


async def test_a_refused_mail_ends_its_waiting_faxes_at_once(store: Store) -> None:
    """A document that cannot be made is told now, not when the fax would have gone."""
    mail = intake.NewMessage(
        id="M1", account="default", mail_from="a@example.com", client="c", content=b"x", language="tr", options={},
        give_up_at=now() + LIFETIME, faxes=(new_fax("A", send_at=now() + HOUR),),
    )  # fmt: skip
    await store.write_each(intake.accept, mail)
    ((lease, _),) = await store.write(partial(claim, queue=messages.PREPARE, owner="w", lease_ms=60_000, limit=1))
    headers = messages.Headers("x", "", "")
    refused = partial(messages.refused, lease=lease, headers=headers, fates=(), result=ResultClass.DOCUMENT)
    await store.write(partial(refused, detail="bad_send_at: x"))
    assert (await row_of(store, "A")).state == "failed"


# --- held --------------------------------------------------------------------------------------------


async def hold(store: Store, fax_id: str, until: Instant) -> None:
    await store.write(partial(operator.hold, fax_id=fax_id, until=until))


async def release(store: Store, fax_id: str, schedule: Schedule = ALWAYS) -> None:
    lasts = now() + LIFETIME
    await store.write(partial(operator.release, fax_id=fax_id, schedule=schedule, give_up_at=lasts))


async def too_long(store: Store) -> list[bool]:
    async with store.read() as conn:
        over = await faxes.held_too_long(conn)
    return [await store.write(partial(faxes.held_over, fax_id=one)) for one in over]


async def test_a_held_fax_is_cancelled_at_its_promised_time_and_the_report_is_due(store: Store) -> None:
    """Not before it, and whatever its lifetime in the queue was."""
    await prepared(store, new_fax("A"))
    await hold(store, "A", now() + HOUR)

    async def aged(tx: Tx, column: str, at: Instant) -> None:
        await tx.conn.execute(update(schema.fax).values({column: at}))

    await store.write(partial(aged, column="give_up_at", at=now() - 1))
    assert await store.write(faxes.expire) == []
    assert await claimed(store) == []
    assert await too_long(store) == []
    await store.write(partial(aged, column="due_at", at=now() - 1))
    assert await too_long(store) == [True]
    row = await row_of(store, "A")
    assert (row.state, row.result, row.detail) == ("cancelled", "cancelled", faxes.HELD_TOO_LONG)
    async with store.read() as conn:
        assert (await conn.execute(select(schema.message.c.state))).scalar_one() == "ended"
    assert await too_long(store) == []


async def test_a_released_fax_goes_with_a_new_lifetime_but_not_into_quiet_hours(store: Store) -> None:
    """The days that it was held are not counted against it; one that was just released is not cancelled."""
    await prepared(store, new_fax("A"))
    await hold(store, "A", now() - 1)
    async with store.read() as conn:
        over = await faxes.held_too_long(conn)
    await release(store, "A", quiet_now())
    assert not await store.write(partial(faxes.held_over, fax_id=over[0]))
    row = await row_of(store, "A")
    assert row.state == "queued"
    assert row.due_at >= now() + HOUR - 120_000
    assert row.give_up_at >= row.due_at + LIFETIME - 20_000


async def test_a_fax_that_a_worker_has_in_hand_can_still_be_held(store: Store) -> None:
    """Until the intent is written; the worker finds its lease lost and sends nothing."""
    await prepared(store, new_fax("A"), new_fax("B", OTHER))
    first, second = await claimed(store)
    await hold(store, first.id, now() + HOUR)
    with pytest.raises(LeaseLost):
        await store.write(partial(faxes.submitting, lease=first))
    await store.write(partial(faxes.submitting, lease=second))
    with pytest.raises(operator.NotPossible, match="It is submitting"):
        await hold(store, second.id, now() + HOUR)


async def test_a_fax_without_its_document_cannot_be_held(store: Store) -> None:
    """Released too early it would have nothing to send."""
    mail = intake.NewMessage(
        id="M1", account="default", mail_from="a@example.com", client="c", content=b"x", language="tr", options={},
        give_up_at=now() + LIFETIME, faxes=(new_fax("A"),),
    )  # fmt: skip
    await store.write_each(intake.accept, mail)
    with pytest.raises(operator.NotPossible, match="document is being made"):
        await hold(store, "A", now() + HOUR)
