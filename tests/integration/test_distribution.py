"""The numbers of an attached list become faxes, each once, on both databases."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import select

from fax_bridge.fax import RcptDsn, now
from fax_bridge.store import distribution, intake, messages, operator
from fax_bridge.store.distribution import Listed
from fax_bridge.store.lease import claim
from fax_bridge.store.schema import fax, fax_event, message
from fax_bridge.store.store import Store, Tx

WINDOW = 600_000
LATER = now() + 60_000


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


def a_list(fax_id: str) -> intake.NewFax:
    address = "list+fine@fax.example.com"
    return intake.NewFax(
        fax_id, "", (address,), f"key-{fax_id}", {address: RcptDsn("NEVER")}, 5, "list", {"resolution": "fine"}
    )


def a_number(fax_id: str, number: str) -> intake.NewFax:
    return intake.NewFax(fax_id, number, (f"{number}@fax.example.com",), f"key-{number}")


async def sent(store: Store, message_id: str, *asked: intake.NewFax, listed: str, restored: bool = False) -> None:
    """A mail with a list of one-digit numbers, accepted and made into its document; between the two a backup was
    ``restored``."""
    new = intake.NewMessage(
        id=message_id, account="default", mail_from="a@b", client="127.0.0.1", content=b"x", language="tr", options={},
        give_up_at=now() + 60_000, faxes=asked,
    )  # fmt: skip
    await store.write_each(intake.accept, new)
    if restored:
        await store.write(partial(operator.hold_all, until=LATER))
    taken = await store.write(partial(claim, queue=messages.PREPARE, owner="w", lease_ms=60_000, limit=9))
    lease = next(lease for lease, _ in taken if lease.id == message_id)
    numbers = [Listed(f"{message_id}-{number}", number, f"key-{number}") for number in listed]

    async def work(tx: Tx) -> None:
        await distribution.add(tx, message_id=message_id, listed=numbers, window=WINDOW)
        await messages.prepared(
            tx, lease=lease, headers=messages.Headers("x", "", ""), pdf=b"%PDF", sha256="s", pages=1, cover=None,
            fates=[],
        )  # fmt: skip

    await store.write(work)


async def numbers_of(store: Store, message_id: str) -> dict[str, str]:
    async with store.read() as conn:
        rows = (await conn.execute(select(fax).where(fax.c.message_id == message_id))).all()
        events = set((await conn.execute(select(fax_event.c.fax_id))).scalars())
    assert {row.id for row in rows} <= events
    assert all(row.due_at is not None for row in rows if row.state == "queued")
    return {row.number or row.target: row.state for row in rows}


async def test_numbers_of_the_list_join_those_of_the_envelope(store: Store) -> None:
    """One fax for each, all due."""
    await sent(store, "M1", a_number("F1", "1"), listed="123")
    assert await numbers_of(store, "M1") == dict.fromkeys("123", "queued")


async def test_what_was_asked_for_the_list_holds_for_each_number(store: Store) -> None:
    """Options, the time to send at, what the sender wants to be told, the address."""
    await sent(store, "M1", a_list("F1"), listed="12")
    async with store.read() as conn:
        rows = (await conn.execute(select(fax).order_by(fax.c.number))).all()
    assert [row.number for row in rows] == ["1", "2"]
    for row in rows:
        assert (row.target, row.send_at, row.options) == ("", 5, {"resolution": "fine"})
        assert row.recipients == ["list+fine@fax.example.com"]
        assert row.dsn["list+fine@fax.example.com"]["notify"] == "NEVER"


async def test_a_list_that_adds_nothing_to_the_envelope_leaves_no_fax_behind(store: Store) -> None:
    """Its address is told with one of them."""
    await sent(store, "M1", a_number("F1", "1"), a_list("F2"), listed="1")
    assert await numbers_of(store, "M1") == {"1": "queued"}
    async with store.read() as conn:
        row = (await conn.execute(select(fax))).one()
    assert row.recipients == ["1@fax.example.com", "list+fine@fax.example.com"]


async def test_a_copy_of_the_mail_with_other_recipients_sends_to_no_number_twice(store: Store) -> None:
    """A relay splits a mail of many recipients; the list is in each copy."""
    await sent(store, "M1", a_number("F1", "1"), listed="123")
    await sent(store, "M2", a_number("F2", "4"), listed="123")
    assert await numbers_of(store, "M2") == {"4": "queued"}
    new = intake.NewMessage(
        id="M3", account="default", mail_from="a@b", client="127.0.0.1", content=b"x", language="tr", options={},
        give_up_at=now() + 60_000, faxes=(a_number("F3", "2"),), repeat_window=WINDOW,
    )  # fmt: skip
    (accepted,) = [await store.write_each(intake.accept, new)]
    assert accepted.repeated == ("M1-2",)


async def test_a_list_of_which_all_went_by_another_copy_ends_in_words(store: Store) -> None:
    """Its sender hears that nothing more goes."""
    await sent(store, "M1", a_number("F1", "1"), listed="12")
    await sent(store, "M2", a_list("F2"), listed="12")
    assert await numbers_of(store, "M2") == {"list": "cancelled"}
    async with store.read() as conn:
        row = (await conn.execute(select(fax).where(fax.c.id == "F2"))).one()
        ended = (await conn.execute(select(message.c.state).where(message.c.id == "M2"))).scalar()
    assert (row.detail, ended) == (distribution.SENT_BEFORE, "ended")


@pytest.mark.parametrize("asked", [a_number("F1", "1"), a_list("F1")], ids=["number", "list"])
async def test_after_a_restore_the_numbers_of_a_list_are_held_as_its_mail_is(
    store: Store, asked: intake.NewFax
) -> None:
    """They may have gone out since the backup: none goes a second time by itself, and none is lost."""
    await sent(store, "M1", asked, listed="123", restored=True)
    assert await numbers_of(store, "M1") == dict.fromkeys("123", "held")
    async with store.read() as conn:
        assert set((await conn.execute(select(fax.c.due_at))).scalars()) == {LATER}
