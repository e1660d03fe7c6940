"""Words before the report, as rows: written once, told once, gone with what they are about. On both databases."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update
from ulid import ULID

from fax_bridge.fax import FaxState, MailDsn, MessageState, RcptDsn, ResultClass, now
from fax_bridge.report_wishes import Outcomes, ReportWishes
from fax_bridge.store import intake, messages, notices, outbox
from fax_bridge.store.intake import NewFax, NewMessage
from fax_bridge.store.lease import Lease, LeaseLost, claim
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import fax, message, notice
from fax_bridge.store.store import Store
from fax_bridge.store.tx import Tx

LATER = 10**15
NUMBERS = ("902163330001", "902163330002", "902163330003")


@pytest.fixture
async def either(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


async def accepted(store: Store, *, delay_after: int | None = None) -> str:
    """A message of three faxes, its document made."""
    new = NewMessage(
        id=str(ULID()), account="default", mail_from="ayse@example.com", client="127.0.0.1", content=b"x",
        language="tr", options={}, give_up_at=LATER, dsn=MailDsn("FULL", "QQ"), delay_after=delay_after,
        reports=ReportWishes(Outcomes.FAILURES, ("desk@example.com",)).stored(),
        faxes=tuple(NewFax(str(ULID()), number, (f"{number}@x",), dsn={f"{number}@x": RcptDsn("DELAY")})
                    for number in NUMBERS),
    )  # fmt: skip
    await store.write_each(intake.accept, new)

    async def ready(tx: Tx) -> None:
        await tx.conn.execute(update(message).where(message.c.id == new.id).values(state=MessageState.READY))

    await store.write(ready)
    return new.id


async def end(store: Store, message_id: str, number: str, state: FaxState) -> None:
    async def work(tx: Tx) -> None:
        one = (fax.c.message_id == message_id) & (fax.c.number == number)
        result = ResultClass.BUSY if state == FaxState.FAILED else ResultClass.DELIVERED
        await tx.conn.execute(update(fax).where(one).values(state=state, result=result, ended_at=now(), due_at=None))
        await messages.fax_ended(tx, message_id)

    await store.write(work)


async def rows(store: Store) -> list[Any]:
    async with store.read() as conn:
        return list((await conn.execute(select(notice).order_by(notice.c.id))).all())


async def claimed(store: Store) -> tuple[Lease, Any]:
    (one,) = await store.write(partial(claim, queue=notices.NOTICE, owner="me", lease_ms=60_000, limit=9))
    return one


async def revision(store: Store, message_id: str) -> int:
    async with store.read() as conn:
        return int((await messages.shown(conn, message_id)).revision)


def mail(message_id: str) -> outbox.NewMail:
    return outbox.NewMail(f"early-{message_id}", "report", message_id, "", ("a@b",), b"x", LATER)


async def test_the_first_failure_among_open_faxes_is_written_once(either: Store) -> None:
    """Not a delivered one, not the second failure, and not the last, after which the report comes anyway."""
    message_id = await accepted(either)
    await end(either, message_id, NUMBERS[0], FaxState.DELIVERED)
    assert await rows(either) == []
    await end(either, message_id, NUMBERS[1], FaxState.FAILED)
    (row,) = await rows(either)
    assert (row.id, row.kind, row.message_id) == (f"early-{message_id}", "early", message_id)
    await end(either, message_id, NUMBERS[2], FaxState.FAILED)
    assert len(await rows(either)) == 1


async def test_faxes_that_all_failed_bring_no_early_word(either: Store) -> None:
    """A mail that cannot be faxed fails at once and whole."""
    message_id = await accepted(either)

    async def all_of_them(tx: Tx) -> None:
        failed = {"state": FaxState.FAILED, "result": ResultClass.DOCUMENT}
        await tx.conn.execute(update(fax).where(fax.c.message_id == message_id).values(**failed))
        await messages.fax_ended(tx, message_id)

    await either.write(all_of_them)
    assert await rows(either) == []


async def test_a_word_is_told_once_and_not_after_a_fax_ended_meanwhile(either: Store) -> None:
    """What was written about two open faxes is not sent when there is one; told, it is never due again."""
    message_id = await accepted(either)
    await end(either, message_id, NUMBERS[0], FaxState.FAILED)
    seen = await revision(either, message_id)
    lease, _ = await claimed(either)
    await end(either, message_id, NUMBERS[1], FaxState.DELIVERED)
    with pytest.raises(LeaseLost):
        await either.write(partial(notices.told, lease=lease, revision=seen, mail=mail(message_id)))
    async with either.read() as conn:
        assert not await outbox.is_known(conn, f"early-{message_id}")
    seen = await revision(either, message_id)
    await either.write(partial(notices.told, lease=lease, revision=seen, mail=mail(message_id)))
    async with either.read() as conn:
        assert await outbox.is_known(conn, f"early-{message_id}")
    (row,) = await rows(either)
    assert row.due_at is None


async def test_a_word_that_nobody_wanted_lets_a_later_failure_begin_anew(either: Store) -> None:
    """The first to fail was one of NOTIFY=NEVER; the second is not."""
    message_id = await accepted(either)
    await end(either, message_id, NUMBERS[0], FaxState.FAILED)
    lease, _ = await claimed(either)
    seen = await revision(either, message_id)
    await either.write(partial(notices.told, lease=lease, revision=seen, mail=None))
    assert await rows(either) == []
    await end(either, message_id, NUMBERS[1], FaxState.FAILED)
    assert len(await rows(either)) == 1


async def test_a_delay_is_due_when_it_was_asked_for_and_what_was_asked_is_kept(either: Store) -> None:
    """Written with the acceptance, in the same commit."""
    before = now()
    message_id = await accepted(either, delay_after=3_600_000)
    (row,) = await rows(either)
    assert (row.id, row.kind) == (f"delayed-{message_id}", "delayed")
    assert 0 <= row.due_at - 3_600_000 - before < 60_000
    async with either.read() as conn:
        stored = await messages.shown(conn, message_id)
    assert ReportWishes.read(stored.reports, Outcomes.ALL) == ReportWishes(Outcomes.FAILURES, ("desk@example.com",))


async def test_words_go_with_the_message_they_are_about(either: Store) -> None:
    """At the end of its history, and when its acceptance is withdrawn."""
    message_id = await accepted(either, delay_after=1)
    withdrawn = await accepted(either, delay_after=1)

    async def old(tx: Tx) -> None:
        await tx.conn.execute(
            update(message).where(message.c.id == message_id).values(state=MessageState.REPORTED, ended_at=1)
        )
        guarded = {"owner": tx.node + intake.GUARDED}
        await tx.conn.execute(update(message).where(message.c.id == withdrawn).values(**guarded))

    await either.write(old)
    await purge(either, Kept(content=1000, metadata=1000))
    assert [row.message_id for row in await rows(either)] == [withdrawn]
    await either.write_each(intake.withdraw, withdrawn)
    assert await rows(either) == []
