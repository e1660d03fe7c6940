"""Bounces, other deliveries and keys as rows, on both databases: each is told once, and nothing ends too early."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from ulid import ULID

from fax_bridge.fax import DeliveryKind, DeliveryState, PushedFax, now
from fax_bridge.store import bounces, clock, deliveries, keys, outbox, pushes
from fax_bridge.store.bounces import CameBack, Taken
from fax_bridge.store.deliveries import NewDelivery
from fax_bridge.store.lease import claim
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import bounce, delivery, received
from fax_bridge.store.schema import outbox as outbox_table
from fax_bridge.store.store import Store

FALLBACK = "postmaster@example.com"
DAY = 86_400_000


@pytest.fixture
async def either(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


def mail(received_id: str, *to: str, kind: str = "received", index: int = 0) -> outbox.NewMail:
    return outbox.NewMail(
        id=outbox.id_of_fax_mail(received_id, index), kind=kind, about=received_id, mail_from="bounce+x@example.com",
        recipients=to, content=b"mail", give_up_at=now() + DAY, awaits_bounces=True,
    )  # fmt: skip


def way(received_id: str, kind: DeliveryKind, give_up_at: int | None = None) -> NewDelivery:
    return NewDelivery(
        f"{kind}-{received_id}", kind, received_id, "/srv/fax", "a.pdf", "application/pdf", b"%PDF",
        give_up_at or now() + DAY,
    )  # fmt: skip


def alert(about: str, recipient: str, detail: str, rescued: bool) -> outbox.NewMail:
    return outbox.NewMail(f"alert-{recipient}", "alert", about, "", (FALLBACK,), detail.encode(), now() + DAY)


async def a_fax(store: Store, *mails: outbox.NewMail, others: tuple[NewDelivery, ...] = (), received_id: str) -> None:
    """Converted, with these on their way."""
    pushed = PushedFax(
        provider_id=received_id, account="default", caller="", caller_raw="", called="", called_raw="",
        remote_station="", tiff=b"II*\0",
    )  # fmt: skip
    await store.write(
        partial(pushes.take_received, pushed=pushed, received_id=received_id, push_id=str(ULID()), patience=1000)
    )
    ((lease, _),) = await store.write(partial(claim, queue=pushes.CONVERT, owner="w", lease_ms=60_000, limit=1))
    await store.write(partial(pushes.converted, lease=lease, pages=1, problem="", mails=mails, others=others))


async def rows(store: Store, table: Any) -> list[Any]:
    async with store.read() as conn:
        return list((await conn.execute(select(table))).all())


async def state_of(store: Store, received_id: str) -> tuple[str, str]:
    async with store.read() as conn:
        row = await pushes.by_id(conn, received_id)
    return row.state, row.fallback_reason


async def sent(store: Store, outbox_id: str, state: str = "sent") -> None:
    async def write(tx: Any) -> None:
        await tx.conn.execute(update(outbox_table).where(outbox_table.c.id == outbox_id).values(state=state))
        await pushes.settle(tx, outbox_id.split("-")[1])

    await store.write(write)


async def came_back(store: Store, outbox_id: str, *whom: str) -> Taken:
    failures = [CameBack(one, "mailbox full") for one in whom]
    return await store.write(
        partial(
            bounces.take, outbox_id=outbox_id, about=outbox_id.split("-")[1], failures=failures, fallback=FALLBACK,
            alert=alert,
        )
    )  # fmt: skip


async def test_each_recipient_that_comes_back_is_told_once_and_the_fax_is_converted_once_more(either: Store) -> None:
    """Twenty bounces at once, in other letters; whom the mail never had counts once, together."""
    fax = str(ULID())
    first = mail(fax, "a@example.com", "b@example.com")
    await a_fax(either, first, received_id=fax)
    await sent(either, first.id)
    assert await state_of(either, fax) == ("mailed", "")
    taken = await asyncio.gather(*(came_back(either, first.id, "A@Example.com") for _ in range(20)))
    assert sorted(len(one.recipients) for one in taken) == [0] * 19 + [1]
    assert await state_of(either, fax) == ("received", "bounced")
    for stranger in ("x@example.org", "y@example.org", ""):
        await came_back(either, first.id, stranger)
    assert {one.recipient for one in await rows(either, bounce)} == {"a@example.com", ""}
    assert len([row for row in await rows(either, outbox_table) if row.kind == "alert"]) == 2


async def test_a_fax_ends_when_all_its_ways_have(either: Store) -> None:
    """Not with the first of them; a link is none."""
    fax = str(ULID())
    one, two = mail(fax, "a@example.com"), mail(fax, "b@example.com", index=1)
    await a_fax(
        either, one, two, others=(way(fax, DeliveryKind.DIRECTORY), way(fax, DeliveryKind.LINK)), received_id=fax
    )
    await sent(either, one.id)
    await sent(either, two.id)
    assert await state_of(either, fax) == ("converted", "")
    ((lease, row),) = await either.write(partial(claim, queue=deliveries.DELIVER, owner="w", lease_ms=60_000, limit=9))
    assert row.kind == "directory"
    assert not hasattr(row, "content")
    await either.write(
        partial(deliveries.tried, lease=lease, state=DeliveryState.DELIVERED, due_at=None, last_error="")
    )
    await either.write(partial(pushes.settle, received_id=fax))
    assert await state_of(either, fax) == ("mailed", "")


async def test_a_failed_way_is_made_good_by_the_fallback_mailbox_or_the_fax_has_failed(either: Store) -> None:
    """And what has failed keeps its content for as long as its history."""
    fax = str(ULID())
    only = mail(fax, "a@example.com")
    await a_fax(either, only, received_id=fax)
    await sent(either, only.id, "failed")
    assert await state_of(either, fax) == ("failed", "")
    assert await either.write(partial(pushes.to_fallback, received_id=fax, reason="bounced"))
    assert await either.write(partial(pushes.to_fallback, received_id=fax, reason="other"))
    assert await state_of(either, fax) == ("received", "bounced")
    ((lease, row),) = await either.write(partial(claim, queue=pushes.CONVERT, owner="w", lease_ms=60_000, limit=1))
    assert row.fallback_reason == "bounced"
    second = mail(fax, FALLBACK, kind="fallback", index=outbox.FALLBACK_INDEX)
    await either.write(partial(pushes.converted, lease=lease, pages=1, problem="", mails=(second,)))
    await sent(either, second.id)
    assert await state_of(either, fax) == ("mailed", "bounced")
    taken = await came_back(either, second.id, FALLBACK)
    assert not taken.rescued
    assert await state_of(either, fax) == ("failed", "bounced")
    await purge(either, Kept(content=-DAY, metadata=DAY))
    (row,) = await rows(either, received)
    assert bytes(row.tiff) == b"II*\0"


async def test_a_bounce_of_a_purged_fax_is_told_all_the_same(either: Store) -> None:
    """The operator learns that a mailbox does not work, and that nothing is left to be sent."""
    fax = str(ULID())
    taken = await came_back(either, f"received-{fax}", "a@example.com")
    assert taken == Taken(("",), rescued=False)
    assert len(await rows(either, outbox_table)) == 1


async def test_what_is_behind_a_link_goes_with_its_end_and_not_before(either: Store) -> None:
    """Its own time rules, not that of other content."""
    fax = str(ULID())
    await a_fax(either, others=(way(fax, DeliveryKind.LINK),), received_id=fax)
    await purge(either, Kept(content=-DAY, metadata=DAY))
    async with either.read() as conn:
        assert await deliveries.linked(conn, f"link-{fax}") is not None

    async def end(tx: Any) -> None:
        await tx.conn.execute(update(delivery).values(give_up_at=now() - 1))

    await either.write(end)
    await purge(either, Kept(content=DAY, metadata=DAY))
    async with either.read() as conn:
        assert await deliveries.linked(conn, f"link-{fax}") is None


async def test_the_history_of_bounces_and_ways_is_forgotten_in_its_time(either: Store) -> None:
    """And not before."""
    fax = str(ULID())
    await a_fax(either, others=(way(fax, DeliveryKind.LINK, now() - 1),), received_id=fax)
    await came_back(either, f"received-{fax}", "a@example.com")
    await purge(either, Kept(content=0, metadata=DAY))
    assert len(await rows(either, bounce)) == len(await rows(either, delivery)) == 1
    await purge(either, Kept(content=-DAY, metadata=-DAY))
    assert await rows(either, bounce) == await rows(either, delivery) == []


async def test_what_waits_to_be_handed_over_moves_with_the_clock(either: Store) -> None:
    """Set back an hour, a file must not wait for an hour."""
    fax = str(ULID())
    await a_fax(either, others=(way(fax, DeliveryKind.DIRECTORY),), received_id=fax)
    (before,) = await rows(either, delivery)
    await either.write(partial(clock.shift, by=-3_600_000))
    (after,) = await rows(either, delivery)
    assert after.due_at == before.due_at - 3_600_000


async def test_an_installation_has_one_key_however_many_ask_at_once(either: Store) -> None:
    """And the same after a restart, or every link and bounce address would be void."""
    found = await asyncio.gather(*(keys.key_of(either) for _ in range(8)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await keys.key_of(either) == found[0]
    assert await keys.key_of(either, "another") != found[0]
