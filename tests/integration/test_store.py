"""The store: durable writes, migrations, leases, and the life of a fax as statements."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text, update
from ulid import ULID

from fax_bridge.errors import BridgeError
from fax_bridge.fax import FaxState, PushedStatus, ResultClass, now
from fax_bridge.settings import Settings
from fax_bridge.store import accounts, faxes, intake, messages, outbox, pushes
from fax_bridge.store.backup import back_up
from fax_bridge.store.lease import Lease, LeaseLost, claim, finish
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import account, fax, message, metadata, push
from fax_bridge.store.store import Store, StoreBusy, Tx
from fax_bridge.store.worker import Worker


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    """Every test of this file runs on SQLite and on PostgreSQL."""
    store = await Store.open(either_url)
    yield store
    await store.close()


PROMISES = faxes.Promises(confirm=60_000, confirm_page=1000, unknown=60_000, answer=1_000)
NUMBER = "902163334455"


async def accepted(store: Store, *ids: str, number: str = NUMBER) -> None:
    """A message with one fax for each id, its document made."""
    new = intake.NewMessage(
        id="M" + ids[0],
        account="default",
        mail_from="ayse@example.com",
        client="127.0.0.1",
        content=b"Subject: x\r\n\r\nx",
        language="tr",
        options={},
        give_up_at=now() + 60_000,
        faxes=tuple(intake.NewFax(one, number, (f"{number}@fax.example.com",)) for one in ids),
    )
    await store.write_each(intake.accept, new)
    ((lease, _),) = await store.write(partial(claim, queue=messages.PREPARE, owner="w", lease_ms=60_000, limit=1))
    headers = messages.Headers("x", "<a@b>", "")
    await store.write(
        partial(messages.prepared, lease=lease, headers=headers, pdf=b"%PDF", sha256="s", pages=1, cover=None, fates=[])
    )


async def claimed(store: Store, fax_id: str, owner: str = "w") -> Lease:
    """A lease on a queued fax."""
    got = await store.write(partial(claim, queue=faxes.SUBMIT, owner=owner, lease_ms=60_000, limit=9, lane="default"))
    return next(lease for lease, _ in got if lease.id == fax_id)


async def submitted(store: Store, fax_id: str, provider_id: str) -> None:
    lease = await claimed(store, fax_id)
    attempt = await store.write(partial(faxes.submitting, lease=lease))
    await store.write(
        partial(
            faxes.accepted, fax_id=fax_id, attempt=attempt, provider_id=provider_id, request_id="r", promises=PROMISES
        )
    )


async def lost(store: Store, *fax_ids: str) -> None:
    """Faxes whose answer was lost."""
    got = await store.write(partial(claim, queue=faxes.SUBMIT, owner="w", lease_ms=60_000, limit=9, lane="default"))
    for lease, _ in got:
        if lease.id in fax_ids:
            attempt = await store.write(partial(faxes.submitting, lease=lease))
            await store.write(partial(faxes.lost, fax_id=lease.id, attempt=attempt, detail="cut", promises=PROMISES))


def pushed(provider_id: str, result: ResultClass | None = ResultClass.DELIVERED, **changes: Any) -> PushedStatus:
    values: dict[str, Any] = {
        "provider_id": provider_id, "called": NUMBER, "requested_at": now(), "ours": True, "word": str(result),
        "message": "", "result": result, "final": result is not None,
    }  # fmt: skip
    return PushedStatus(**(values | changes))


async def take(store: Store, status: PushedStatus, push_id: str) -> str | None:
    await store.write_each(pushes.journal, pushes.NewPush(push_id, "x", b"[]"))
    return await store.write(partial(faxes.take_status, pushed=status, push_id=push_id, seq=0, promises=PROMISES))


async def state(store: Store, fax_id: str) -> tuple[str, str | None, str | None]:
    async with store.read() as conn:
        row = (await conn.execute(select(fax).where(fax.c.id == fax_id))).one()
    return row.state, row.result, row.provider_id


async def message_state(store: Store, message_id: str) -> str:
    async with store.read() as conn:
        return str((await conn.execute(select(message.c.state).where(message.c.id == message_id))).scalar_one())


# --- the writer --------------------------------------------------------------------------------------


async def test_a_write_that_fails_undoes_itself_and_nothing_else(store: Store) -> None:
    """Writes share a commit, not their faults."""

    async def good(tx: Tx, name: str) -> str:
        await tx.conn.execute(insert(account).values(name=name, state="active", changed_at=1))
        return name

    async def bad(tx: Tx) -> None:
        await tx.conn.execute(insert(account).values(name="bad", state="active", changed_at=1))
        raise ValueError("spoiled")

    results = await asyncio.gather(
        store.write(partial(good, name="a")),
        store.write(bad),
        store.write(partial(good, name="b")),
        return_exceptions=True,
    )
    assert results[0] == "a"
    assert isinstance(results[1], ValueError)
    assert results[2] == "b"
    async with store.read() as conn:
        assert {row.name for row in await accounts.listed(conn)} == {"a", "b"}


async def test_every_commit_is_synced_to_disk(store: Store) -> None:
    """SQLite: WAL with synchronous=FULL, which is 2. PostgreSQL: what the server answers at opening is tested below."""
    if store.shared:
        return

    async def pragma(tx: Tx) -> tuple[Any, Any]:
        mode = (await tx.conn.exec_driver_sql("PRAGMA journal_mode")).scalar()
        return mode, (await tx.conn.exec_driver_sql("PRAGMA synchronous")).scalar()

    assert await store.write(pragma) == ("wal", 2)


async def test_a_second_daemon_on_the_same_file_is_refused(settings: Settings) -> None:
    """Two would send each fax twice; a command that only looks may."""
    store = await Store.open(settings.store.url)
    with pytest.raises(StoreBusy, match="another fax-bridge works on"):
        await Store.open(settings.store.url)
    beside = await Store.open(settings.store.url, exclusive=False)
    await beside.close()
    await store.close()


async def test_many_nodes_may_share_a_server(postgresql_url: str) -> None:
    """Two that start at once migrate once, and what one commits wakes the other within the second."""
    one, two = await asyncio.gather(Store.open(postgresql_url), Store.open(postgresql_url))
    heard = two.waker(pushes.EVENTS.name)
    await asyncio.sleep(0.3)
    await one.write_each(pushes.journal, pushes.NewPush("P1", "x", b"[]"))
    async with asyncio.timeout(0.9):
        await heard.wait()
    await one.close()
    await two.close()


async def test_a_server_that_does_not_wait_for_its_disk_is_refused(postgresql_url: str) -> None:
    """synchronous_commit=off would lose mail that got its 250."""
    store = await Store.open(postgresql_url)

    async def forget(tx: Tx) -> None:
        name = (await tx.conn.exec_driver_sql("SELECT current_database()")).scalar()
        await tx.conn.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")

    await store.write(forget)
    await store.close()
    with pytest.raises(BridgeError, match="synchronous_commit=off"):
        await Store.open(postgresql_url)


async def test_a_server_that_cannot_be_reached_is_told() -> None:
    """With the reason, not with a traceback."""
    with pytest.raises(BridgeError, match="cannot be reached"):
        await Store.open("postgresql://nobody:secret@127.0.0.1:1/none")


async def test_the_migrations_make_the_schema_that_the_code_uses(store: Store) -> None:
    """No column that only one of them knows."""

    async def differences(tx: Tx) -> Any:
        return await tx.conn.run_sync(lambda conn: compare_metadata(MigrationContext.configure(conn), metadata))

    assert await store.write(differences) == []


async def test_a_newer_database_refuses_to_start(either_url: str, store: Store) -> None:
    """A downgrade must not misread rows."""

    async def ahead(tx: Tx) -> None:
        await tx.conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await store.write(ahead)
    await store.close()
    with pytest.raises(BridgeError, match="newer"):
        await Store.open(either_url)
    reopened = await Store.open(either_url, exclusive=False)
    await reopened.close()


# --- leases ------------------------------------------------------------------------------------------


async def test_a_lease_is_exclusive_until_it_runs_out(store: Store) -> None:
    """A dead worker's row comes back by itself, and the dead one may write no more."""
    await store.write_each(pushes.journal, pushes.NewPush("P1", "x", b"[]"))
    take_one = partial(claim, queue=pushes.EVENTS, lease_ms=60_000, limit=5)
    ((first, _),) = await store.write(partial(take_one, owner="one"))
    assert await store.write(partial(take_one, owner="two")) == []

    async def expire(tx: Tx) -> None:
        await tx.conn.execute(update(push).values(due_at=now() - 1))

    await store.write(expire)
    ((second, _),) = await store.write(partial(take_one, owner="two"))
    with pytest.raises(LeaseLost):
        await store.write(partial(finish, lease=first, due_at=None, state="done"))
    await store.write(partial(finish, lease=second, due_at=None, state="done"))


async def test_a_handler_that_raises_costs_its_row_a_delay_and_the_others_nothing(store: Store) -> None:
    """The worker's edge: a bug never ends the daemon, and the row is tried again."""
    for push_id in ("P1", "P2"):
        await store.write_each(pushes.journal, pushes.NewPush(push_id, "x", b"[]"))
    seen: list[str] = []
    both = asyncio.Event()

    async def handle(lease: Lease, row: Any) -> None:
        seen.append(lease.id)
        if lease.id == "P1" and seen.count("P1") == 1:
            raise RuntimeError("a bug")
        await store.write(partial(finish, lease=lease, due_at=None, state="done"))
        if {"P1", "P2"} <= set(seen) and seen.count("P1") == 2:
            both.set()

    worker = Worker(store, pushes.EVENTS, handle, {None: 2})
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        await both.wait()
    await worker.stop(1)
    await task
    assert sorted(seen) == ["P1", "P1", "P2"]


async def test_work_that_arrives_wakes_its_worker_at_once(store: Store) -> None:
    """No waiting for the next poll."""
    started: list[float] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def handle(lease: Lease, row: Any) -> None:
        started.append(loop.time())
        begun.set()
        await store.write(partial(finish, lease=lease, due_at=None, state="done"))

    worker = Worker(store, pushes.EVENTS, handle, {None: 2})
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    before = loop.time()
    await store.write_each(pushes.journal, pushes.NewPush("P1", "x", b"[]"))
    async with asyncio.timeout(0.9):
        await begun.wait()
    await worker.stop(1)
    await task
    assert started[0] - before < 0.9


async def test_a_mail_is_staged_in_pieces_and_what_never_was_accepted_is_purged(store: Store) -> None:
    """Constant memory for a large mail, and no orphans for ever."""
    early, new_id = str(ULID.from_timestamp(1_000_000)), str(ULID())
    await store.write_each(intake.stage, intake.Staged(early, 0, b"x"))
    data = bytes(range(256)) * 2000
    await store.write_each(intake.stage, intake.Staged(new_id, 0, data))
    new = intake.NewMessage(
        id=new_id, account="default", mail_from="a@example.com", client="c", content=b"end", language="tr", options={},
        give_up_at=now(), faxes=(intake.NewFax("F1", NUMBER, ("n@x",)),), staged_pieces=4,
        staged_bytes=len(data),
    )  # fmt: skip
    await store.write_each(intake.accept, new)
    assert await store.write(partial(intake.purge_staged, before=now() + 1000)) == 1
    async with store.read():
        assert await intake.content(store, new_id) == data + b"end"
        assert await intake.content(store, early) == b""


# --- the life of a fax -------------------------------------------------------------------------------


async def test_a_status_that_comes_before_our_answer_waits_and_is_matched(store: Store) -> None:
    """FaxMAX may push before it answers the POST."""
    await accepted(store, "F1")
    lease = await claimed(store, "F1")
    attempt = await store.write(partial(faxes.submitting, lease=lease))
    assert await take(store, pushed("early"), "P1") is None
    await store.write(
        partial(faxes.accepted, fax_id="F1", attempt=attempt, provider_id="early", request_id="r", promises=PROMISES)
    )
    assert await state(store, "F1") == ("delivered", "delivered", "early")
    assert await message_state(store, "MF1") == "ended"


async def test_one_push_that_fits_one_lost_fax_is_adopted(store: Store) -> None:
    """By number, calling number and time."""
    await accepted(store, "F1")
    await lost(store, "F1")
    assert (await state(store, "F1"))[0] == "unknown"
    assert await take(store, pushed("x", None), "P1") == "F1"
    assert await state(store, "F1") == ("submitted", None, "x")
    await take(store, pushed("x"), "P2")
    assert (await state(store, "F1"))[0] == "delivered"


@pytest.mark.parametrize(
    "change",
    [{"called": "902160000000"}, {"ours": False}, {"requested_at": 1_000}, {"requested_at": now() + 86_400_000}],
    ids=["another number", "another account", "too early", "too late"],
)
async def test_a_push_that_does_not_fit_is_foreign(store: Store, change: dict[str, Any]) -> None:
    """Faxes sent from FaxMAX's own pages are none of ours."""
    await accepted(store, "F1")
    await lost(store, "F1")
    assert await take(store, pushed("x", **change), "P1") is None
    assert (await state(store, "F1"))[0] == "unknown"


async def test_two_that_fit_are_never_guessed(store: Store) -> None:
    """Two lost faxes to one number: a guess could call the wrong one delivered."""
    await accepted(store, "F1", "F2")
    await lost(store, "F1", "F2")
    assert await take(store, pushed("x"), "P1") is None
    assert {(await state(store, one))[0] for one in ("F1", "F2")} == {"unknown"}


async def test_two_pushes_that_fit_one_fax_are_never_guessed(store: Store) -> None:
    """One of them may be somebody else's fax to the same number."""
    await accepted(store, "F1")
    lease = await claimed(store, "F1")
    await store.write(partial(faxes.submitting, lease=lease))
    await take(store, pushed("x"), "P1")
    await take(store, pushed("y"), "P2")
    await store.write(partial(faxes.lost, fax_id="F1", attempt=1, detail="cut", promises=PROMISES))
    assert await state(store, "F1") == ("unknown", "unknown", None)


async def test_a_fax_found_in_submitting_after_a_crash_is_unknown(store: Store) -> None:
    """It may be at FaxMAX; it is never sent again blindly."""
    await accepted(store, "F1")
    lease = await claimed(store, "F1")
    await store.write(partial(faxes.submitting, lease=lease))

    async def crash(tx: Tx) -> None:
        await tx.conn.execute(update(fax).values(owner=None, due_at=now()))

    await store.write(crash)
    ((again, _),) = await store.write(partial(claim, queue=faxes.PROMISED, owner="new", lease_ms=60_000, limit=5))
    moved = await store.write(partial(faxes.promise_due, lease=again, on_unknown="report", promises=PROMISES))
    assert moved == FaxState.UNKNOWN
    # The old worker was only slow: its answer still counts, since it names our own attempt.
    await store.write(
        partial(faxes.accepted, fax_id="F1", attempt=1, provider_id="late", request_id="r", promises=PROMISES)
    )
    assert await state(store, "F1") == ("submitted", None, "late")


@pytest.mark.parametrize(
    ("outcome", "after"),
    [
        (partial(faxes.retried, delay_ms=0, detail="busy", promises=PROMISES), ("queued", None)),
        (partial(faxes.refused, detail="no", promises=PROMISES), ("failed", "refused")),
        (partial(faxes.lost, detail="cut", promises=PROMISES), ("unknown", "unknown")),
    ],
    ids=["retried", "refused", "lost"],
)
async def test_what_faxmax_answered_counts_although_the_lease_ran_out(
    store: Store, outcome: Any, after: tuple[str, str | None]
) -> None:
    """The database was away for longer than the lease, and another worker found the fax in doubt meanwhile."""
    await accepted(store, "F1")
    await store.write(partial(faxes.submitting, lease=await claimed(store, "F1")))

    async def ran_out(tx: Tx) -> None:
        await tx.conn.execute(update(fax).values(due_at=now()))

    await store.write(ran_out)
    ((other, _),) = await store.write(partial(claim, queue=faxes.PROMISED, owner="new", lease_ms=60_000, limit=5))
    await store.write(partial(faxes.promise_due, lease=other, on_unknown="report", promises=PROMISES))
    await store.write(partial(outcome, fax_id="F1", attempt=1))
    assert (await state(store, "F1"))[:2] == after


async def test_the_outcome_of_an_attempt_moves_no_later_one(store: Store) -> None:
    """A paused process that comes back must not move a fax that was begun anew, nor one of which more is known."""
    await accepted(store, "F1")
    await store.write(partial(faxes.submitting, lease=await claimed(store, "F1")))
    await store.write(partial(faxes.retried, fax_id="F1", attempt=1, delay_ms=0, detail="", promises=PROMISES))
    late = (
        partial(faxes.retried, fax_id="F1", attempt=1, delay_ms=0, detail="", promises=PROMISES),
        partial(faxes.refused, fax_id="F1", attempt=1, detail="", promises=PROMISES),
        partial(faxes.lost, fax_id="F1", attempt=1, detail="", promises=PROMISES),
    )
    for known in ("queued", "submitting", "submitted"):
        if known == "submitting":
            await store.write(partial(faxes.submitting, lease=await claimed(store, "F1")))
        if known == "submitted":
            await store.write(
                partial(faxes.accepted, fax_id="F1", attempt=2, provider_id="FX", request_id="r", promises=PROMISES)
            )
        for write in late:
            with pytest.raises(LeaseLost):
                await store.write(write)
        assert (await state(store, "F1"))[0] == known


async def test_an_interim_status_after_the_end_changes_nothing(store: Store) -> None:
    """Pushes come out of order."""
    await accepted(store, "F1")
    await submitted(store, "F1", "x")
    await take(store, pushed("x", ResultClass.BUSY), "P1")
    await take(store, pushed("x", None), "P2")
    assert (await state(store, "F1"))[:2] == ("failed", "busy")


async def test_an_older_attempts_end_does_not_undo_a_newer_one(store: Store) -> None:
    """tried_count tells which of two final pushes is the later."""
    await accepted(store, "F1")
    await submitted(store, "F1", "x")
    await take(store, pushed("x", tried_count=2), "P1")
    await take(store, pushed("x", ResultClass.BUSY, tried_count=1), "P2")
    assert (await state(store, "F1"))[0] == "delivered"


async def test_the_report_is_refused_when_a_fax_moved_while_it_was_written(store: Store) -> None:
    """What the sender reads is what is true when it is committed."""
    await accepted(store, "F1")
    await submitted(store, "F1", "x")
    await take(store, pushed("x", ResultClass.BUSY), "P1")
    ((lease, row),) = await store.write(partial(claim, queue=messages.REPORT, owner="w", lease_ms=60_000, limit=1))
    await take(store, pushed("x"), "P2")
    with pytest.raises(LeaseLost):
        await store.write(partial(messages.reported, lease=lease, revision=row.revision, correction=False, mail=None))
    assert await message_state(store, "MF1") == "ended"


async def test_a_fax_never_moves_against_the_law(store: Store) -> None:
    """A delivered fax cannot be queued again by any statement."""
    await accepted(store, "F1")
    await submitted(store, "F1", "x")

    async def illegal(tx: Tx) -> None:
        row = (await tx.conn.execute(select(fax))).one()
        await faxes.move(tx, row, FaxState.QUEUED, note="")

    with pytest.raises(ValueError, match="may not follow"):
        await store.write(illegal)


async def test_the_same_mail_is_put_into_the_outbox_once(store: Store) -> None:
    """A step that is done twice tells once."""
    mail = outbox.NewMail("report-1", "report", "M1", "", ("a@example.com",), b"x", now() + 1000)
    for _ in range(2):
        await store.write(partial(outbox.put, mail=mail))
    got = await store.write(partial(claim, queue=outbox.MAIL, owner="w", lease_ms=1000, limit=5))
    assert len(got) == 1


async def test_an_account_with_other_credentials_is_served_again_at_start(store: Store) -> None:
    """The operator mends the token and restarts; nothing else is to be done."""
    await store.write(partial(accounts.known, fingerprints={"default": "old"}))
    assert await store.write(partial(accounts.pause, name="default", reason="401", fingerprint="old"))
    assert not await store.write(partial(accounts.pause, name="default", reason="401", fingerprint="old"))
    assert await store.write(partial(accounts.known, fingerprints={"default": "old"})) == []
    assert await store.write(partial(accounts.known, fingerprints={"default": "new"})) == ["default"]
    async with store.read() as conn:
        assert await faxes.open_accounts(conn) == {"default"}


async def test_a_repeat_of_an_accepted_mail_makes_no_second_fax(store: Store) -> None:
    """Per recipient: what was accepted before is not accepted again, what is new is; outside the window all is new."""

    def mail(message_id: str, **numbers: str) -> intake.NewMessage:
        return intake.NewMessage(
            id=message_id, account="default", mail_from="a@example.com", client="c", content=b"x", language="tr",
            options={}, give_up_at=now() + 1000,
            faxes=tuple(intake.NewFax(one, NUMBER, ("n@x",), key) for one, key in numbers.items()),
        )  # fmt: skip

    async def accept(new: intake.NewMessage, window: int = 60_000) -> tuple[list[str], tuple[str, ...]]:
        told = await store.write_each(intake.accept, replace(new, repeat_window=window))
        return [one.id for one in told.faxes], told.repeated

    assert await accept(mail("M1", A1="ka", B1="kb")) == (["A1", "B1"], ())
    assert await accept(mail("M2", A2="ka")) == ([], ("A1",))
    assert await accept(mail("M3", B3="kb", C3="kc")) == (["C3"], ("B1",))
    assert await accept(mail("M4", A4="ka"), window=0) == (["A4"], ())
    async with store.read() as conn:
        kept = (await conn.execute(select(message.c.id).order_by(message.c.id))).scalars().all()
    assert kept == ["M1", "M3", "M4"]


# --- retention and backup ----------------------------------------------------------------------------


async def ended(store: Store, fax_id: str, ago: int) -> None:
    """A fax that was delivered and reported ``ago`` milliseconds ago, with its push."""
    await accepted(store, fax_id)
    await submitted(store, fax_id, f"x{fax_id}")
    await take(store, pushed(f"x{fax_id}"), f"P{fax_id}")
    ((lease, row),) = await store.write(partial(claim, queue=messages.REPORT, owner="w", lease_ms=60_000, limit=1))
    mail = outbox.NewMail(f"report-{fax_id}", "report", lease.id, "", ("a@example.com",), b"mail", now())
    told = partial(messages.reported, lease=lease, revision=row.revision, correction=False, mail=mail)
    await store.write(told)
    ((lease, _),) = await store.write(partial(claim, queue=outbox.MAIL, owner="w", lease_ms=60_000, limit=1))
    await store.write(
        partial(outbox.tried, lease=lease, waiting=(), refused={}, delivered=True, due_at=None, last_error="")
    )

    async def age(tx: Tx) -> None:
        then = now() - ago
        await tx.conn.execute(update(message).where(message.c.id == f"M{fax_id}").values(ended_at=then))
        await tx.conn.execute(update(push).where(push.c.id == f"P{fax_id}").values(received_at=then, state="done"))
        await tx.conn.execute(
            update(metadata.tables["outbox"]).where(text(f"id = 'report-{fax_id}'")).values(created_at=then)
        )

    await store.write(age)


async def test_content_is_purged_before_the_history_and_nothing_that_is_open(store: Store) -> None:
    """After retention.content the documents are gone, after retention.metadata the rows; open faxes keep all."""
    for fax_id, ago in (("F1", 1_000), ("F2", 50_000), ("F3", 500_000)):
        await ended(store, fax_id, ago)
    await accepted(store, "F4")
    assert await purge(store, Kept(content=10_000, metadata=100_000)) > 0
    async with store.read() as conn:
        contents = {one: await intake.content(store, f"M{one}") for one in ("F1", "F2", "F3", "F4")}
        left = set((await conn.execute(select(fax.c.id))).scalars())
        bodies = {row.id: row.body for row in await conn.execute(select(push.c.id, push.c.body))}
        mails = set((await conn.execute(select(metadata.tables["outbox"].c.id))).scalars())
    assert {one for one, content in contents.items() if content} == {"F1", "F4"}
    assert left == {"F1", "F2", "F4"}
    assert bodies == {"PF1": b"[]", "PF2": b""}
    assert mails == {"report-F1", "report-F2"}
    assert await purge(store, Kept(content=10_000, metadata=100_000)) == 0


async def test_a_backup_of_a_working_database_is_whole_and_opens(settings: Settings, tmp_path: Path) -> None:
    """Restoring is putting the file in its place."""
    store = await Store.open(settings.store.url)
    for n in range(20):
        await accepted(store, f"A{n:02d}")
    busy = asyncio.create_task(_write_on(store))
    size = await back_up(settings.store.url, tmp_path / "copy.db")
    busy.cancel()
    await store.close()
    assert size == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BridgeError, match="is there already"):
        await back_up(settings.store.url, tmp_path / "copy.db")
    restored = await Store.open(f"sqlite:///{tmp_path}/copy.db")
    async with restored.read() as conn:
        ids = set((await conn.execute(select(fax.c.id).where(fax.c.id.like("A%")))).scalars())
    await restored.close()
    assert ids == {f"A{n:02d}" for n in range(20)}


async def _write_on(store: Store) -> None:
    for n in range(1000):
        await store.write_each(pushes.journal, pushes.NewPush(f"B{n}", "x", b"[]" * 1000))


# --- what a review found -----------------------------------------------------------------------------


async def test_a_full_disk_tells_no_caller_of_a_success_that_was_undone(tmp_path: Path) -> None:
    """SQLite undoes the whole group then, and the driver's commit is silent: nobody may hear OK for a lost row."""
    store = await Store.open(f"sqlite:///{tmp_path}/small.db")

    async def limit(tx: Tx) -> None:
        pages = (await tx.conn.exec_driver_sql("PRAGMA page_count")).scalar() or 0
        await tx.conn.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")

    await store.write(limit)
    sizes = {"P1": 10, "P2": 1_000_000, "P3": 10}
    writes = [store.write_each(pushes.journal, pushes.NewPush(one, "x", b"x" * size)) for one, size in sizes.items()]
    told = dict(zip(sizes, await asyncio.gather(*writes, return_exceptions=True), strict=True))
    async with store.read() as conn:
        kept = set((await conn.execute(select(push.c.id))).scalars())
    await store.close()
    assert {one for one, result in told.items() if not isinstance(result, Exception)} == kept
    assert kept == {"P1", "P3"}


async def test_a_push_that_may_be_another_faxs_is_not_adopted(store: Store) -> None:
    """While a second fax to the number is on its way, its push could be taken for the lost one's."""
    await accepted(store, "A")
    await lost(store, "A")
    await accepted(store, "B")
    lease = await claimed(store, "B")
    attempt = await store.write(partial(faxes.submitting, lease=lease))
    assert await take(store, pushed("FX-B"), "P1") is None
    await store.write(
        partial(faxes.accepted, fax_id="B", attempt=attempt, provider_id="FX-B", request_id="r", promises=PROMISES)
    )
    assert await state(store, "B") == ("delivered", "delivered", "FX-B")
    assert await state(store, "A") == ("unknown", "unknown", None)


async def test_a_lost_fax_is_adopted_once_the_other_one_is_known(store: Store) -> None:
    """The push that waited for the second fax's answer is looked at again then."""
    await accepted(store, "A")
    await lost(store, "A")
    await accepted(store, "B")
    lease = await claimed(store, "B")
    await store.write(partial(faxes.submitting, lease=lease))
    assert await take(store, pushed("FX-A"), "P1") is None
    await store.write(partial(faxes.refused, fax_id="B", attempt=1, detail="", promises=PROMISES))
    assert await state(store, "A") == ("delivered", "delivered", "FX-A")


async def test_a_mail_that_was_given_up_is_not_sent(store: Store) -> None:
    """Sent means that somebody got it, at this try or an earlier one."""
    for one, delivered_before in (("m1", False), ("m2", True)):
        await store.write(partial(outbox.put, mail=outbox.NewMail(one, "report", "M", "", ("a@x", "b@x"), b"", now())))
        ((lease, _),) = await store.write(partial(claim, queue=outbox.MAIL, owner="w", lease_ms=60_000, limit=1))
        await store.write(
            partial(
                outbox.tried,
                lease=lease,
                waiting=("b@x",),
                refused={},
                delivered=delivered_before,
                due_at=now(),
                last_error="",
            )
        )
        ((lease, row),) = await store.write(partial(claim, queue=outbox.MAIL, owner="w", lease_ms=60_000, limit=1))
        assert bool(row.delivered) is delivered_before
        ended_as = await store.write(
            partial(
                outbox.tried, lease=lease, waiting=(), refused={"b@x": "no"}, delivered=bool(row.delivered),
                due_at=None, last_error="",
            )
        )  # fmt: skip
        assert ended_as == ("sent" if delivered_before else "failed")


async def test_nothing_is_begun_once_a_worker_was_told_to_stop(store: Store) -> None:
    """A claim that is under way at the stop is waited for, and what it brought with it."""
    done: list[str] = []

    async def handle(lease: Lease, row: Any) -> None:
        await asyncio.sleep(0.05)
        await store.write(partial(finish, lease=lease, due_at=None, state="done"))
        done.append(lease.id)

    for delay in (0.0, 0.001, 0.003, 0.01):
        worker = Worker(store, pushes.EVENTS, handle, {None: 2})
        task = asyncio.create_task(worker.run())
        await asyncio.sleep(0.02)
        await store.write_each(pushes.journal, pushes.NewPush(f"S{delay}", "x", b"[]"))
        await asyncio.sleep(delay)
        await worker.stop(5)
        before = len(done)
        await task
        await asyncio.sleep(0.1)
        assert len(done) == before, "a handler ran on after stop() had returned"
