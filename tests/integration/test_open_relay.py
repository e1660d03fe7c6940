"""The open-relay matrix: every combination of who, from where and to what, over real sockets, with its one right reply.

The expected reply is worked out here from a few sentences, in another way than the daemon does it. A new class of
destination or of sender is a new row in ``DESTINATIONS`` or ``SENDERS``.
"""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen, UnixSocket
from fax_bridge.settings import Settings
from fax_bridge.store import schema
from fax_bridge.store.store import Store
from tests.dns_server import Zone, name_server
from tests.integration.conftest import SETTINGS

INSIDE, OUTSIDE, SOCKET = "127.1.0.5", "127.9.0.9", "unix"
"""All of 127.0.0.0/8 is this machine, and a client can choose which of it to come from."""


@dataclass(frozen=True)
class From:
    """A domain of envelope senders, and what its entry asks for."""

    domain: str
    inside: bool = False
    """Comes from the site's network."""
    user: str = ""
    """Has to be logged in as."""
    dmarc: str = ""
    """Has to prove From; what the DNS makes of it: pass, fail, temp, none."""
    socket: bool = False
    """May come by the Unix socket."""
    entry: bool = True


SENDERS = (
    From("lan.example", inside=True),
    From("login.example", user="ayse"),
    From("both.example", inside=True, user="ayse"),
    From("socket.example", socket=True),
    From("pass.example", dmarc="pass"),
    From("fail.example", dmarc="fail"),
    From("temp.example", dmarc="temp"),
    From("none.example", dmarc="none"),
    From("near.example", inside=True, dmarc="pass"),
    From("nobody.example", entry=False),
)

DESTINATIONS = {
    "902163334455@fax.example.com": "250",
    "902163334466+at=0800@fax.example.com": "250",
    "112@fax.example.com": "550 5.1.3",
    "nobody@fax.example.com": "550 5.1.3",
    "902163334455+colour=red@fax.example.com": "550 5.1.3",
    "902163334455@elsewhere.example": "550 5.1.2",
    "902163334455%elsewhere.example@fax.example.com": "550 5.1.3",
    '"902163334455@elsewhere.example"@fax.example.com': "550 5.1.3",
}
"""By address: what a sender hears who is admitted."""

AUTHORS = ("same", "colleague", "stranger")
"""Whom From names: the envelope sender, another of that domain, one of another domain that proves itself well."""


@dataclass(frozen=True)
class Case:
    client: str
    user: str
    sender: From | None
    """``None`` is the null reverse-path."""
    author: str
    to: str

    @property
    def mail_from(self) -> str:
        return f"ayse@{self.sender.domain}" if self.sender else ""

    @property
    def from_header(self) -> str:
        domain = self.sender.domain if self.sender else "pass.example"
        return {"same": f"ayse@{domain}", "colleague": f"veli@{domain}", "stranger": "ayse@stranger.example"}[
            self.author
        ]

    @property
    def expected(self) -> str:
        """The one right last reply."""
        sender = self.sender
        here = sender is not None and sender.entry
        if sender is None or not here:
            return "553 5.7.1" if self.user else "550 5.7.1"
        if self.client == SOCKET:
            right_place = sender.socket
        else:
            right_place = not sender.socket and (self.client == INSIDE or not sender.inside)
        if self.user != sender.user or not right_place:
            if self.user:
                return "553 5.7.1"
            return "530 5.7.0" if sender.user and right_place else "550 5.7.1"
        destination = DESTINATIONS[self.to]
        if not sender.dmarc or destination.startswith("550 5.1.2"):
            return destination
        if self.author == "stranger" or sender.dmarc in {"fail", "none"}:
            return "550 5.7.26"
        return "451 4.7.0" if sender.dmarc == "temp" else destination


def cases() -> Iterator[Case]:
    everybody = itertools.product((INSIDE, OUTSIDE), ("", "ayse", "veli"))
    clients = [*everybody, (SOCKET, "")]
    for (client, user), sender, author, to in itertools.product(clients, (*SENDERS, None), AUTHORS, DESTINATIONS):
        yield Case(client, user, sender, author, to)


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    async with name_server() as zone:
        for name in ("pass", "fail", "temp", "near", "stranger"):
            zone.text(f"_dmarc.{name}.example", "v=DMARC1; p=reject")
            zone.text(f"{name}.example", "v=spf1 -all" if name == "fail" else "v=spf1 ip4:127.0.0.0/8 -all")
        zone.text("none.example", "v=spf1 +all")
        zone.broken.add("_dmarc.temp.example")
        yield zone


@pytest.fixture
def matrix(tmp_path: Path, zone: Zone, either_url: str) -> Settings:
    hash_ = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    text = SETTINGS.format(dir=tmp_path).replace(f"sqlite:///{tmp_path}/fax-bridge.db", either_url)
    head, tail = text.split("[[senders]]", 1)
    tail = tail[tail.index("[[routes]]") :]
    head = head.replace("[smtp]\n", f'[smtp]\ndns_servers = ["{zone.where}"]\n')
    for sender in (one for one in SENDERS if one.entry):
        head += f'[[senders]]\nmatch = "*@{sender.domain}"\n'
        networks = ["127.1.0.0/16"] * sender.inside + ["unix"] * sender.socket
        head += f"networks = {networks}\n" if networks else ""
        head += f'auth = ["{sender.user}"]\n' if sender.user else ""
        head += "dmarc = true\n" if sender.dmarc else ""
    users = "".join(f'[[users]]\nname = "{name}"\npassword_hash = "{hash_}"\n' for name in ("ayse", "veli"))
    path = tmp_path / "matrix.toml"
    path.write_text(head + users + tail)
    return load(path)


async def last_reply(case: Case, port: int, socket: Path, number: int) -> str:
    """The last reply of the whole dialogue, or the first that ends it."""
    lmtp = case.client == SOCKET
    if lmtp:
        reader, writer = await asyncio.open_unix_connection(socket)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(case.client, 0))
    try:

        async def say(*lines: str) -> str:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())
            return await reply()

        async def reply() -> str:
            async with asyncio.timeout(10):
                while (line := (await reader.readuntil(b"\r\n")).decode())[3] == "-":
                    pass
            return line

        assert (await reply()).startswith("220")
        assert (await say("LHLO client.example" if lmtp else "EHLO client.example")).startswith("250")
        if case.user:
            secret = base64.b64encode(f"\0{case.user}\0correct horse".encode()).decode()
            assert (await say(f"AUTH PLAIN {secret}")).startswith("235")
        assert (await say(f"MAIL FROM:<{case.mail_from}>")).startswith("250")
        if not (answer := await say(f"RCPT TO:<{case.to}>")).startswith("250"):
            return answer
        if not (answer := await say("DATA")).startswith("354"):
            return answer
        return await say(f"From: {case.from_header}", f"Subject: {number}", "", "Merhaba", ".")
    finally:
        writer.close()


async def test_nobody_sends_but_who_may_to_where_they_may(matrix: Settings, tmp_path: Path) -> None:
    """Each combination gets exactly the reply that the rules say, and what is kept is what got 250."""
    everything = list(cases())
    assert len(everything) == 7 * 11 * 3 * 8
    store = await Store.open(matrix.store.url)
    intake = Intake(matrix, store)
    wrong = []
    try:
        port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
        await intake.listen_lmtp(UnixSocket(path=tmp_path / "s"))
        for number, case in enumerate(everything):
            answer = await last_reply(case, port, tmp_path / "s", number)
            if not answer.startswith(case.expected):
                wrong.append(f"{case}: {answer!r} instead of {case.expected}")
        assert wrong == []
        async with store.read() as conn:
            kept = (await conn.execute(select(func.count()).select_from(schema.message))).scalar()
            pieces = (await conn.execute(select(schema.message_piece.c.message_id).distinct())).all()
            mailed = (await conn.execute(select(func.count()).select_from(schema.outbox))).scalar()
        assert kept == sum(case.expected == "250" for case in everything) > 0
        assert len(pieces) == kept
        assert mailed == 0
    finally:
        await intake.stop(grace=1)
        await store.close()
