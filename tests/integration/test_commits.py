"""A connection to PostgreSQL that is lost in the very COMMIT: was it one, or was it not?

Between the store and a real server stands a proxy that cuts the connection at the COMMIT, before the server has seen it
or before the store hears what became of it, and lets nobody through for as long as it is told.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, make_url, select
from sqlalchemy.exc import IntegrityError
from ulid import ULID

from fax_bridge.fax import now
from fax_bridge.store import accounts, intake, messages, writer
from fax_bridge.store.lease import claim
from fax_bridge.store.schema import account, fax, message, message_piece
from fax_bridge.store.store import OutcomeUnknown, Store, Tx

COMMIT = b"COMMIT;"
"""As asyncpg sends it."""


class Proxy:
    """A TCP port in front of the server's Unix socket."""

    def __init__(self, url: str) -> None:
        self._there = make_url(url)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.cut = ""
        """``before``: the next COMMIT never reaches the server; ``after``: its answer never reaches the store."""
        self.shut = False
        self.cuts = 0

    async def start(self) -> str:
        """The URL to go through it by."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return self._there.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for one in tuple(self._open):
            one.transport.abort()
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.transport.abort()
            return
        directory = self._there.query["host"]
        there_reader, there = await asyncio.open_unix_connection(Path(str(directory)) / ".s.PGSQL.5432")
        self._open |= {writer, there}
        answers = asyncio.create_task(self._answers(there_reader, writer))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.cut and COMMIT in data:
                    await self._cut(data, there, answers)
                    break
                there.write(data)
        for one in (writer, there):
            self._open.discard(one)
            one.transport.abort()
        await asyncio.gather(answers, return_exceptions=True)

    async def _cut(self, data: bytes, there: asyncio.StreamWriter, answers: "asyncio.Task[None]") -> None:
        how, self.cut = self.cut, ""
        self.cuts += 1
        answers.cancel()
        if how == "after":
            there.write(data)
            await there.drain()
            await asyncio.sleep(0.2)
        for one in tuple(self._open) if self.shut else ():
            one.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()  # the server ended the connection, and so does the proxy


@pytest.fixture
async def proxy(postgresql_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(postgresql_url)
    yield proxy
    await proxy.stop()


@pytest.fixture
async def store(proxy: Proxy) -> AsyncIterator[Store]:
    """A node that sees the server through the proxy."""
    store = await Store.open(await proxy.start())
    yield store
    await store.close()


@pytest.fixture
async def other(postgresql_url: str) -> AsyncIterator[Store]:
    """A node beside it that sees the server as it is."""
    store = await Store.open(postgresql_url)
    yield store
    await store.close()


def new(key: str = "k") -> intake.NewMessage:
    return intake.NewMessage(
        id=str(ULID()), account="default", mail_from="a@example.com", client="c", content=b"x", language="tr",
        options={}, give_up_at=now() + 60_000, faxes=(intake.NewFax(str(ULID()), "902163334455", ("n@x",), key),),
        repeat_window=60_000,
    )  # fmt: skip


async def rows(store: Store) -> tuple[int, int, int]:
    """Messages, faxes, pieces."""
    async with store.read() as conn:
        counts = [
            (await conn.execute(select(func.count()).select_from(t))).scalar() for t in (message, fax, message_piece)
        ]
    return counts[0] or 0, counts[1] or 0, counts[2] or 0


async def claimable(store: Store) -> list[str]:
    """What a worker of that node would get now; taken away from nobody, for it is given back at once."""

    class Undone(Exception):
        pass

    found: list[str] = []

    async def look(tx: Tx) -> None:
        found.extend(lease.id for lease, _ in await claim(tx, messages.PREPARE, owner="w", lease_ms=1000, limit=9))
        raise Undone

    with contextlib.suppress(Undone):
        await store.write(look)
    return found


async def until(seconds: float, wanted: tuple[int, int, int], store: Store) -> None:
    async with asyncio.timeout(seconds):
        while await rows(store) != wanted:  # noqa: ASYNC110 — looks at the database
            await asyncio.sleep(0.05)


async def test_a_commit_that_came_through_is_told_as_one(store: Store, other: Store, proxy: Proxy) -> None:
    """The 250 is late, and true: the message is there once, and may be worked on."""
    proxy.cut = "after"
    mail = new()
    told = await store.write_each(intake.accept, mail)
    assert [one.id for one in told.faxes] == [mail.faxes[0].id]
    assert (proxy.cuts, await rows(other)) == (1, (1, 1, 1))
    assert await claimable(store) == [mail.id]


async def test_a_commit_that_never_arrived_is_a_failure_and_leaves_nothing(
    store: Store, other: Store, proxy: Proxy
) -> None:
    """The 451 is true too; the next mail is taken."""
    proxy.cut = "before"
    with pytest.raises(Exception, match="connection"):
        await store.write_each(intake.accept, new())
    assert (proxy.cuts, await rows(other)) == (1, (0, 0, 0))
    await store.write_each(intake.accept, new())
    assert await rows(other) == (1, 1, 1)


async def test_every_caller_of_a_lost_commit_hears_what_became_of_it(store: Store, proxy: Proxy) -> None:
    """Not the mails alone: what a worker wrote down is known to be written down."""

    async def add(tx: Tx) -> None:
        await tx.conn.execute(insert(account).values(name="one", state="active", changed_at=1))

    proxy.cut = "after"
    await store.write(add)
    async with store.read() as conn:
        assert [row.name for row in await accounts.listed(conn)] == ["one"]


async def test_what_came_through_after_a_451_is_withdrawn_before_anybody_may_claim_it(
    store: Store, other: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for longer than the client could wait. The client keeps the mail, so we must not."""
    monkeypatch.setattr(writer, "SETTLES_WITHIN", 0.3)
    proxy.cut, proxy.shut = "after", True
    with pytest.raises(OutcomeUnknown):
        await store.write_each(intake.accept, new())
    assert await rows(other) == (1, 1, 1)
    assert await claimable(other) == []
    proxy.shut = False
    await until(10, (0, 0, 0), other)
    await store.write_each(intake.accept, new())
    assert await rows(other) == (1, 1, 1)


async def test_a_repeat_adopts_what_would_be_withdrawn(
    store: Store, other: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client came again, to another node, and got its 250 for that very fax: now it has to go."""
    monkeypatch.setattr(writer, "SETTLES_WITHIN", 0.3)
    proxy.cut, proxy.shut = "after", True
    mail = new()
    with pytest.raises(OutcomeUnknown):
        await store.write_each(intake.accept, mail)
    told = await other.write_each(intake.accept, new())
    assert (told.faxes, told.repeated) == ((), (mail.faxes[0].id,))
    assert await claimable(other) == [mail.id]
    proxy.shut = False
    await store.write_each(intake.accept, new(key="another"))
    await asyncio.sleep(1.0)
    assert await rows(other) == (2, 2, 2)


async def test_a_node_that_dies_right_after_its_commit_delays_its_mail_and_loses_none(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its guard runs out, and any node may take the message."""
    monkeypatch.setattr(intake, "GUARD_MS", 400)

    async def nobody_lets_go(tx: Tx, ids: object) -> list[None]:
        raise OSError("died")

    monkeypatch.setattr(intake, "let_go", nobody_lets_go)
    mail = new()
    await store.write_each(intake.accept, mail)
    assert await claimable(other) == []
    await asyncio.sleep(0.5)
    assert await claimable(other) == [mail.id]


async def test_two_nodes_that_take_the_same_mail_at_once_make_one_fax(store: Store, other: Store) -> None:
    """A client whose connection broke may try the next host while the first still commits."""
    for n in range(20):
        one, two = await asyncio.gather(
            *(node.write_each(intake.accept, new(key=f"k{n}")) for node in (store, other)),
        )
        assert len(one.faxes) + len(two.faxes) == 1, n


async def test_what_nobody_can_be_asked_again_is_written_once_the_database_is_back(
    store: Store, other: Store, proxy: Proxy
) -> None:
    """FaxMAX's answer is told once; a server that restarts must not make a fax of it of which nothing is known."""

    async def add(tx: Tx) -> None:
        await tx.conn.execute(insert(account).values(name="one", state="active", changed_at=1))

    proxy.cut, proxy.shut = "before", True
    written = asyncio.create_task(store.write_at_last(add, within=30))
    await asyncio.sleep(1.5)
    assert not written.done()
    proxy.shut = False
    await asyncio.wait_for(written, 20)
    async with other.read() as conn:
        assert [row.name for row in await accounts.listed(conn)] == ["one"]


async def test_a_statement_that_is_at_fault_is_not_tried_again(store: Store) -> None:
    """Waiting mends no bug."""
    tries = 0

    async def wrong(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        await tx.conn.execute(insert(account).values(name=None, state="active", changed_at=1))

    with pytest.raises(IntegrityError):
        await store.write_at_last(wrong, within=30)
    assert tries == 1
