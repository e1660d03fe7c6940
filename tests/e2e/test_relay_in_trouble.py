"""The site's mail server greylists, is away, or refuses: each report and each received fax arrives once, or is told.

The server is real, on a port of its own; the daemon's outbox is what is looked at beside what arrived.
"""

import asyncio
import base64
import email
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from fax_bridge.store.schema import outbox, received
from fax_bridge.store.store import Store
from tests.e2e.conftest import Bridge, bridge_in, until
from tests.e2e.test_round_trips import fax_tiff, incoming, pdf_in

SENDER, RECEPTION, ARCHIVE, OPERATOR = (f"{who}@example.com" for who in ("ayse", "reception", "archive", "postmaster"))
GREYLISTED = "451 4.7.1 greylisted, come again later"
NOBODY = "550 5.1.1 no such user"


@dataclass
class MailServer:
    """Takes what it is sent; ``rcpt`` and ``data`` may say otherwise, given how often they were asked before."""

    rcpt: Callable[[str, int], str] = lambda address, before: "250 OK"
    data: Callable[[int], str] = lambda before: "250 OK"
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    """By recipient."""
    asked: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        # The same port after a time away, whose connections may still be in TIME_WAIT.
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    def _session(self) -> SMTP:
        return SMTP(self, hostname="mail.example.com")

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.rcpt(address, self.asked[address])
        self.asked[address] += 1
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 — the same
        reply = self.data(self.asked["DATA"])
        self.asked["DATA"] += 1
        if reply.startswith("2") or reply == "lost":
            assert isinstance(envelope.content, bytes)
            mail = email.message_from_bytes(envelope.content, policy=policy.default)
            self.taken += [(address, mail) for address in envelope.rcpt_tos]
        if reply == "lost" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return reply

    def ids(self, address: str) -> list[str]:
        """The Message-IDs of what arrived there, in the order in which it did."""
        return [str(mail["Message-ID"]) for to, mail in self.taken if to == address]


@asynccontextmanager
async def site(directory: Path, server: MailServer, *, more: str = "", **relay: str) -> AsyncIterator[Bridge]:
    """The bridge beside that mail server, which may not be there yet."""
    if not server.port:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            server.port = sock.getsockname()[1]
    options = {"url": f"smtp://127.0.0.1:{server.port}", "retry_first": "100ms", "retry_longest": "200ms"}
    try:
        async with bridge_in(directory, relay=options | relay, more=more) as bridge:
            yield bridge
    finally:
        await server.stop()


async def rows(bridge: Bridge, table: Any) -> list[Any]:
    store = await Store.open(bridge.settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            return list((await conn.execute(select(table))).all())
    finally:
        await store.close()


async def outbox_ends(bridge: Bridge, *, mails: int) -> dict[str, str]:
    """The states of all mails of the outbox by the kind that their id begins with, once none waits any more."""

    async def look() -> dict[str, str] | None:
        found = await rows(bridge, outbox)
        ended = len(found) == mails and all(row.state != "waiting" for row in found)
        return {row.id: row.state for row in found} if ended else None

    states = await until(look)
    await asyncio.sleep(0.4)  # longer than the longest wait between tries: whatever would come twice comes now
    return {name.rpartition("-")[0]: state for name, state in states.items()}


async def both_ways(bridge: Bridge, note: EmailMessage) -> None:
    """One mail that is faxed and reported, one received fax to two mailboxes."""
    await bridge.send(note, "902163333344")
    assert await incoming(bridge, content=base64.b64encode(fax_tiff()).decode()) == 200


async def arrived_once(bridge: Bridge, server: MailServer) -> None:
    (report, fax) = sorted(await rows(bridge, outbox), key=lambda row: row.id, reverse=True)
    assert server.ids(SENDER) == [f"<{report.id}@fax.example.com>"]
    assert server.ids(RECEPTION) == server.ids(ARCHIVE) == [f"<{fax.id}@fax.example.com>"]
    assert len(server.taken) == 3
    assert [row.state for row in await rows(bridge, received)] == ["mailed"]


@pytest.mark.parametrize("greylisted", [{SENDER, RECEPTION, ARCHIVE}, {ARCHIVE}], ids=["all", "one of two"])
async def test_a_server_that_greylists_gets_each_mail_once(
    tmp_path: Path, note: EmailMessage, greylisted: set[str]
) -> None:
    """451 at the first try of each recipient, 250 later; who had it at once does not get it again."""
    server = MailServer(rcpt=lambda to, before: GREYLISTED if to in greylisted and before == 0 else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await both_ways(bridge, note)
        assert await outbox_ends(bridge, mails=2) == {"report": "sent", "received": "sent"}
        await arrived_once(bridge, server)
        assert all(server.asked[to] == 2 for to in greylisted)


async def test_a_server_in_trouble_after_the_mail_gets_it_again(tmp_path: Path, note: EmailMessage) -> None:
    """451 after the final dot, three times: nobody had it, and each has it once at last."""
    server = MailServer(data=lambda before: "451 4.3.0 disk full" if before < 3 else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await both_ways(bridge, note)
        assert await outbox_ends(bridge, mails=2) == {"report": "sent", "received": "sent"}
        await arrived_once(bridge, server)


async def test_a_mail_whose_answer_was_lost_comes_again_with_the_same_id(tmp_path: Path, note: EmailMessage) -> None:
    """The server took it and the connection broke: SMTP can promise no more than that a reader sees that it is one."""
    server = MailServer(data=lambda before: "lost" if before == 0 else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await bridge.send(note, "902163333344")
        assert await outbox_ends(bridge, mails=1) == {"report": "sent"}
        first, second = [mail for _, mail in server.taken]
        assert first["Message-ID"] == second["Message-ID"]
        assert first.as_bytes() == second.as_bytes()


async def test_mail_waits_for_a_server_that_is_away_for_long(tmp_path: Path, note: EmailMessage) -> None:
    """Tried again and again, told as waiting with the reason, and there once when the server is back."""
    server = MailServer()
    async with site(tmp_path, server) as bridge:
        await both_ways(bridge, note)

        async def tried_often() -> bool | None:
            found = await rows(bridge, outbox)
            return (len(found) == 2 and all(row.claims >= 4 for row in found)) or None

        await until(tried_often)
        assert all(row.state == "waiting" and "cannot be" in row.last_error for row in await rows(bridge, outbox))
        await server.start()
        assert await outbox_ends(bridge, mails=2) == {"report": "sent", "received": "sent"}
        await arrived_once(bridge, server)


async def test_a_server_that_is_away_for_too_long_leaves_a_failed_mail_and_an_alert(
    tmp_path: Path, note: EmailMessage
) -> None:
    """Given up at ``relay.queue_lifetime``: the fax itself stays delivered, and the operator is told of the report."""
    server = MailServer()
    async with site(tmp_path, server, queue_lifetime="2s") as bridge:
        await bridge.send(note, "902163333344")

        async def given_up() -> bool | None:
            return any(row.state == "failed" for row in await rows(bridge, outbox)) or None

        await until(given_up)
        await server.start()
        ends = await outbox_ends(bridge, mails=2)
        assert ends == {"report": "failed", "alert-report": "sent"}
        ((to, alert),) = server.taken
        assert to == OPERATOR
        assert SENDER in alert.as_string()
        report = next(row for row in await rows(bridge, outbox) if row.kind == "report")
        assert report.refused[SENDER].startswith("given up: the mail server")
        assert (await bridge.ended("delivered"))["result"] == "delivered"


async def test_a_report_that_is_refused_for_good_is_failed_and_told(tmp_path: Path, note: EmailMessage) -> None:
    """Once, and not tried again."""
    server = MailServer(rcpt=lambda to, before: NOBODY if to == SENDER else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await bridge.send(note, "902163333344")
        assert await outbox_ends(bridge, mails=2) == {"report": "failed", "alert-report": "sent"}
        assert server.asked[SENDER] == 1
        ((to, alert),) = server.taken
        assert to == OPERATOR
        assert "no such user" in alert.as_string()


async def test_a_report_that_only_the_archive_took_is_told(tmp_path: Path, note: EmailMessage) -> None:
    """The mail is sent, but its sender does not know the outcome: the operator hears of it all the same."""
    server = MailServer(rcpt=lambda to, before: NOBODY if to == "erp@machines.example.org" else "250 OK")
    await server.start()
    entry = '[[senders]]\nmatch = "erp@machines.example.org"\nnetworks = ["127.0.0.0/8"]\n'
    entry += 'report_bcc = ["kept@example.com"]\n'
    async with site(tmp_path, server, more=entry) as bridge:
        await bridge.send(note, "902163333344", sender="erp@machines.example.org")
        assert await outbox_ends(bridge, mails=2) == {"report": "sent", "alert-report": "sent"}
        assert sorted(to for to, _ in server.taken) == ["kept@example.com", OPERATOR]


async def test_a_received_fax_that_both_mailboxes_refuse_goes_to_the_fallback(tmp_path: Path) -> None:
    """With its PDF, once, and the operator hears which mailboxes do not work."""
    server = MailServer(rcpt=lambda to, before: NOBODY if to in (RECEPTION, ARCHIVE) else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await incoming(bridge, content=base64.b64encode(fax_tiff()).decode())
        ends = await outbox_ends(bridge, mails=3)
        assert ends == {"received": "failed", "alert-received": "sent", "fallback": "sent"}
        assert {to for to, _ in server.taken} == {OPERATOR}
        assert sum(bool([*mail.iter_attachments()]) and bool(pdf_in(mail)) for _, mail in server.taken) == 1
        assert [row.state for row in await rows(bridge, received)] == ["mailed"]


async def test_a_received_fax_that_one_of_two_refuses_is_mailed_and_told(tmp_path: Path) -> None:
    """The other one has it; nobody gets it twice."""
    server = MailServer(rcpt=lambda to, before: NOBODY if to == ARCHIVE else "250 OK")
    await server.start()
    async with site(tmp_path, server) as bridge:
        await incoming(bridge, content=base64.b64encode(fax_tiff()).decode())
        assert await outbox_ends(bridge, mails=2) == {"received": "sent", "alert-received": "sent"}
        assert Counter(to for to, _ in server.taken) == {RECEPTION: 1, OPERATOR: 1}
        assert [row.state for row in await rows(bridge, received)] == ["mailed"]


async def test_a_received_fax_that_nobody_takes_is_failed_and_kept(tmp_path: Path) -> None:
    """Refused by the fallback too: its TIFF stays in the store, and its state says so."""
    server = MailServer(rcpt=lambda to, before: NOBODY)
    await server.start()
    async with site(tmp_path, server) as bridge:
        await incoming(bridge, content=base64.b64encode(fax_tiff()).decode())
        ends = await outbox_ends(bridge, mails=3)
        assert ends == {"received": "failed", "alert-received": "failed", "fallback": "failed"}
        (fax,) = await rows(bridge, received)
        assert (fax.state, fax.tiff) == ("failed", fax_tiff())
        assert server.taken == []
