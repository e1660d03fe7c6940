"""A phone book at FaxMAX as rows: one that goes out, the faxes that come back, on both databases."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from fax_bridge.fax import now
from fax_bridge.store import books, faxes, operator
from fax_bridge.store.lease import claim
from fax_bridge.store.operator import NotPossible
from fax_bridge.store.schema import fax
from fax_bridge.store.store import Store, Tx
from tests.integration.test_store import (
    NUMBER,
    PROMISES,
    accepted,
    claimed,
    lost,
    message_state,
    pushed,
    state,
    take,
)


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


async def under_way(store: Store) -> int:
    """The fax B1 to a book, its intent committed; the number of its attempt."""
    await accepted(store, "B1", number="")

    async def to_book(tx: Tx) -> None:
        await tx.conn.execute(update(fax).where(fax.c.id == "B1").values(target="book-7", options={"cover": "off"}))

    await store.write(to_book)
    lease = await claimed(store, "B1")
    return await store.write(partial(faxes.submitting, lease=lease))


async def answered(store: Store, attempt: int, *fax_ids: str, **more: Any) -> None:
    told = {"rejected": (), "unaccounted": 0, **more}
    work = partial(books.accepted, fax_id="B1", attempt=attempt, fax_ids=fax_ids, request_id="r", promises=PROMISES)
    await store.write(partial(work, **told))


async def rows(store: Store) -> list[tuple[str, str, str | None, str]]:
    async with store.read() as conn:
        found = (await conn.execute(select(fax).where(fax.c.target == "book-7").order_by(fax.c.id))).all()
    assert {row.message_id for row in found} == {"MB1"}
    assert all(row.options == {"cover": "off"} for row in found)
    return sorted((row.state, row.number, row.provider_id, row.detail) for row in found)


async def test_each_fax_of_the_answer_is_a_row_and_learns_its_number_from_its_push(store: Store) -> None:
    """The message ends when the last of them has."""
    await answered(store, await under_way(store), "x", "y")
    assert await rows(store) == [("submitted", "", "x", ""), ("submitted", "", "y", "")]
    await take(store, pushed("y"), "P1")
    assert await message_state(store, "MB1") == "ready"
    await take(store, pushed("x", called="902163334466"), "P2")
    assert [(row[0], row[1]) for row in await rows(store)] == [("delivered", NUMBER), ("delivered", "902163334466")]
    assert await message_state(store, "MB1") == "ended"


async def test_what_is_rejected_or_only_counted_is_told_of_each(store: Store) -> None:
    """A rejected number failed; a fax that FaxMAX counts and does not name is unknown, and nothing sends it again."""
    await answered(store, await under_way(store), "x", rejected=((NUMBER, "no"),), unaccounted=1)
    assert await rows(store) == [
        ("failed", NUMBER, None, "no"),
        ("submitted", "", "x", ""),
        ("unknown", "", None, books.UNACCOUNTED),
    ]
    await take(store, pushed("x", called="902163334466"), "P1")

    async def over(tx: Tx) -> None:
        await tx.conn.execute(update(fax).where(fax.c.state == "unknown").values(due_at=now() - 1))

    await store.write(over)
    ((lease, _),) = await store.write(partial(claim, queue=faxes.PROMISED, owner="w", lease_ms=60_000, limit=5))
    assert await store.write(partial(faxes.promise_due, lease=lease, on_unknown="retry", promises=PROMISES)) == (
        "uncertain"
    )
    assert await message_state(store, "MB1") == "ended"


async def test_an_empty_book_failed_and_one_of_rejected_numbers_too(store: Store) -> None:
    """Nothing went out, and the sender hears why."""
    await answered(store, await under_way(store))
    assert await rows(store) == [("failed", "", None, books.EMPTY)]
    assert await message_state(store, "MB1") == "ended"


async def test_only_rejected_numbers_end_the_message_at_once(store: Store) -> None:
    """The row that was sent becomes the first of them."""
    await answered(store, await under_way(store), rejected=((NUMBER, "a"), ("", "b")))
    assert await rows(store) == [("failed", "", None, "b"), ("failed", NUMBER, None, "a")]
    assert await message_state(store, "MB1") == "ended"


async def test_an_answer_counts_for_its_own_attempt_and_once(store: Store) -> None:
    """A worker that is late or doubled makes no rows."""
    attempt = await under_way(store)
    await answered(store, attempt + 1, "x", "y")
    assert [row[0] for row in await rows(store)] == ["submitting"]
    await answered(store, attempt, "x", "y")
    await answered(store, attempt, "x", "y")
    assert len(await rows(store)) == 2


async def test_pushes_that_come_before_the_answer_are_the_books_own(store: Store) -> None:
    """Another fax to the same number, whose answer was lost, must not take one for its own."""
    await accepted(store, "F1")
    await lost(store, "F1")
    attempt = await under_way(store)
    assert await take(store, pushed("y"), "P1") is None
    assert (await state(store, "F1"))[0] == "unknown"
    await answered(store, attempt, "x", "y")
    assert (await state(store, "F1"))[0] == "unknown"
    assert ("delivered", NUMBER, "y") in [row[:3] for row in await rows(store)]


async def test_a_push_waits_for_the_book_and_is_then_adopted(store: Store) -> None:
    """It was not the book's: the one lost fax that it fits has it."""
    await accepted(store, "F1")
    await lost(store, "F1")
    attempt = await under_way(store)
    await take(store, pushed("z"), "P1")
    await answered(store, attempt, "x", "y")
    assert await state(store, "F1") == ("delivered", "delivered", "z")


async def test_a_book_whose_answer_was_lost_is_unknown_and_takes_no_push(store: Store) -> None:
    """Nor does a lost fax near its time: the push may be the book's."""
    await accepted(store, "F1")
    await lost(store, "F1")
    await under_way(store)

    async def dead(tx: Tx) -> None:
        await tx.conn.execute(update(fax).where(fax.c.id == "B1").values(owner=None, due_at=now() - 1))

    await store.write(dead)
    ((lease, _),) = await store.write(partial(claim, queue=faxes.PROMISED, owner="w", lease_ms=60_000, limit=5))
    await store.write(partial(faxes.promise_due, lease=lease, on_unknown="report", promises=PROMISES))
    assert (await state(store, "B1"))[0] == "unknown"
    assert await take(store, pushed("x"), "P1") is None
    assert {(await state(store, one))[0] for one in ("F1", "B1")} == {"unknown"}


async def test_a_fax_id_that_is_anothers_is_not_taken_twice(store: Store) -> None:
    """It is counted as one that FaxMAX does not name."""
    attempt = await under_way(store)
    await accepted(store, "F1")
    lease = await claimed(store, "F1")
    n = await store.write(partial(faxes.submitting, lease=lease))
    await store.write(
        partial(faxes.accepted, fax_id="F1", attempt=n, provider_id="x", request_id="r", promises=PROMISES)
    )
    await answered(store, attempt, "x", "y")
    assert [(row[0], row[2]) for row in await rows(store)] == [("submitted", "y"), ("unknown", None)]


async def test_one_of_its_faxes_is_sent_again_once_its_number_is_known(store: Store) -> None:
    """And never the whole book."""
    await answered(store, await under_way(store), "x")
    again = partial(operator.resend, fax_id="B1", new_message="M2", new_fax="F2", give_up_at=now() + 60_000)
    await take(store, pushed("x", called=""), "P1")
    with pytest.raises(NotPossible, match="has not named its number"):
        await store.write(again)
    await take(store, pushed("x", result=None), "P2")
    await take(store, pushed("x", tried_count=2), "P3")
    await store.write(again)
    async with store.read() as conn:
        row = (await conn.execute(select(fax).where(fax.c.id == "F2"))).one()
    assert (row.number, row.target, row.options) == (NUMBER, "", {"cover": "off"})
