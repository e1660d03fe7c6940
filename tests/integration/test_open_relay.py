"""The open-relay matrix: every combination of who, from where and to what, over real sockets, with its one right reply.

The expected reply is worked out here from a few sentences, in another way than the daemon does it. A new class of
destination or of sender is a new row in ``DESTINATIONS`` or ``SENDERS``.
"""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.email_to_fax.system_mail import SystemMail
from fax_bridge.fax import now
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.words import Words
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen, UnixSocket
from fax_bridge.settings import Settings
from fax_bridge.signed_tokens import Claim, SignedTokens
from fax_bridge.store import schema
from fax_bridge.store.store import Store
from tests.dns_server import Zone, name_server
from tests.integration.conftest import SETTINGS

INSIDE, OUTSIDE, SOCKET = "127.1.0.5", "127.9.0.9", "unix"
"""All of 127.0.0.0/8 is this machine, and a client can choose which of it to come from."""
MAIL, SCANNERS, LMTP = "mail", "scanners", "lmtp"
"""The listeners."""


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
    scanner: bool = False
    """May come by the listener for scanners, and by no other."""
    books: bool = False
    """May write to what is kept at FaxMAX."""
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
    From("scanner.example", inside=True, scanner=True),
    From("books.example", inside=True, books=True),
    From("nobody.example", entry=False),
)

TOKENS = SignedTokens(b"k" * 32)
BOUNCE = f"bounce+{TOKENS.make('bounce', Claim('01HF7YAT31JZHSMW1DA8S1XZ7M', 0, now() + 86_400_000))}@fax.example.com"
POSTMASTER = "postmaster@fax.example.com"
BOOK = "book-1@fax.example.com"

DESTINATIONS = {
    "902163334455@fax.example.com": "250",
    "902163334466+at=0800@fax.example.com": "250",
    "112@fax.example.com": "550 5.1.3",
    "nobody@fax.example.com": "550 5.1.3",
    "902163334455+colour=red@fax.example.com": "550 5.1.3",
    "902163334455@elsewhere.example": "550 5.1.2",
    "902163334455%elsewhere.example@fax.example.com": "550 5.1.3",
    '"902163334455@elsewhere.example"@fax.example.com': "550 5.1.3",
    "09001234567@fax.example.com": "550 5.7.1",  # premium
    "+870773111632@fax.example.com": "550 5.7.1",  # satellite
    "49110@fax.example.com": "550 5.",  # an emergency number with its country code
    "902164510000@fax.example.com": "550 5.7.1",  # in the sender's deny
    "4930123456@fax.example.com": "550 5.7.1",  # not in the sender's allow
    BOOK: "550 5.7.1",
    "list@fax.example.com": "250",
    "preview+902163334477@fax.example.com": "250",
    "preview+902164510000@fax.example.com": "550 5.7.1",
    "preview+book-1@elsewhere.example": "550 5.1.2",
    BOUNCE: "550 5.1.1",
    BOUNCE.replace("+", "+a"): "550 5.1.1",
    "bounce@fax.example.com": "550 5.1.1",
    POSTMASTER: "250",
    "Abuse@fax.example.com": "250",
}
"""By address: what a sender hears who is admitted."""

ANYBODYS = frozenset(to for to in DESTINATIONS if to.lower().startswith(("bounce", "postmaster", "abuse")))
"""Are answered before it matters who sends."""

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
    listener: str = MAIL

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
        if self.to in ANYBODYS:  # a bounce needs the null sender and its token
            return "250" if self.to == BOUNCE and self.sender is None else DESTINATIONS[self.to]
        sender = self.sender
        here = sender is not None and sender.entry
        if sender is None or not here:
            return "553 5.7.1" if self.user else "550 5.7.1"
        if sender.scanner or self.listener == SCANNERS:
            right_place = sender.scanner and self.listener == SCANNERS and self.client == INSIDE
        elif self.client == SOCKET:
            right_place = sender.socket
        else:
            right_place = not sender.socket and (self.client == INSIDE or not sender.inside)
        if self.user != sender.user or not right_place:
            if self.user:
                return "553 5.7.1"
            return "530 5.7.0" if sender.user and right_place else "550 5.7.1"
        destination = "250" if self.to == BOOK and sender.books else DESTINATIONS[self.to]
        if not sender.dmarc or destination.startswith("550 5.1.2"):
            return destination
        if self.author == "stranger" or sender.dmarc in {"fail", "none"}:
            return "550 5.7.26"
        return "451 4.7.0" if sender.dmarc == "temp" else destination

    @property
    def faxed(self) -> bool:
        return self.expected == "250" and self.to not in ANYBODYS and not self.to.startswith("preview+")


def cases() -> Iterator[Case]:
    everybody = itertools.product((INSIDE, OUTSIDE), ("", "ayse", "veli"))
    clients = [
        *((*one, MAIL) for one in everybody),
        (SOCKET, "", LMTP),
        (INSIDE, "", SCANNERS),
        (OUTSIDE, "", SCANNERS),
    ]
    combined = itertools.product(clients, (*SENDERS, None), AUTHORS, DESTINATIONS)
    for (client, user, listener), sender, author, to in combined:
        yield Case(client, user, sender, author, to, listener)


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
    head = head.replace("[smtp]\n", f'[smtp]\nscanners.listen = ["127.0.0.1:0"]\ndns_servers = ["{zone.where}"]\n')
    head = head.replace("[inbound]\n", "[inbound]\nmax_passed_on_per_hour = 10000\n")
    for sender in (one for one in SENDERS if one.entry):
        head += f'[[senders]]\nmatch = "*@{sender.domain}"\nallow = ["TR"]\ndeny = ["9021645"]\n'
        head += 'scanner = true\nreport_to = ["office@example.com"]\n' if sender.scanner else ""
        head += "books = true\n" if sender.books else ""
        networks = ["127.1.0.0/16"] * sender.inside + ["unix"] * sender.socket
        head += f"networks = {networks}\n" if networks else ""
        head += f'auth = ["{sender.user}"]\n' if sender.user else ""
        head += "dmarc = true\n" if sender.dmarc else ""
    users = "".join(f'[[users]]\nname = "{name}"\npassword_hash = "{hash_}"\n' for name in ("ayse", "veli"))
    path = tmp_path / "matrix.toml"
    path.write_text(head + users + tail)
    return load(path)


async def last_reply(case: Case, ports: Mapping[str, int], socket: Path, number: int) -> str:
    """The last reply of the whole dialogue, or the first that ends it."""
    lmtp = case.listener == LMTP
    if lmtp:
        reader, writer = await asyncio.open_unix_connection(socket)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[case.listener], local_addr=(case.client, 0))
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
    assert len(everything) == 9 * 13 * 3 * 23
    store = await Store.open(matrix.store.url)
    intake = Intake(matrix, store, SystemMail(matrix, store, TOKENS, Alerts(matrix, Words())))
    wrong = []
    try:
        here = Listen(host="127.0.0.1", port=0)
        ports = {MAIL: await intake.listen_smtp(here), SCANNERS: await intake.listen_scanners(here)}
        await intake.listen_lmtp(UnixSocket(path=tmp_path / "s"))
        for number, case in enumerate(everything):
            answer = await last_reply(case, ports, tmp_path / "s", number)
            if not answer.startswith(case.expected):
                wrong.append(f"{case}: {answer!r} instead of {case.expected}")
        assert wrong == []
        async with store.read() as conn:
            kept = (await conn.execute(select(func.count()).select_from(schema.message))).scalar()
            pieces = (await conn.execute(select(schema.message_piece.c.message_id).distinct())).all()
            faxes = (await conn.execute(select(func.count()).select_from(schema.fax))).scalar()
            mailed = (await conn.execute(select(schema.outbox.c.kind, schema.outbox.c.recipients))).all()
            lines = (await conn.execute(select(func.count()).select_from(schema.audit))).scalar()
        good = [case for case in everything if case.expected == "250"]
        assert kept == lines == sum(case.to not in ANYBODYS for case in good) > 0
        assert faxes == sum(case.faxed for case in good) > 0
        assert len(pieces) == kept
        # What anybody may write goes to the site's own mailbox, and nothing to anybody else.
        passed_on = [row for row in mailed if row.kind == "passed_on"]
        assert len(passed_on) == sum(case.to in ANYBODYS - {BOUNCE} for case in good) > 0
        assert [row.kind for row in mailed if row.kind != "passed_on"] == ["alert"], "of the mails that came back, one"
        assert {to for row in mailed for to in row.recipients} == {"postmaster@example.com"}
    finally:
        await intake.stop(grace=1)
        await store.close()
