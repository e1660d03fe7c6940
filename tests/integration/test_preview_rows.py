"""A mail that asks for a preview, as rows: on disk before its 250, answered once, and never a fax."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import NoResultFound
from ulid import ULID

from fax_bridge.fax import now
from fax_bridge.store import intake, messages, outbox
from fax_bridge.store.faxes import to_submit
from fax_bridge.store.lease import LeaseLost, claim
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import document, fax, fax_event, message
from fax_bridge.store.schema import outbox as outbox_table
from fax_bridge.store.store import Store, Tx

ANSWERED = partial(messages.previewed, headers=messages.Headers("x", "<a@b>", ""), fates=(), pages=1, sha256="s")


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    """Every test of this file runs on SQLite and on PostgreSQL."""
    store = await Store.open(either_url)
    yield store
    await store.close()


def new(*, preview: bool, key: str = "") -> intake.NewMessage:
    return intake.NewMessage(
        id=str(ULID()), account="default", mail_from="ayse@example.com", client="c", content=b"x", language="tr",
        options={}, give_up_at=now() + 60_000, repeat_window=60_000, preview=preview,
        faxes=(intake.NewFax(str(ULID()), "902163334455", ("preview+02163334455@x",), key, send_at=7),),
    )  # fmt: skip


def answer(message_id: str) -> outbox.NewMail:
    return outbox.NewMail(
        id=f"preview-{message_id}", kind="preview", about=message_id, mail_from="", recipients=("ayse@example.com",),
        content=b"x", give_up_at=now() + 60_000,
    )  # fmt: skip


async def count(store: Store, table: object) -> int:
    async with store.read() as conn:
        return (await conn.execute(select(func.count()).select_from(table))).scalar() or 0  # type: ignore[arg-type]  # any table


async def test_a_preview_and_a_fax_in_one_commit_keep_apart(store: Store) -> None:
    """Many mails share the statements of a commit: the one has its fax, the other has none."""
    shown, sent = new(preview=True), new(preview=False, key="k")
    told = [await store.write_each(intake.accept, one) for one in (shown, sent)]
    assert [one.message_id for one in told] == [shown.id, sent.id]
    async with store.read() as conn:
        rows = {row.id: row.preview for row in (await conn.execute(select(message))).all()}
        faxes = (await conn.execute(select(fax))).all()
    assert rows[sent.id] is None
    assert rows[shown.id] == [
        {"number": "902163334455", "target": "", "options": {}, "recipients": ["preview+02163334455@x"], "send_at": 7}
    ]
    assert [one.message_id for one in faxes] == [sent.id]
    assert await count(store, fax_event) == 1


async def test_a_preview_is_answered_in_the_commit_that_ends_it(store: Store) -> None:
    """A worker that lost its lease writes nothing; the one that holds it writes state and mail together, once."""
    mail = new(preview=True)
    await store.write_each(intake.accept, mail)
    ((lease, _),) = await store.write(partial(claim, queue=messages.PREPARE, owner="a", lease_ms=0, limit=1))
    ((again, row),) = await store.write(partial(claim, queue=messages.PREPARE, owner="b", lease_ms=60_000, limit=1))
    assert row.preview
    with pytest.raises(LeaseLost):
        await store.write(partial(ANSWERED, lease=lease, mail=answer(mail.id)))
    assert await count(store, outbox_table) == 0
    await store.write(partial(ANSWERED, lease=again, mail=answer(mail.id)))
    assert await count(store, outbox_table) == 1
    assert await count(store, fax) == 0
    assert await store.write(partial(claim, queue=messages.PREPARE, owner="c", lease_ms=0, limit=1)) == []
    assert await store.write(partial(claim, queue=messages.REPORT, owner="c", lease_ms=0, limit=1)) == []


async def test_a_fax_that_a_preview_should_never_have_is_not_handed_over(store: Store) -> None:
    """A second wall behind the first: whatever put the row there, nothing to POST is found for it."""
    shown, sent = new(preview=True), new(preview=False, key="k")
    for one in (shown, sent):
        await store.write_each(intake.accept, one)

    async def stray(tx: Tx) -> None:
        row = (await tx.conn.execute(select(fax).where(fax.c.message_id == sent.id))).one()
        await tx.conn.execute(insert(fax).values(**row._asdict() | {"id": "STRAY", "message_id": shown.id}))
        for one in (shown, sent):
            await tx.conn.execute(insert(document).values(message_id=one.id, pdf=b"%PDF"))

    await store.write(stray)
    async with store.read() as conn:
        assert (await to_submit(conn, sent.faxes[0].id)).pdf == b"%PDF"
        with pytest.raises(NoResultFound):
            await to_submit(conn, "STRAY")


async def test_what_is_kept_of_a_preview_is_purged_as_a_fax_is(store: Store) -> None:
    """Its mail, when its content is past its time, and then its row."""
    mail = new(preview=True)
    await store.write_each(intake.accept, mail)
    ((lease, _),) = await store.write(partial(claim, queue=messages.PREPARE, owner="a", lease_ms=60_000, limit=1))
    await store.write(partial(ANSWERED, lease=lease, mail=answer(mail.id)))
    await purge(store, Kept(content=-1000, metadata=1_000_000))
    assert await intake.content(store, mail.id) == b""
    await purge(store, Kept(content=-1000, metadata=-1000))
    assert await count(store, message) == 0
