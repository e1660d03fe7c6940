"""The machine is lost, and a backup that was made while mail flowed is put in place on another one."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fax_bridge.fax import FAX_ENDS, FaxState, MessageState
from fax_bridge.history import fax_act
from fax_bridge.setting_sources import load
from fax_bridge.store import operator
from fax_bridge.store.store import Store
from tests.chaos.books import Books, open_books
from tests.chaos.node import Node, Place, place
from tests.chaos.storm import faxmax, running_at_last, settled
from tests.chaos.traffic import Mail, Traffic, mail_to
from tests.chaos.verdict import breaches
from tests.integration.test_client import http, request_of


async def command(where: Place, *words: str) -> str:
    """What ``fax-bridge`` says, which has to end well."""
    config = str(where.write_settings())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fax_bridge", *words, "--config", config,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def mails(traffic: Traffic, count: int) -> list[Mail]:
    new = [mail_to((traffic.number(),), len(traffic.ledger.mails) + n) for n in range(count)]
    traffic.ledger.mails += new
    return new


async def books_of(where: Place, sandbox_url: str) -> Books:
    store = await Store.open(where.database, exclusive=False)
    try:
        return await open_books(store, sandbox_url, where)
    finally:
        await store.close()


async def seen(where: Place, sandbox_url: str, condition: Callable[[Books], bool]) -> Books:
    async with asyncio.timeout(30):
        while not condition(books := await books_of(where, sandbox_url)):  # noqa: ASYNC110 — a database has no events
            await asyncio.sleep(0.2)
        return books


def is_told(books: Books) -> bool:
    """Whether every sender has been told. (``Books.unsettled`` also wants the pushes that went to the lost machine.)"""
    ended = all(row.state in FAX_ENDS for row in books.faxes)
    return ended and {f"report-{row.id}" for row in books.messages} <= books.mailbox.keys()


@asynccontextmanager
async def unavailable(address: str) -> AsyncIterator[None]:
    """FaxMAX asks whoever comes to come again in a second."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(http("503 Service Unavailable", b"", "Retry-After: 1"))
        writer.close()

    host, _, port = address.partition(":")
    async with await asyncio.start_server(answer, host, int(port)):
        yield


@pytest.mark.slow
async def test_a_backup_of_a_working_daemon_is_restored_and_nothing_goes_out_twice_by_itself(tmp_path: Path) -> None:
    """All that was accepted before the backup began is in it; what may have gone out since waits for a person."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    lost_machine, new_machine = tmp_path / "lost", tmp_path / "new"
    for directory in (lost_machine, new_machine):
        directory.mkdir()
    url = f"http://{address}/api/v1"
    lost = place(lost_machine, f"sqlite:///{lost_machine}/fax-bridge.db", url)
    new = place(new_machine, f"sqlite:///{new_machine}/fax-bridge.db", url)
    copy = tmp_path / "backup.db"
    traffic = Traffic(7, lambda: [lost])
    node = Node(lost)

    async with running_at_last(node):
        await node.start()
        await node.ready()
        before = mails(traffic, 3)
        async with unavailable(address):  # so that faxes wait in the copy
            await asyncio.gather(*(traffic.deliver(mail) for mail in before))
            await traffic.push(after=0)
            await node.reaches("retry", 3, 20)
            async with asyncio.TaskGroup() as group:
                for mail in mails(traffic, 3):
                    group.create_task(traffic.deliver(mail))
                await command(lost, "backup", str(copy))
        async with faxmax(address) as sandbox:
            sandbox.notify_url = lost.push_url
            done = await settled(lost, url, within=20)
            assert not breaches(traffic.ledger, done)
            assert {row.state for row in done.faxes} == {FaxState.DELIVERED}
            await node.kill()

            told = await command(new, "restore", str(copy))
            sent = len(done.sandbox)
            copied = await books_of(new, url)
            assert {mail.message_id for mail in before} <= {row.header_message_id for row in copied.messages}
            held = {row.id: row.message_id for row in copied.faxes if row.state == FaxState.HELD}
            # One that was being handed over is never handed over again, and needs no person.
            assert {row.state for row in copied.faxes if row.id not in held} <= {FaxState.SUBMITTING}
            assert f"{len(held)} faxes are held" in told

            second = Node(new)
            async with running_at_last(second):
                await second.start()
                await second.ready()
                sandbox.notify_url = new.push_url
                after = Traffic(8, lambda: [new])
                (late,) = mails(after, 1)
                late.message_id, late.content = "<late@example.com>", late.content.replace(b"storm-0", b"late")
                await after.deliver(late)
                await seen(new, url, lambda books: len(books.sandbox) > sent)
                await asyncio.sleep(1.5)  # longer than any fax waits between two tries
                books = await books_of(new, url)
                assert len(books.sandbox) == sent + 1, "a restored fax went out by itself"
                assert {row.id for row in books.faxes if row.state == FaxState.HELD} == held.keys()
                ready = {row.id for row in copied.messages if row.state == MessageState.READY}
                released = next(fax_id for fax_id, message_id in held.items() if message_id in ready)
                cancelled = held.keys() - {released}
                await command(new, "faxes", "release", released)
                for fax_id in cancelled:
                    await fax_act(load(new.write_settings()), operator.cancel, fax_id)
                books = await seen(new, url, is_told)
    ends = {row.id: row.state for row in books.faxes}
    assert ends[released] == FaxState.DELIVERED
    assert {ends[fax_id] for fax_id in cancelled} == {FaxState.CANCELLED}
    assert len(books.sandbox) == sent + 2
    assert (new_machine / "fax-bridge.db").stat().st_mode & 0o777 == 0o600
    assert not list(new_machine.glob("*.part*"))
