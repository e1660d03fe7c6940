"""Two nodes that learn of one fax at the same moment, in transactions that do not see each other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from fax_bridge.fax import FaxState, now
from fax_bridge.store import faxes, pushes
from fax_bridge.store.lease import claim
from fax_bridge.store.schema import fax
from fax_bridge.store.store import Store, Tx
from tests.integration.test_store import PROMISES, accepted, claimed, pushed, state, submitted, take

Work = Callable[[Tx], Awaitable[Any]]


@pytest.fixture
async def nodes(postgresql_url: str) -> AsyncIterator[tuple[Store, Store]]:
    one, other = await Store.open(postgresql_url), await Store.open(postgresql_url)
    yield one, other
    await other.close()
    await one.close()


async def at_once(first: tuple[Store, Work], second: tuple[Store, Work]) -> None:
    """Both have done all that they do before either is committed."""
    done = [asyncio.Event(), asyncio.Event()]

    def overlapping(work: Work, mine: asyncio.Event, others: asyncio.Event) -> Work:
        async def worked(tx: Tx) -> Any:
            value = await work(tx)
            mine.set()
            await asyncio.wait_for(others.wait(), 10)
            return value

        return worked

    async with asyncio.TaskGroup() as group:
        group.create_task(first[0].write(overlapping(first[1], done[0], done[1])))
        group.create_task(second[0].write(overlapping(second[1], done[1], done[0])))


async def reaches(store: Store, fax_id: str, wanted: str) -> None:
    async with asyncio.timeout(10):
        while (await state(store, fax_id))[0] != wanted:  # noqa: ASYNC110 — the other node's writer tells nobody
            await asyncio.sleep(0.02)


async def told(store: Store, provider_id: str) -> Work:
    """A final push, stored, and about to be taken."""
    await store.write_each(pushes.journal, pushes.NewPush("P1", "x", b"[]"))
    return partial(faxes.take_status, pushed=pushed(provider_id), push_id="P1", seq=0, promises=PROMISES)


async def test_a_push_that_is_taken_while_another_node_writes_the_answer_finds_its_fax(
    nodes: tuple[Store, Store],
) -> None:
    """Else a delivered fax would be reported as unconfirmed, hours later."""
    one, other = nodes
    await accepted(one, "F1")
    attempt = await one.write(partial(faxes.submitting, lease=await claimed(one, "F1")))
    answer = partial(faxes.accepted, fax_id="F1", attempt=attempt, provider_id="FX", request_id="r", promises=PROMISES)
    await at_once((one, answer), (other, await told(other, "FX")))
    await reaches(one, "F1", "delivered")


async def test_a_push_that_is_taken_while_another_node_loses_the_answer_is_adopted(nodes: tuple[Store, Store]) -> None:
    """It is the only one that fits, whichever of the two was first."""
    one, other = nodes
    await accepted(one, "F1")
    attempt = await one.write(partial(faxes.submitting, lease=await claimed(one, "F1")))
    cut = partial(faxes.lost, fax_id="F1", attempt=attempt, detail="cut", promises=PROMISES)
    await at_once((one, cut), (other, await told(other, "FX")))
    await reaches(one, "F1", "delivered")


async def test_a_push_that_comes_while_earlier_ones_are_applied_is_not_taken_for_applied(
    nodes: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is committed between the look at what was told so far and the note that this belongs to the fax now."""
    one, other = nodes
    await accepted(one, "F1")
    attempt = await one.write(partial(faxes.submitting, lease=await claimed(one, "F1")))
    await take(one, pushed("FX", None), "P0")
    final = await told(other, "FX")
    apply = faxes._apply  # noqa: SLF001 — the moment in the middle of it is what is asked for

    async def overtaken(tx: Tx, *rest: Any) -> None:
        monkeypatch.undo()
        await other.write(final)
        await apply(tx, *rest)

    monkeypatch.setattr(faxes, "_apply", overtaken)
    await one.write(
        partial(faxes.accepted, fax_id="F1", attempt=attempt, provider_id="FX", request_id="r", promises=PROMISES)
    )
    await reaches(one, "F1", "delivered")


async def test_a_fax_whose_end_was_told_is_not_called_unconfirmed(nodes: tuple[Store, Store]) -> None:
    """A node that died before it looked again left the status behind, which belongs to nobody."""
    one, _ = nodes
    await accepted(one, "F1")
    await take(one, pushed("FX"), "P1")
    await submitted(one, "F1", "other")

    async def left_behind(tx: Tx) -> None:
        await tx.conn.execute(update(fax).values(provider_id="FX", due_at=now()))

    await one.write(left_behind)
    ((lease, _),) = await one.write(partial(claim, queue=faxes.PROMISED, owner="w", lease_ms=60_000, limit=1))
    due = partial(faxes.promise_due, lease=lease, on_unknown="report", promises=PROMISES)
    assert await one.write(due) == FaxState.DELIVERED
