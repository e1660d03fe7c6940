"""The audit log: written with the act or not at all, and changed by nobody."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from fax_bridge.fax import now
from fax_bridge.store import audit, intake
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import audit as table
from fax_bridge.store.store import Store, Tx

YEAR = 365 * 86_400_000


@pytest.fixture
async def store(either_url: str) -> AsyncIterator[Store]:
    store = await Store.open(either_url)
    yield store
    await store.close()


def line(about: str, *, keep: int = YEAR, who: str = "ayse@example.com") -> audit.Line:
    return audit.Line("accepted", who, 'senders "*@example.com"', about, keep, ("902163334455",), "ab" * 32)


async def abouts(store: Store, **wanted: object) -> list[str]:
    async with store.read() as conn:
        rows = await audit.listed(conn, audit.Wanted(limit=100, **wanted))  # type: ignore[arg-type]  # as they are
    return [row.about for row in rows]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET who = 'nobody'", "UPDATE audit SET keep_until = 0", "DELETE FROM audit", "TRUNCATE audit"],
)
async def test_the_database_refuses_to_change_or_forget_a_line(store: Store, statement: str) -> None:
    """Whoever asks: a bug of ours, or a hand at the database's own shell."""
    if statement.startswith("TRUNCATE") and not store.shared:
        statement = "DELETE FROM audit WHERE 1"
    await store.write(lambda tx: audit.record(tx, line("M1")))

    async def meddle(tx: Tx) -> None:
        await tx.conn.execute(text(statement))

    with pytest.raises(DBAPIError, match="append-only"):
        await store.write(meddle)
    assert await abouts(store) == ["M1"]


async def test_retention_deletes_what_is_over_and_nothing_else(store: Store) -> None:
    """By the time that held when the line was written."""
    await store.write(lambda tx: audit.record(tx, line("old", keep=-5000), line("new")))
    assert await purge(store, Kept(content=YEAR, metadata=YEAR)) == 1
    assert await abouts(store) == ["new"]


async def test_a_line_is_written_with_the_mail_or_not_at_all(store: Store) -> None:
    """The same transaction: a mail that is not accepted leaves none, and no mail is accepted without."""
    new = intake.NewMessage(
        id="M1", account="default", mail_from="ayse@example.com", client="127.0.0.1", content=b"x", language="tr",
        options={}, give_up_at=now() + YEAR, faxes=(intake.NewFax("F1", "902163334466", ("a@x",)),), line=line("M1"),
    )  # fmt: skip
    await store.write_each(intake.accept, new)
    with pytest.raises(DBAPIError):
        await store.write_each(intake.accept, new)  # its id is taken
    async with store.read() as conn:
        rows = (await conn.execute(select(table))).all()
    assert [(row.act, row.who, row.about, row.recipients) for row in rows] == [
        ("accepted", "ayse@example.com", "M1", ["902163334466"])
    ]


async def test_a_mail_that_is_withdrawn_says_so(postgresql_url: str) -> None:
    """The line of its acceptance stays, and one follows it."""
    store = await Store.open(postgresql_url)
    try:
        new = intake.NewMessage(
            id="M1", account="default", mail_from="ayse@example.com", client="127.0.0.1", content=b"x", language="tr",
            options={}, give_up_at=now() + YEAR, faxes=(intake.NewFax("F1", "902163334466", ("a@x",)),),
            line=line("M1"),
        )  # fmt: skip

        async def in_and_out(tx: Tx) -> object:
            await intake.accept(tx, [new])
            return await intake.withdraw(tx, ["M1"])

        assert await store.write(in_and_out) == [True]
        async with store.read() as conn:
            rows = (await conn.execute(select(table.c.act, table.c.recipients).order_by(table.c.id))).all()
        assert [tuple(row) for row in rows] == [("accepted", ["902163334466"]), ("withdrawn", ["902163334466"])]
    finally:
        await store.close()


async def test_the_log_is_searched_by_who_whom_and_when(store: Store) -> None:
    """Parts are taken literally: a percent sign is no wildcard."""
    await store.write(partial(_two))
    assert await abouts(store) == ["M2", "M1"]
    assert await abouts(store, who="AYSE") == ["M1"]
    assert await abouts(store, who="%") == []
    assert await abouts(store, to="9021633") == ["M2", "M1"]
    assert await abouts(store, to="1633") == []
    assert await abouts(store, acts=("release",)) == []
    assert await abouts(store, about="M2") == ["M2"]
    assert await abouts(store, since=now() + 1000) == []
    assert await abouts(store, until=now() - 60_000) == []


async def _two(tx: Tx) -> None:
    await audit.record(tx, line("M1"), line("M2", who="veli@example.com"))
