"""``dmarc = true``: mails from a real client, real signatures, a real name server; what is admitted and what is not."""

import asyncio
import smtplib
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import dkim
import pytest
from sqlalchemy import func, select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen, UnixSocket
from fax_bridge.settings import Settings
from fax_bridge.store.schema import message
from fax_bridge.store.store import Store
from tests.dns_server import Zone, name_server
from tests.integration.conftest import SETTINGS
from tests.tools import tool

FAX = "902163334455@fax.example.com"
BAD_NUMBER = "112@fax.example.com"
MORE = """
[[senders]]
match = "director@bank.example"
dmarc = true
[[senders]]
match = "*@bank.example"
dmarc = true
"""
Send = Callable[..., str]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """A DKIM key: the private half in PEM, the record of the public one."""
    file = tmp_path_factory.mktemp("dkim") / "key.pem"
    subprocess.run([tool("openssl"), "genrsa", "-traditional", "-out", file, "2048"], check=True, capture_output=True)
    public = subprocess.run(
        [tool("openssl"), "rsa", "-in", file, "-pubout", "-outform", "PEM"], check=True, capture_output=True, text=True
    ).stdout
    return file.read_bytes(), "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])


@pytest.fixture
async def zone(key: tuple[bytes, str]) -> AsyncIterator[Zone]:
    """bank.example publishes DMARC, an SPF record that this machine is not in, and a DKIM key."""
    async with name_server() as zone:
        zone.text("_dmarc.bank.example", "v=DMARC1; p=none")
        zone.text("bank.example", "v=spf1 ip4:192.0.2.1 -all")
        zone.text("k._domainkey.bank.example", key[1])
        yield zone


@pytest.fixture
def settings(tmp_path: Path, zone: Zone) -> Settings:
    return settings_with(tmp_path, zone)


def settings_with(directory: Path, zone: Zone, smtp: str = "") -> Settings:
    path = directory / "dmarc.toml"
    smtp = f'[smtp]\ndns_servers = ["{zone.where}"]\ndns_timeout = "2s"\n{smtp}'
    path.write_text(SETTINGS.format(dir=directory).replace("[smtp]\n", smtp) + MORE)
    return load(path)


@pytest.fixture
async def send(settings: Settings, store: Store) -> AsyncIterator[Send]:
    """Hands a mail in; the last reply, or the first that refuses."""
    intake = Intake(settings, store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
    yield lambda mail, **envelope: hand_in(port, mail, **envelope)
    await intake.stop(grace=1)


def hand_in(port: int, mail: bytes, *, mail_from: str = "ayse@bank.example", to: tuple[str, ...] = (FAX,)) -> str:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo("client.example.com")
        smtp.mail(mail_from)
        for one in to:
            code, words = smtp.rcpt(one)
            if code != 250:
                return f"{code} {words.decode()}"
        code, words = smtp.data(mail)
        return f"{code} {words.decode()}"


def mail_from(author: str = "Ayşe <ayse@bank.example>", to: str = FAX, more: str = "") -> bytes:
    author = author.replace("Ayşe", "=?utf-8?q?Ay=C5=9Fe?=")
    return f"From: {author}\r\nTo: {to}\r\nSubject: Deneme\r\n{more}\r\nMerhaba\r\n".encode()


def signed_with(key: tuple[bytes, str], mail: bytes, domain: bytes = b"bank.example", **asked: object) -> bytes:
    headers = asked.pop("include_headers", [b"from", b"to", b"subject"])
    return bytes(dkim.sign(mail, b"k", domain, key[0], include_headers=headers, **asked)) + mail


async def test_spf_of_the_senders_domain_admits(send: Send, zone: Zone, store: Store) -> None:
    """The client is one of those that the domain names, and From is of that domain."""
    zone.text("bank.example", "v=spf1 ip4:127.0.0.0/8 -all")
    assert (await asyncio.to_thread(send, mail_from())).startswith("250 2.0.0")
    async with store.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(message))).scalar() == 1


async def test_a_signature_of_the_senders_domain_admits(send: Send, key: tuple[bytes, str]) -> None:
    """Without SPF, because the mail was forwarded, DKIM is enough where the recipient is in the signed To."""
    assert (await asyncio.to_thread(send, signed_with(key, mail_from()))).startswith("250 2.0.0")


async def test_a_large_signed_mail_is_read_back_whole(send: Send, key: tuple[bytes, str], settings: Settings) -> None:
    """A mail that did not fit into memory is on disk by then; the signature covers all of it."""
    mail = mail_from() + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 2000
    assert len(mail) < settings.smtp.max_message_bytes
    assert (await asyncio.to_thread(send, signed_with(key, mail))).startswith("250 2.0.0")
    broken = signed_with(key, mail)[:-3] + b"z\r\n"
    assert (await asyncio.to_thread(send, broken)).startswith("550 5.7.26")


async def test_a_good_mail_that_is_sent_again_to_somebody_else_is_refused(
    send: Send, key: tuple[bytes, str], store: Store
) -> None:
    """Whoever has a signed mail could fax it to any number at the signer's cost: the recipient has to be signed too."""
    replayed = signed_with(key, mail_from(to="somebody@elsewhere.example"))
    assert "each recipient has to be in a signed To or Cc" in await asyncio.to_thread(send, replayed)
    unsigned_to = signed_with(key, mail_from(), include_headers=[b"from", b"subject"])
    assert "each recipient has to be in a signed To or Cc" in await asyncio.to_thread(send, unsigned_to)
    for field in (b"To", b"Cc"):  # a signature covers the last field of a name, and is good with another above it
        signed = signed_with(key, mail_from(more="Cc: x@bank.example\r\n"), include_headers=[b"from", b"to", b"cc"])
        above = field + b": 902163334466@fax.example.com\r\n" + signed
        answer = await asyncio.to_thread(send, above, to=("902163334466@fax.example.com",))
        assert answer.startswith("550 5.7.26")
        assert "a field of the header is there twice" in answer
    one_more = signed_with(key, mail_from())
    to = (FAX, "902163334466@fax.example.com")
    assert (await asyncio.to_thread(send, one_more, to=to)).startswith("550 5.7.26")
    async with store.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(message))).scalar() == 0


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        (mail_from(), "neither SPF nor DKIM"),
        (mail_from("mallory@evil.example"), "From is not the sender"),
        (mail_from("ayse@bank.example, mallory@bank.example"), "From does not hold one address"),
        (mail_from().replace(b"Subject:", b"From: mallory@bank.example\r\nSubject:"), "From does not hold one address"),
        (mail_from().replace(b"From: ", b"X-From: "), "From does not hold one address"),
        (mail_from("ayse"), "From does not hold one address"),
        (mail_from("friends: ayse@bank.example, veli@bank.example;"), "From does not hold one address"),
        (b"no header at all\r\n", "From does not hold one address"),
        (b"X: " + b"x" * 300_000, "552"),
    ],
)
async def test_a_mail_that_proves_nothing_is_refused_with_the_reason(send: Send, mail: bytes, why: str) -> None:
    """550 5.7.26 after the mail (RFC 7372), and nothing is kept."""
    answer = await asyncio.to_thread(send, mail)
    assert why in answer
    assert answer[0] == "5"


async def test_a_colleague_is_not_the_sender_that_the_entry_names(send: Send, zone: Zone) -> None:
    """The domain proves itself, not the person: From has to fit the entry as the envelope sender does."""
    zone.text("bank.example", "v=spf1 ip4:127.0.0.0/8 -all")
    envelope = {"mail_from": "director@bank.example"}
    answer = await asyncio.to_thread(lambda: send(mail_from("veli@bank.example"), **envelope))
    assert answer.startswith("550 5.7.26")
    assert "From is not the sender" in answer
    answer = await asyncio.to_thread(lambda: send(mail_from("director@bank.example"), **envelope))
    assert answer.startswith("250 2.0.0")


async def test_another_domains_proof_is_no_proof(send: Send, zone: Zone, key: tuple[bytes, str]) -> None:
    """A stranger's good signature and SPF say nothing of the domain in From; nor does a neighbour below com.tr."""
    zone.text("k._domainkey.evil.example", key[1])
    zone.text("_dmarc.evil.example", "v=DMARC1; p=none")
    mail = signed_with(key, mail_from(), b"evil.example")
    assert "neither SPF nor DKIM" in await asyncio.to_thread(send, mail)


@pytest.mark.parametrize(
    ("record", "code"), [("v=DMARC1; p=none", "250"), ("v=DMARC1; p=none; adkim=s", "550"), ("v=DMARC2", "550")]
)
async def test_a_subdomains_signature_counts_unless_the_record_is_strict(
    send: Send, zone: Zone, key: tuple[bytes, str], record: str, code: str
) -> None:
    """Alignment is relaxed by default (RFC 7489 §3.1.1), and without a record nothing is proven."""
    zone.text("_dmarc.bank.example", record)
    zone.text("k._domainkey.mail.bank.example", key[1])
    mail = signed_with(key, mail_from(), b"mail.bank.example")
    assert (await asyncio.to_thread(send, mail)).startswith(code)


async def test_a_signature_over_a_part_of_the_body_proves_nothing(send: Send, key: tuple[bytes, str]) -> None:
    """With l= anybody could add pages at the end."""
    mail = signed_with(key, mail_from(), length=True) + b"one more page\r\n"
    assert "neither SPF nor DKIM" in await asyncio.to_thread(send, mail)


@pytest.mark.parametrize("trouble", ["broken", "silent"])
@pytest.mark.parametrize("name", ["_dmarc.bank.example", "bank.example", "k._domainkey.bank.example"])
async def test_a_dns_that_does_not_answer_puts_the_mail_off(
    send: Send, zone: Zone, key: tuple[bytes, str], name: str, trouble: str
) -> None:
    """451, within smtp.dns_timeout: the client comes again. What is certain already is not put off."""
    getattr(zone, trouble).add(name)
    mail = mail_from() if name == "bank.example" else signed_with(key, mail_from())
    began = time.monotonic()
    assert (await asyncio.to_thread(send, mail)).startswith("451 4.7.0")
    assert time.monotonic() - began < 6


async def test_other_sessions_go_on_while_the_dns_is_silent(send: Send, zone: Zone) -> None:
    """The checks run off the event loop."""
    zone.silent.add("_dmarc.bank.example")
    waiting = asyncio.create_task(asyncio.to_thread(send, mail_from()))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    answer = await asyncio.to_thread(send, mail_from("ayse@example.com"), mail_from="ayse@example.com")
    assert answer.startswith("250 2.0.0")
    assert time.monotonic() - began < 1
    assert (await waiting).startswith("451")


async def test_recipients_hear_the_same_until_the_sender_is_proven(
    send: Send, settings: Settings, store: Store, zone: Zone
) -> None:
    """A good number and a bad one get one form of reply; the bad one's reason comes after the proof, and only then."""
    intake = Intake(settings, store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))

    def replies() -> list[tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
            smtp.ehlo("client.example.com")
            smtp.mail("ayse@bank.example")
            return [smtp.rcpt(FAX), smtp.rcpt(BAD_NUMBER), smtp.rcpt("nobody@elsewhere.example")]

    good, bad, elsewhere = await asyncio.to_thread(replies)
    await intake.stop(grace=1)
    assert good == bad
    assert elsewhere[0] == 550
    assert (await asyncio.to_thread(send, mail_from(), to=(BAD_NUMBER,))).startswith("550 5.7.26")
    zone.text("bank.example", "v=spf1 ip4:127.0.0.0/8 -all")
    assert (await asyncio.to_thread(send, mail_from(), to=(FAX, BAD_NUMBER))).startswith("550 5.1.3")


async def test_only_entries_that_need_it_ask_the_dns(send: Send, zone: Zone) -> None:
    """A sender on the site's own network costs no lookup."""
    answer = await asyncio.to_thread(send, mail_from("ayse@example.com"), mail_from="ayse@example.com")
    assert answer.startswith("250 2.0.0")
    assert zone.asked == []


TOLD = 'trusted_authserv_id = "mx.example.com"\ntrusted_authserv_from = ["127.0.0.0/8"]\n'
PASS = "Authentication-Results: mx.example.com; dmarc=pass (p=none dis=none) header.from=bank.example\r\n"
FAIL = "Authentication-Results: mx.example.com; dmarc=fail header.from=bank.example\r\n"
SPF_PASS = "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=ayse@bank.example\r\n"


@pytest.mark.parametrize(
    ("results", "to", "code"),
    [
        (PASS, FAX, "250"),
        (PASS, "somebody@elsewhere.example", "550"),
        (SPF_PASS + PASS, "somebody@elsewhere.example", "250"),
        (FAIL + PASS, FAX, "550"),  # the topmost is the trusted server's own
        (PASS.replace("mx.example.com", "mx.evil.example"), FAX, "550"),
        (PASS.replace("header.from=bank.example", "header.from=evil.example"), FAX, "550"),
        (PASS.replace("header.from=bank.example", ""), FAX, "550"),
        (PASS.replace("dmarc=pass", "dmarc=temperror"), FAX, "451"),
        ("Authentication-Results: ;;;\r\n", FAX, "550"),
        ("", FAX, "550"),
    ],
)
async def test_a_trusted_servers_own_word_is_taken(
    tmp_path: Path, zone: Zone, store: Store, results: str, to: str, code: str
) -> None:
    """Its Authentication-Results, and no one else's; the DNS is not asked."""
    intake = Intake(settings_with(tmp_path, zone, TOLD), store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
    answer = await asyncio.to_thread(hand_in, port, results.encode() + mail_from(to=to))
    await intake.stop(grace=1)
    assert answer.startswith(code), answer
    assert zone.asked == []


SIGNED = "DKIM-Signature: v=1; a=rsa-sha256; d={}; s=k;\r\n h=from : {};\r\n bh=x; b=y\r\n"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (SIGNED.format("bank.example", "To"), "250"),
        (SIGNED.format("bank.example", "subject"), "550"),
        # The one that was good cannot be told from one that was added.
        (SIGNED.format("bank.example", "to:cc") + SIGNED.format("mail.bank.example", "subject"), "550"),
        (SIGNED.format("bank.example", "to") + SIGNED.format("relay.example", "subject"), "250"),
        (SIGNED.format("bank.example", "to") + "To: somebody@elsewhere.example\r\n", "550"),
    ],
)
async def test_a_trusted_servers_word_holds_for_the_recipients_that_the_author_signed(
    tmp_path: Path, zone: Zone, store: Store, fields: str, code: str
) -> None:
    """It tells of a good signature, and not of what that covers; a signed mail without a signed To could be faxed to
    any number by anybody who has it."""
    intake = Intake(settings_with(tmp_path, zone, TOLD), store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
    answer = await asyncio.to_thread(hand_in, port, (PASS + fields).encode() + mail_from())
    await intake.stop(grace=1)
    assert answer.startswith(code), answer


async def test_a_signature_proves_a_mail_that_comes_by_the_unix_socket_too(
    tmp_path: Path, zone: Zone, key: tuple[bytes, str], store: Store
) -> None:
    """There is no address for SPF to look at; that is no fault of ours, or the mail would be put off for days."""
    settings = settings_with(tmp_path, zone)
    path = tmp_path / "unix.toml"
    path.write_text((tmp_path / "dmarc.toml").read_text().replace("dmarc = true", 'networks = ["unix"]\ndmarc = true'))
    settings = load(path)
    intake = Intake(settings, store)
    await intake.listen_lmtp(UnixSocket(path=tmp_path / "s"))

    def hand_over(mail: bytes) -> str:
        with smtplib.LMTP(str(tmp_path / "s")) as lmtp:
            lmtp.timeout = 20
            lmtp.ehlo("client.example.com")
            lmtp.mail("ayse@bank.example")
            lmtp.rcpt(FAX)
            code, words = lmtp.data(mail)
            return f"{code} {words.decode()}"

    try:
        assert (await asyncio.to_thread(hand_over, signed_with(key, mail_from()))).startswith("250 2.0.0")
        assert (await asyncio.to_thread(hand_over, mail_from())).startswith("550 5.7.26")
    finally:
        await intake.stop(grace=1)


async def test_the_same_words_from_anywhere_else_mean_nothing(tmp_path: Path, zone: Zone, store: Store) -> None:
    """Anybody can write the field: what counts is who hands the mail over."""
    elsewhere = TOLD.replace("127.0.0.0/8", "192.0.2.0/24")
    intake = Intake(settings_with(tmp_path, zone, elsewhere), store)
    port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
    answer = await asyncio.to_thread(hand_in, port, (SPF_PASS + PASS).encode() + mail_from())
    await intake.stop(grace=1)
    assert answer.startswith("550 5.7.26")
