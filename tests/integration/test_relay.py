"""The relay against real servers on the loopback and real directories.

Where aiosmtpd is too well-behaved, a server that plays a script stands in: it says what a server may say.
"""

import asyncio
import mailbox
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from fax_bridge.errors import Temporary
from fax_bridge.mail.relay import Delivery, Relay, Reply

MAIL = (
    b"From: fax@fax.example.com\r\nSubject: x\r\n\r\n"
    b"first\r\n.a line with a dot\r\n..\r\n.\r\nbetween dots\r\n.\r\nlast\r\n"
)
NULL = "<>"
"""How aiosmtpd names the null sender."""

A, B, C = "a@example.com", "b@example.com", "c@example.com"


# --- servers -----------------------------------------------------------------------------------------


@dataclass
class Mailroom:
    """An aiosmtpd handler that keeps what it takes, and refuses what it is told to."""

    rcpt: Mapping[str, str] = field(default_factory=dict)
    mail: str = "250 OK"
    data: str = "250 OK"
    drop_at_data: bool = False
    taken: list[tuple[str | None, list[str], bytes]] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    encrypted: bool = False

    async def handle_MAIL(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.options += options
        self.encrypted = session.ssl is not None
        if self.mail.startswith("2"):
            envelope.mail_from = address
        return self.mail

    async def handle_RCPT(  # noqa: N802 — aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.rcpt.get(address, "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 — the same
        if self.drop_at_data and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        if not self.drop_at_data and self.data.startswith("2"):
            self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), content))
        return self.data


@asynccontextmanager
async def listening(factory: Callable[[], asyncio.BaseProtocol], **options: Any) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def smtp(room: Mailroom, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    def session() -> SMTP:
        return SMTP(room, hostname="mail.example.com", enable_SMTPUTF8=True, **options)

    async with listening(session, **({"ssl": tls} if tls else {})) as port:
        yield port


@asynccontextmanager
async def scripted(*script: tuple[str, str], greeting: str = "220 ready\r\n", rest: str = "") -> AsyncIterator[int]:
    """A server that waits for a line beginning with each first word, and then says the second; ``rest`` when done."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                writer.write(greeting.encode())
                for expected, answer in script:
                    while not (line := await reader.readline()).startswith(expected.encode()):
                        if not line:
                            return
                    writer.write(answer.encode())
                    await writer.drain()
                while rest == "silence" and await reader.readline():
                    pass
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def relay(port: int, scheme: str = "smtp", timeout: float = 5) -> Relay:
    return Relay.from_url(f"{scheme}://127.0.0.1:{port}", timeout=timeout)


# --- SMTP: recipients --------------------------------------------------------------------------------


async def test_a_mail_arrives_byte_by_byte_in_one_transaction_with_the_null_sender() -> None:
    """Lines of dots come through, and ``MAIL FROM:<>`` keeps bounces away."""
    room = Mailroom()
    async with smtp(room) as port:
        delivery = await relay(port).send("report-1", "", [A, B, A], MAIL)
    assert delivery == Delivery((A, B))
    assert delivery.complete
    assert room.taken == [(NULL, [A, B], MAIL)]


async def test_a_refused_recipient_costs_only_itself() -> None:
    """5xx is refused, 4xx is deferred, the rest have their mail."""
    room = Mailroom(rcpt={A: "550 5.1.1 no such user", B: "452 4.2.2 mailbox full"})
    async with smtp(room) as port:
        delivery = await relay(port).send("1", "fax@example.com", [A, B, C], MAIL)
    assert delivery.delivered == (C,)
    assert delivery.refused == {A: Reply(550, "5.1.1 no such user")}
    assert delivery.deferred == {B: Reply(452, "4.2.2 mailbox full")}
    assert room.taken == [("fax@example.com", [C], MAIL)]


async def test_when_all_recipients_are_refused_no_mail_is_sent() -> None:
    """And each has its own reply."""
    room = Mailroom(rcpt={A: "550 no", B: "553 no"})
    async with smtp(room) as port:
        delivery = await relay(port).send("1", "", [A, B], MAIL)
    assert delivery == Delivery(refused={A: Reply(550, "no"), B: Reply(553, "no")})
    assert room.taken == []


async def test_too_many_recipients_is_no_refusal_of_the_last_one() -> None:
    """RFC 5321 §4.5.3.1.10: a 552 after others were taken is temporary; alone, it is final."""
    room = Mailroom(rcpt={B: "552 too many recipients"})
    async with smtp(room) as port:
        together = await relay(port).send("1", "", [A, B], MAIL)
        alone = await relay(port).send("1", "", [B], MAIL)
    assert together == Delivery((A,), deferred={B: Reply(552, "too many recipients")})
    assert alone == Delivery(refused={B: Reply(552, "too many recipients")})


@pytest.mark.parametrize(("reply", "kind"), [("554 5.7.1 spam", "refused"), ("451 4.3.0 later", "deferred")])
@pytest.mark.parametrize("step", ["mail", "data"])
async def test_a_refusal_of_the_mail_holds_for_all(step: str, reply: str, kind: str) -> None:
    """MAIL and DATA speak for every recipient."""
    room = Mailroom(**{step: reply})  # type: ignore[arg-type]  # both fields are text
    async with smtp(room) as port:
        delivery = await relay(port).send("1", "", [A, B], MAIL)
    expected = dict.fromkeys((A, B), Reply(int(reply[:3]), reply[4:]))
    assert delivery == (Delivery(refused=expected) if kind == "refused" else Delivery(deferred=expected))


@pytest.mark.parametrize(
    "address", ["a@b> SIZE=1", "a b@example.com", "a@example.com\r\nRCPT TO:<x@y", "<a@b>", "", "a", "a@b,c@d"]
)
async def test_what_is_no_address_is_refused_and_not_mended(address: str) -> None:
    """A mended address may be somebody else's; the others are served."""
    room = Mailroom()
    async with smtp(room) as port:
        delivery = await relay(port).send("1", "", [address, A], MAIL)
    assert delivery == Delivery((A,), refused={address: Reply(553, "5.1.3 this is no mail address")})
    assert room.taken == [(NULL, [A], MAIL)]


async def test_odd_but_lawful_addresses_go_through_unchanged() -> None:
    """Quoted local parts and domain literals (RFC 5321 §4.1.2)."""
    odd = ['"a b"@example.com', "a+b=c@[127.0.0.1]", "o'neill@example.com"]
    async with scripted(("EHLO", "250 x\r\n"), ("MAIL", "250 ok\r\n"), *((f"RCPT TO:<{a}>", "250 ok\r\n") for a in odd),
                        ("DATA", "354 go\r\n"), (".\r\n", "250 ok\r\n")) as port:  # fmt: skip
        assert await relay(port).send("1", "", odd, MAIL) == Delivery(tuple(odd))


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it() -> None:
    """SMTPUTF8 where it is offered (RFC 6531); else that recipient alone is refused."""
    room = Mailroom()
    async with smtp(room) as port:
        assert await relay(port).send("1", "", ["ayşe@example.com"], MAIL) == Delivery(("ayşe@example.com",))
    assert "SMTPUTF8" in room.options
    script = (("EHLO", "250 x\r\n"), ("MAIL", "250 ok\r\n"), ("RCPT", "250 ok\r\n"), ("DATA", "354 go\r\n"))
    async with scripted(*script, (".\r\n", "250 ok\r\n")) as port:
        delivery = await relay(port).send("1", "", ["ayşe@example.com", A], MAIL)
    assert delivery.delivered == (A,)
    assert delivery.refused["ayşe@example.com"].code == 553


async def test_eight_bit_bytes_are_kept_or_refused_but_never_lost() -> None:
    """Declared where the server offers 8BITMIME (RFC 6152); else the mail is refused with 5.6.3."""
    eight = "Subject: x\r\n\r\nğüşıöç\r\n".encode()
    room = Mailroom()
    async with smtp(room) as port:
        assert (await relay(port).send("1", "", [A], eight)).complete
    assert room.taken[0][2] == eight
    assert "BODY=8BITMIME" in room.options
    async with scripted(("EHLO", "250 x\r\n"), ("QUIT", "221 bye\r\n")) as port:
        delivery = await relay(port).send("1", "", [A], eight)
    assert delivery.refused[A].text.startswith("5.6.3 ")


async def test_a_mail_that_is_too_long_is_refused_before_it_is_sent() -> None:
    """SIZE (RFC 1870) saves the way; the server's refusal is final."""
    room = Mailroom()
    async with smtp(room, data_size_limit=100) as port:
        delivery = await relay(port).send("1", "", [A], MAIL * 2)
    assert delivery.refused[A].code == 552
    assert room.taken == []


async def test_a_server_that_knows_only_helo_is_served() -> None:
    """RFC 5321 §3.2 wants the fall-back."""
    script = (
        ("EHLO", "502 what\r\n"),
        ("HELO", "250 x\r\n"),
        ("MAIL FROM:<>\r\n", "250 ok\r\n"),
        ("RCPT", "251 ok\r\n"),
    )
    async with scripted(*script, ("DATA", "354 go\r\n"), (".\r\n", "250 ok\r\n")) as port:
        assert await relay(port).send("1", "", [A], MAIL) == Delivery((A,))


async def test_a_reply_is_kept_as_one_printable_line() -> None:
    """It goes into the database, into logs and to people."""
    script = (("EHLO", "250 x\r\n"), ("MAIL", "550-first\r\n550 \x1b[31msecond " + "x" * 900 + "\r\n"))
    async with scripted(*script) as port:
        delivery = await relay(port).send("1", "", [A], MAIL)
    assert delivery.refused[A].text.startswith("first ?[31msecond xxx")
    assert len(delivery.refused[A].text) == 500
    assert str(Reply(250, "")) == "250"


# --- SMTP: trouble -----------------------------------------------------------------------------------

EHLO, MAIL_OK, RCPT_OK = ("EHLO", "250 x\r\n"), ("MAIL", "250 ok\r\n"), ("RCPT", "250 ok\r\n")
DATA = ("DATA", "354 go\r\n")


@pytest.mark.parametrize(
    "script",
    [
        (),
        (EHLO,),
        (EHLO, MAIL_OK),
        (EHLO, MAIL_OK, RCPT_OK),
        (EHLO, MAIL_OK, RCPT_OK, DATA),
        (EHLO, MAIL_OK, ("RCPT", "421 going down\r\n")),
        (EHLO, ("MAIL", "421 going down\r\n")),
        (EHLO, MAIL_OK, RCPT_OK, ("DATA", "421 going down\r\n")),
        (EHLO, MAIL_OK, RCPT_OK, DATA, (".\r\n", "421 going down\r\n")),
        (EHLO, MAIL_OK, RCPT_OK, ("DATA", "what?\r\n")),
    ],
)
async def test_a_connection_that_ends_early_is_tried_again(script: Sequence[tuple[str, str]]) -> None:
    """Whatever the step: nobody is refused for the server's trouble."""
    async with scripted(*script) as port:
        with pytest.raises(Temporary, match=f"the mail server 127.0.0.1:{port} "):
            await relay(port).send("1", "", [A], MAIL)


async def test_a_connection_dropped_by_a_real_server_in_data_is_tried_again() -> None:
    """The mail may have arrived; without a reply nobody may believe so."""
    room = Mailroom(drop_at_data=True)
    async with smtp(room) as port:
        with pytest.raises(Temporary):
            await relay(port).send("1", "", [A], MAIL)
    assert room.taken == []


@pytest.mark.parametrize("greeting", ["", "220", "554 go away\r\n", "SSH-2.0-x\r\n"])
async def test_a_server_that_does_not_greet_is_tried_again(greeting: str) -> None:
    """Silence ends by the timeout, nonsense at once."""
    async with scripted(("never", ""), greeting=greeting) as port:
        with pytest.raises(Temporary):
            await relay(port, timeout=0.2).send("1", "", [A], MAIL)


async def test_a_server_that_stalls_after_the_dot_is_given_longer() -> None:
    """To give up too soon doubles the mail (RFC 5321 §4.5.3.2.6), so that step has ten times the time."""
    async with scripted(EHLO, MAIL_OK, RCPT_OK, DATA, rest="silence") as port:
        begin = asyncio.get_running_loop().time()
        with pytest.raises(Temporary):
            await relay(port, timeout=0.05).send("1", "", [A], MAIL)
        assert 0.4 < asyncio.get_running_loop().time() - begin < 3


async def test_the_mails_fate_does_not_hang_on_quit() -> None:
    """It was settled by the reply to DATA."""
    async with scripted(EHLO, MAIL_OK, RCPT_OK, DATA, (".\r\n", "250 ok\r\n")) as port:
        assert (await relay(port).send("1", "", [A], MAIL)).complete
    async with scripted(EHLO, MAIL_OK, RCPT_OK, DATA, (".\r\n", "250 ok\r\n"), rest="silence") as port:
        assert (await relay(port, timeout=0.2).send("1", "", [A], MAIL)).complete


@pytest.mark.parametrize("scheme", ["smtp", "lmtp"])
async def test_a_stalled_server_does_not_get_the_rest_of_a_mail_that_was_given_up(scheme: str) -> None:
    """Else it would be delivered now and once more by the next try."""
    given_up, got = asyncio.Event(), bytearray()
    done = asyncio.get_running_loop().create_future()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        for _ in range(4):
            line = await reader.readline()
            writer.write(b"354 go\r\n" if line.startswith(b"DATA") else b"250 ok\r\n")
        await given_up.wait()
        try:
            while more := await reader.read(1 << 20):
                got.extend(more)
        except ConnectionError:
            pass
        writer.close()
        done.set_result(None)

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    big = b"x" * 70 + b"\r\n"
    with pytest.raises(Temporary):
        await relay(server.sockets[0].getsockname()[1], scheme, timeout=0.05).send("1", "", [A], big * 400_000)
    given_up.set()
    await asyncio.wait_for(done, 5)
    server.close()
    assert not got.endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("scheme", ["smtp", "lmtp"])
async def test_nobody_listening_is_told_with_the_place(scheme: str) -> None:
    """The operator reads where, and what the system said."""
    async with scripted() as port:
        pass
    with pytest.raises(Temporary, match=f"127.0.0.1:{port}.*"):
        await relay(port, scheme).send("1", "", [A], MAIL)
    with pytest.raises(Temporary):
        await relay(port, scheme).probe()


async def test_a_probe_greets_and_leaves() -> None:
    """No mail is begun."""
    room = Mailroom()
    async with smtp(room) as port:
        await relay(port).probe()
    assert (room.taken, room.options) == ([], [])


# --- TLS and login -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    ca_file: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of our own and a server's certificate for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("the openssl command is missing, and nothing else here can make a certificate")
    home = tmp_path_factory.mktemp("ca")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True, timeout=30)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=mail.example.com")
    (home / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signed)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home / "server.pem", home / "server.key")
    return Authority(str(home / "ca.pem"), context)


def doorman(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    """Lets in whoever knows the password, which needs encoding in a URL."""
    if not isinstance(data, LoginPassword):
        return AuthResult(success=False, handled=False)
    return AuthResult(success=(data.login, data.password) == (b"fax@example.com", b"p@ss/w:rd%"), handled=False)


GUARDED: dict[str, Any] = {"authenticator": doorman, "auth_required": True}
USER = "fax%40example.com:p%40ss%2Fw%3Ard%25@"


# Meant for aiosmtpd's user: on the smtps port it cannot know that TLS is there already.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_a_mail_goes_encrypted_with_a_login(authority: Authority, scheme: str) -> None:
    """Both ways into TLS, the certificate verified, the password decoded from the URL."""
    room = Mailroom()
    tls: dict[str, Any] = (
        {"tls": authority.server, "auth_require_tls": False}  # aiosmtpd does not see TLS that was there before it
        if scheme == "smtps"
        else {"tls_context": authority.server, "require_starttls": True}
    )
    async with smtp(room, **tls, **GUARDED) as port:
        one = Relay.from_url(f"{scheme}://{USER}127.0.0.1:{port}", timeout=5, ca_file=authority.ca_file)
        await one.probe()
        assert await one.send("1", "", [A], MAIL) == Delivery((A,))
    assert room.taken == [(NULL, [A], MAIL)]
    assert room.encrypted or scheme == "smtps"


async def test_a_wrong_password_is_the_operators_to_mend_and_is_not_shown(authority: Authority) -> None:
    """Temporary: the mails wait until it is right."""
    async with smtp(Mailroom(), tls_context=authority.server, require_starttls=True, **GUARDED) as port:
        url = f"smtp+starttls://fax%40example.com:wrong-secret@127.0.0.1:{port}"
        one = Relay.from_url(url, timeout=5, ca_file=authority.ca_file)
        with pytest.raises(Temporary, match=r"refuses the login \(535") as fault:
            await one.send("1", "", [A], MAIL)
    assert "wrong-secret" not in str(fault.value) + repr(one) + str(one) + repr(one.transport)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_a_certificate_of_an_unknown_authority_is_not_accepted(authority: Authority, scheme: str) -> None:
    """No mail to a server that cannot prove who it is; the words name the setting."""
    room = Mailroom()
    tls = {"tls": authority.server} if scheme == "smtps" else {"tls_context": authority.server}
    async with smtp(room, **tls) as port:
        with pytest.raises(Temporary, match=r"not trusted.*relay\.ca_file"):
            await Relay.from_url(f"{scheme}://127.0.0.1:{port}", timeout=5).send("1", "", [A], MAIL)
    assert room.taken == []


async def test_a_server_without_starttls_gets_no_mail() -> None:
    """STARTTLS is required and not merely tried: a stranger on the way cannot strip it."""
    room = Mailroom()
    async with smtp(room) as port:
        with pytest.raises(Temporary, match="STARTTLS"):
            await relay(port, "smtp+starttls").send("1", "", [A], MAIL)
    assert room.taken == []


async def test_tls_on_a_port_without_it_is_told() -> None:
    """The usual mix-up of 587 and 465."""
    async with smtp(Mailroom()) as port:
        with pytest.raises(Temporary, match="TLS"):
            await relay(port, "smtps", timeout=2).probe()


# --- LMTP --------------------------------------------------------------------------------------------


@asynccontextmanager
async def lmtp(room: Mailroom) -> AsyncIterator[int]:
    async with listening(lambda: LMTP(room, hostname="mail.example.com")) as port:
        yield port


async def test_lmtp_answers_for_each_recipient() -> None:
    """RFC 2033 §4.2: one full mailbox does not hold up its neighbours, and a refused RCPT has no second reply."""
    room = Mailroom(rcpt={A: "550 no such user"}, data="250 ok\r\n452 mailbox full")
    async with lmtp(room) as port:
        await relay(port, "lmtp").probe()
        delivery = await relay(port, "lmtp").send("1", "", [B, A, C], MAIL)
    assert delivery.delivered == (B,)
    assert delivery.refused == {A: Reply(550, "no such user")}
    assert delivery.deferred == {C: Reply(452, "mailbox full")}
    assert room.taken == [(NULL, [B, C], MAIL)]


async def test_lmtp_goes_over_a_unix_socket(tmp_path: Path) -> None:
    """Dovecot's usual place."""
    room, path = Mailroom(), tmp_path / "lmtp"
    server = await asyncio.get_running_loop().create_unix_server(lambda: LMTP(room, hostname="x"), path)
    try:
        assert await Relay.from_url(f"lmtp://{path}").send("1", "", [A], MAIL) == Delivery((A,))
    finally:
        server.close()
    with pytest.raises(Temporary, match=str(path)):
        await Relay.from_url(f"lmtp://{path}/none").probe()


LHLO = ("LHLO", "250-x\r\n250-8BITMIME\r\n250 PIPELINING\r\n")


async def test_lmtp_counts_who_has_it_when_the_connection_ends_between_replies() -> None:
    """Only those without a reply may get it again."""
    script = (LHLO, MAIL_OK, RCPT_OK, RCPT_OK, DATA, (".\r\n", "250 ok\r\n"))
    async with scripted(*script) as port:
        delivery = await relay(port, "lmtp").send("1", "", [A, B], MAIL)
    assert delivery.delivered == (A,)
    assert delivery.deferred[B].code == 451


@pytest.mark.parametrize(
    "script",
    [
        (),
        (("LHLO", "500 what\r\n"),),
        (LHLO,),
        (LHLO, ("MAIL", "421 bye\r\n")),
        (LHLO, ("MAIL", "hello\r\n")),
        (LHLO, ("MAIL", "250-x\r\n" * 300)),
        (LHLO, ("MAIL", "250 " + "x" * 100_000)),
        (LHLO, MAIL_OK, RCPT_OK, DATA),
    ],
)
async def test_an_lmtp_server_in_trouble_is_tried_again(script: Sequence[tuple[str, str]]) -> None:
    """Silence, nonsense and endless replies all end, within their time."""
    async with scripted(*script, rest="silence") as port:
        with pytest.raises(Temporary, match="LMTP"):
            await relay(port, "lmtp", timeout=0.1).send("1", "", [A], MAIL)


async def test_lmtp_refuses_data_for_all() -> None:
    """A reply other than 354 speaks for everybody."""
    async with scripted(LHLO, MAIL_OK, RCPT_OK, RCPT_OK, ("DATA", "554 no\r\n")) as port:
        delivery = await relay(port, "lmtp").send("1", "", [A, B], MAIL)
    assert delivery == Delivery(refused={A: Reply(554, "no"), B: Reply(554, "no")})


# --- Maildir -----------------------------------------------------------------------------------------


async def test_a_maildir_gets_the_mail_once_however_often_it_is_sent(tmp_path: Path) -> None:
    """Made when missing, readable by the standard library, private, and a repeat overwrites."""
    one = Relay.from_url(f"maildir://{tmp_path}/deep/Maildir")
    await one.probe()
    for content in (b"Subject: old\r\n\r\nold\r\n", MAIL):
        assert await one.send("01HF7", "fax@example.com", [A, B], content) == Delivery((A, B))
    (mail,) = mailbox.Maildir(tmp_path / "deep" / "Maildir", create=False)
    assert mail["Return-Path"] == "<fax@example.com>"
    assert mail.get_all("Delivered-To") == [A, B]
    assert mail.get_payload() == MAIL.decode().replace("\r\n", "\n").partition("\n\n")[2]
    (file,) = (tmp_path / "deep" / "Maildir" / "new").iterdir()
    assert file.name == "01HF7.fax-bridge"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "deep" / "Maildir" / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["01HF7.fax-bridge:2,S", "01HF7.fax-bridge,S=120:2,", "01HF7.fax-bridge"])
async def test_a_mail_that_was_read_does_not_come_again(tmp_path: Path, name: str) -> None:
    """The reader has moved it to ``cur`` and hung its flags behind the name."""
    one = Relay.from_url(f"maildir://{tmp_path}")
    await one.send("01HF7", "", [A], MAIL)
    (tmp_path / "new" / "01HF7.fax-bridge").rename(tmp_path / "cur" / name)
    assert await one.send("01HF7", "", [A], MAIL) == Delivery((A,))
    assert list((tmp_path / "new").iterdir()) == []
    await one.send("01HF8", "", [A], MAIL)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["01HF8.fax-bridge"]


async def test_a_maildir_takes_no_header_from_an_address(tmp_path: Path) -> None:
    """Return-Path and Delivered-To are written by hand."""
    one = Relay.from_url(f"maildir://{tmp_path}")
    evil = "a@example.com\nBcc: x@example.com"
    delivery = await one.send("1", "", [evil, A], MAIL)
    assert delivery.delivered == (A,)
    assert list(delivery.refused) == [evil]
    assert list((await one.send("2", evil, [A], MAIL)).refused) == [A]
    assert b"Bcc" not in (tmp_path / "new" / "1.fax-bridge").read_bytes()


async def test_a_maildir_that_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "file").write_text("x")
    one = Relay.from_url(f"maildir://{tmp_path}/file")
    for attempt in (one.probe(), one.send("1", "", [A], MAIL)):
        with pytest.raises(Temporary, match=f"{tmp_path}/file cannot be written"):
            await attempt


async def test_an_outbox_id_cannot_lead_out_of_the_maildir(tmp_path: Path) -> None:
    """Ids are ours; one that is no name is a fault of the program."""
    with pytest.raises(ValueError, match="file name"):
        await Relay.from_url(f"maildir://{tmp_path}/Maildir").send("../x", "", [A], MAIL)


# --- the URL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("smtp://127.0.0.1", "smtp://127.0.0.1:25"),
        ("SMTP://Mail.Example.com:2525/", "smtp://mail.example.com:2525"),
        ("smtp://[::1]:25", "smtp://[::1]:25"),
        ("smtps://user:secret-word@mail.example.com", "smtps://mail.example.com:465"),
        ("smtp+starttls://user:secret-word@mail.example.com", "smtp+starttls://mail.example.com:587"),
        ("lmtp://localhost", "lmtp://localhost:24"),
        ("lmtp:///run/dovecot/lmtp", "lmtp:///run/dovecot/lmtp"),
        ("maildir:///var/mail/fax%20in", "maildir:///var/mail/fax in"),
    ],
)
def test_a_relay_tells_where_it_is_and_no_secret(url: str, where: str) -> None:
    """``str`` and ``repr`` go into logs."""
    one = Relay.from_url(url)
    assert str(one) == where
    assert "secret-word" not in repr(one) + str(one) + repr(one.transport)


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("", "Write smtp://HOST"),
        ("mail.example.com:25", "Write smtp://HOST"),
        ("http://mail.example.com", "Write smtp://HOST"),
        ("smtp:", "Write|write"),
        ("smtp://", "write smtp://HOST:PORT"),
        ("smtp://mail.example.com:99999", "Write smtp://HOST:PORT"),
        ("smtp://mail.example.com:0", "that port cannot be"),
        ("smtp://mail.example.com:smtp", "Write smtp://HOST:PORT"),
        ("smtp://[::1", "IPv6 in"),
        ("smtp://mail.example.com/inbox", "nothing behind it"),
        ("smtp://user:secret-word@mail.example.com", "would show the password"),
        ("smtps://user@mail.example.com", "password is missing"),
        ("smtps://user:secret#word@mail.example.com", "%23"),
        ("smtps://user:secret?word@mail.example.com", "%3F"),
        ("smtps://user:secret/word@mail.example.com", "%2F"),
        ("smtps://user:secret word@mail.example.com", "%20"),
        ("smtps://mail..example.com", "no name of a machine"),
        ("lmtp://mail.example.com:25", "LMTP is never on 25"),
        ("lmtp://", "three slashes"),
        ("maildir://var/mail", "three slashes"),
        ("maildir:///", "three slashes"),
        ("maildir:///var%00/mail", "absolute path"),
    ],
)
def test_a_url_that_cannot_be_says_how_to_write_it_and_no_secret(url: str, mend: str) -> None:
    """It is read at the start, by a person."""
    with pytest.raises(ValueError, match=mend) as fault:
        Relay.from_url(url)
    assert not {"secret", "word@"} & set(str(fault.value).split())
    assert "secret" not in str(fault.value)


@pytest.mark.parametrize(("text", "why"), [(None, "No such file"), ("no certificate", "no certificate in it")])
def test_an_authority_file_that_cannot_be_used_is_told(tmp_path: Path, text: str | None, why: str) -> None:
    """At the start, and not at the first mail."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=f"ca.pem cannot be used: {why}"):
        Relay.from_url("smtps://mail.example.com", ca_file=str(file))
