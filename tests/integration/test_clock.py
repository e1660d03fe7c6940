"""Rows are moved with the clock, on both databases."""

from functools import partial

import pytest
from sqlalchemy import select, update

from fax_bridge.fax import OutboxState, now
from fax_bridge.store import clock, outbox
from fax_bridge.store.lease import owner_name
from fax_bridge.store.schema import outbox as mails
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import LEASE_MS

HOUR = 3_600_000
OURS, THEIRS = owner_name(), "elsewhere-1-0A1B2C3D"


async def put(tx: Tx, *, name: str, owner: str | None, due_at: int | None) -> None:
    mail = outbox.NewMail(name, "alert", "", "", ("a@example.com",), b"", now() + 2 * HOUR)
    await outbox.put(tx, mail)
    await tx.conn.execute(update(mails).where(mails.c.id == name).values(owner=owner, due_at=due_at))


async def moved(url: str, by: int) -> dict[str, int | None]:
    """By how much each row's moment was moved, in milliseconds; ``theirs`` is how far ahead it is then."""
    at = now()
    rows = {
        "waiting": (None, at + HOUR),
        "ours": (OURS, at + 500),
        "theirs": (THEIRS, at + HOUR),
        "ended": (None, None),
    }
    store = await Store.open(url)
    try:
        for name, (owner, due_at) in rows.items():
            await store.write(partial(put, name=name, owner=owner, due_at=due_at))
        await store.write(partial(clock.shift, by=by))
        async with store.read() as conn:
            found = {row.id: row for row in (await conn.execute(select(mails))).all()}
    finally:
        await store.close()
    assert {row.state for row in found.values()} == {OutboxState.WAITING}
    assert {row.give_up_at >= at + 2 * HOUR for row in found.values()} == {True}
    return {
        "waiting": found["waiting"].due_at - at - HOUR,
        "ours": found["ours"].due_at - at - 500,
        "theirs": found["theirs"].due_at - at,
        "ended": found["ended"].due_at,
    }


async def test_set_back_all_that_waits_moves_with_the_clock(either_url: str) -> None:
    """Another node's lease is no longer than a lease from now; what waits for nothing still does."""
    found = await moved(either_url, -HOUR)
    assert (found["waiting"], found["ours"], found["ended"]) == (-HOUR, -HOUR, None)
    assert found["theirs"] == pytest.approx(LEASE_MS, abs=5000)


async def test_set_forward_only_what_is_in_our_hand_moves(either_url: str) -> None:
    """Its lease has not run out; a moment that was promised comes when the clock says so."""
    found = await moved(either_url, 2 * HOUR)
    assert (found["waiting"], found["ours"], found["ended"]) == (0, 2 * HOUR, None)
