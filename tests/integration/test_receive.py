"""The SMTP listener over real sockets, with a real client."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
from sqlalchemy import select

from fax_bridge.email_to_fax.receive import listen, port_of
from fax_bridge.settings import Settings
from fax_bridge.store import messages
from fax_bridge.store.schema import fax, message
from fax_bridge.store.store import Store

T = TypeVar("T")
MAIL = b"Subject: Deneme\r\n\r\n.noktayla\r\nMerhaba\r\n"


@pytest.fixture
async def port(settings: Settings, store: Store) -> AsyncIterator[int]:
    server = await listen(settings, store, settings.smtp.listen[0])
    yield port_of(server)
    server.close()
    await asyncio.sleep(0.05)


async def talk(port: int, dialogue: Callable[[smtplib.SMTP], T]) -> T:
    def session() -> T:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            smtp.ehlo("client.example.com")
            return dialogue(smtp)

    return await asyncio.to_thread(session)


async def rcpt(port: int, recipient: str, sender: str = "ayse@example.com") -> tuple[int, bytes]:
    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail(sender)
        return smtp.rcpt(recipient)

    return await talk(port, dialogue)


async def test_a_mail_is_on_disk_before_its_250(port: int, store: Store) -> None:
    """The message, byte for byte, and one fax per number are committed when the client hears 250."""

    def dialogue(smtp: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
        return smtp.sendmail("ayse@example.com", ["902163334455@fax.example.com", "02163334466@fax.example.com"], MAIL)

    assert await talk(port, dialogue) == {}
    async with store.read() as conn:
        row = (await conn.execute(select(message))).one()
        faxes = (await conn.execute(select(fax).order_by(fax.c.number))).all()
        assert await messages.content(conn, row.id) == MAIL
    assert (row.state, row.mail_from, row.client, row.account) == (
        "accepted",
        "ayse@example.com",
        "127.0.0.1",
        "default",
    )
    assert [(one.number, one.state) for one in faxes] == [("902163334455", "queued"), ("902163334466", "queued")]


async def test_two_addresses_of_one_number_are_one_fax(port: int, store: Store) -> None:
    """Two RCPTs that normalise to one number must not fax twice; both addresses are kept for the report."""

    def dialogue(smtp: smtplib.SMTP) -> None:
        smtp.sendmail("ayse@example.com", ["902163334455@fax.example.com", "0216-333-4455@faks.example.com"], MAIL)

    await talk(port, dialogue)
    async with store.read() as conn:
        (only,) = (await conn.execute(select(fax))).all()
    assert only.recipients == ["902163334455@fax.example.com", "0216-333-4455@faks.example.com"]


@pytest.mark.parametrize(
    ("recipient", "code", "words"),
    [
        ("902163334455@fax.example.com", 250, b"2.1.5"),
        ("902163334455@FAX.EXAMPLE.COM", 250, b"2.1.5"),
        ("112@fax.example.com", 550, b'5.1.3 "112" is not a possible number: too short'),
        ("ayse@fax.example.com", 550, b"5.1.3"),
        ("902163334455@example.org", 550, b"5.1.2"),
    ],
)
async def test_a_recipient_is_judged_at_rcpt_with_the_reason(
    port: int, recipient: str, code: int, words: bytes
) -> None:
    """A refusal in the dialogue needs no bounce, so there is no backscatter."""
    answer = await rcpt(port, recipient)
    assert answer[0] == code
    assert words in answer[1]


@pytest.mark.parametrize("sender", ["mallory@example.org", "", "far@example.net", "ayse@notexample.com"])
async def test_nobody_sends_who_may_not(port: int, sender: str) -> None:
    """No entry, the null sender, an entry for another network, a domain that only ends alike: 550 5.7.1."""
    answer = await rcpt(port, "902163334455@fax.example.com", sender)
    assert answer[0] == 550
    assert answer[1].startswith(b"5.7.1")


async def test_a_refused_sender_learns_nothing_of_the_recipients(port: int) -> None:
    """The same reply for a good and a bad number, until admission is decided."""
    good = await rcpt(port, "902163334455@fax.example.com", "mallory@example.org")
    bad = await rcpt(port, "nobody@example.org", "mallory@example.org")
    assert good == bad


async def test_a_store_that_cannot_commit_answers_451_and_the_client_keeps_the_mail(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A fault of ours is never a permanent refusal, and shows none of our insides."""
    store = await Store.open(f"sqlite:///{tmp_path_factory.mktemp('db')}/broken.db")
    server = await listen(settings, store, settings.smtp.listen[0])

    async def breaks(tx: object) -> None:
        await tx.conn.exec_driver_sql("DROP TABLE fax_event")  # type: ignore[attr-defined]  # Tx

    await store.write(breaks)

    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail("ayse@example.com")
        smtp.rcpt("902163334455@fax.example.com")
        return smtp.data(MAIL)

    answer = await talk(port_of(server), dialogue)
    async with store.read() as conn:
        assert (await conn.execute(select(message))).all() == []
    server.close()
    await store.close()
    assert answer == (451, b"4.3.0 local error, try again later")


async def test_a_mail_that_is_too_large_is_refused(port: int) -> None:
    """By its declared size at MAIL already, and by what really comes."""
    declared = await talk(port, lambda smtp: smtp.mail("ayse@example.com", ["SIZE=999999"]))
    assert declared[0] == 552

    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail("ayse@example.com")
        smtp.rcpt("902163334455@fax.example.com")
        return smtp.data(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 4000)

    assert (await talk(port, dialogue))[0] == 552


async def test_recipients_beyond_the_limit_are_put_off(port: int) -> None:
    """RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another mail."""

    def dialogue(smtp: smtplib.SMTP) -> list[int]:
        smtp.mail("ayse@example.com")
        return [smtp.rcpt(f"90216333{n:04d}@fax.example.com")[0] for n in range(101)]

    codes = await talk(port, dialogue)
    assert codes == [250] * 100 + [452]
