"""Killed between each pair of steps: what is committed goes on, what is not comes again, and nothing is done twice.

One life of the daemon for each point. What a life leaves in the middle is the next one's to finish, and may be what
that one dies of; the sum is drawn when the last one has come to rest.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from fax_bridge.fax import FaxState
from tests.chaos.node import Node, place
from tests.chaos.steps import Point
from tests.chaos.storm import Outcome, faxmax, running_at_last, settled
from tests.chaos.traffic import Mail, Traffic, mail_to, preview_of
from tests.chaos.verdict import breaches

LEASE_MS = 1500
DIES_WITHIN = 30.0
"""Seconds; most lives last less than one."""

LARGE = 400_000
"""Bytes of an attachment above ``smtp.spool_memory``, so that its mail is spooled or staged while it comes."""


@dataclass(frozen=True, slots=True)
class Case:
    """A step, and what makes the daemon come to it: a mail to a number of that fate, or a received fax."""

    step: str
    by: Literal[
        "mail", "drawing", "large drawing", "push", "preview", "list", "one of two", "late", "wishes", "twice", "bounce"
    ] = "mail"
    fate: str = ""
    count: int = 1


MAILS = (
    Case("spool.write", "large drawing"),
    Case("spool.sync", "large drawing"),
    Case("intake.accept"),
    Case("messages.prepared"),
    Case("messages.refused", "drawing"),
    Case("faxes.submitting"),
    Case("client.send"),
    Case("faxes.promise_due"),  # of the fax that the life before left between intent and outcome
    Case("faxes.accepted"),
    Case("faxes.retried", fate="0015"),
    Case("faxes.refused", fate="0005"),
    Case("faxes.lost", fate="0008"),
    Case("faxes.take_status", count=3),  # the final one
    Case("messages.reported"),
    Case("outbox.put"),  # in the middle of the transaction that reports
    Case("relay.send"),
    Case("outbox.tried"),
    Case("quota.charge"),
    Case("audit.record"),  # with the acceptance
    Case("audit.record", count=2),  # with the document
    Case("messages.previewed", "preview"),
    Case("distribution.add", "list"),
    Case("notices.told", "one of two"),
    Case("notices.told", "late", fate="0013"),
    Case("messages.reported", "wishes"),
    Case("faxes.held_as", "twice"),
)
PUSHES = (
    Case("pushes.journal", "push"),
    Case("pushes.take_received", "push"),
    Case("pushes.worked_through", "push"),
    Case("pushes.converted", "push"),
    Case("deliveries.put", "push"),  # a file for a directory
    Case("deliveries.put", "push", count=2),  # what is behind a link
    Case("sinks.lay_down", "push"),
    Case("deliveries.tried", "push"),
    Case("pushes.ended", "push"),
    Case("bounces.take", "bounce"),
    Case("pushes.to_fallback", "bounce"),
    Case("pushes.converted", "bounce", count=2),  # for the fallback mailbox
)


def points_of(case: Case) -> list[Point]:
    return [Point("before", case.step, case.count), Point("after", case.step, case.count)]


async def die_at_each(cases: tuple[Case, ...], directory: Path, database: str) -> Outcome:
    points = [(point, case) for case in cases for point in points_of(case)]
    async with faxmax() as sandbox:
        where = replace(place(directory, database, sandbox.url), duplicates_within="1h", held_for="3s")
        sandbox.notify_url = where.push_url
        node = Node(where, lease_ms=LEASE_MS, points=[str(point) for point, _ in points])
        traffic = Traffic(7, lambda: [where])
        async with running_at_last(node):
            await node.start()
            async with asyncio.TaskGroup() as group:
                for life, (point, case) in enumerate(points, 1):
                    await node.reaches("life", life, DIES_WITHIN)
                    group.create_task(_traffic(traffic, case))
                    with suppress(TimeoutError):
                        await node.reaches("dying", life, DIES_WITHIN)
                    assert node.words["dying"] == life, f"it never came to {point}: {node.last_words()}"
            await node.reaches("life", len(points) + 1, DIES_WITHIN)
            books = await settled(where, sandbox.url)
            assert node.words["dying"] == len(points), node.last_words()
    return Outcome(traffic.ledger, books, breaches(traffic.ledger, books), list(node.errors))


async def _traffic(traffic: Traffic, case: Case) -> None:
    if case.by in {"push", "bounce"}:
        push = traffic.received_fax()
        push.comes_back = case.by == "bounce"
        traffic.ledger.pushes.append(push)
        await traffic.give(push)
        return
    mails = _mails(traffic, case)
    traffic.ledger.mails += mails
    async with asyncio.TaskGroup() as group:
        for mail in mails:
            group.create_task(traffic.deliver(mail))


def _mails(traffic: Traffic, case: Case) -> list[Mail]:
    serial, number = len(traffic.ledger.mails), traffic.number(case.fate)
    match case.by:
        case "preview":
            return [preview_of((number,), serial)]
        case "list":
            return [mail_to((number, traffic.number(), traffic.number()), serial, is_listed=True)]
        case "one of two":  # fails at once, and the other one is open for long
            return [mail_to((traffic.number("0005"), traffic.number("0013")), serial)]
        case "twice":
            return [mail_to((number,), serial), mail_to((number,), serial + 1)]
        case "late" | "wishes":
            mail = mail_to((number,), serial)
            mail.notify = "SUCCESS,FAILURE,DELAY"
            return [mail]
    drawing = {"drawing": b"\x00\x01", "large drawing": bytes(LARGE)}.get(case.by, b"")
    return [mail_to((number,), serial, drawing=drawing)]


def judge(outcome: Outcome) -> None:
    told = outcome.told()
    assert not outcome.breaches, told
    assert not outcome.errors, "\n".join([told, *outcome.errors])
    tried = {event.fax_id for event in outcome.books.events if event.state == FaxState.SUBMITTING}
    uncertain = {fax.id for fax in outcome.books.faxes if fax.state == FaxState.UNCERTAIN}
    assert uncertain <= tried, f"in doubt without a reason: {uncertain - tried}\n{told}"
    assert {FaxState.DELIVERED, FaxState.UNCERTAIN} <= {fax.state for fax in outcome.books.faxes}, told


@pytest.mark.slow
async def test_killed_before_and_after_each_step_nothing_is_lost_and_nothing_doubled_on_sqlite(tmp_path: Path) -> None:
    """Every 250 is one fax or a state that says why not, every 200 one mail, every sender has one report."""
    judge(await die_at_each(MAILS + PUSHES, tmp_path, f"sqlite:///{tmp_path}/fax-bridge.db"))


@pytest.mark.slow
async def test_killed_before_and_after_each_step_nothing_is_lost_and_nothing_doubled_on_postgresql(
    tmp_path: Path, postgresql_url: str
) -> None:
    """The same where the server ends the dead one's transaction, and its leases have to run out."""
    steps = {
        "intake.accept", "faxes.submitting", "faxes.accepted", "messages.reported", "pushes.journal", "bounces.take",
        "notices.told", "deliveries.tried",
    }  # fmt: skip
    ours = (Case("intake.stage", "large drawing"), Case("intake.let_go"))
    cases = ours + tuple(case for case in MAILS + PUSHES if case.step in steps)
    judge(await die_at_each(cases, tmp_path, postgresql_url))
