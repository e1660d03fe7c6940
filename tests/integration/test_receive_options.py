"""Options in the address of a recipient, over a real socket: understood at RCPT, or refused there."""

import smtplib
from collections.abc import AsyncIterator
from functools import partial

import pytest
from sqlalchemy import select

from fax_bridge.email_to_fax.option_values import COVER
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.fax import now
from fax_bridge.settings import Settings
from fax_bridge.store.schema import fax
from fax_bridge.store.store import Store
from tests.integration.test_receive import MAIL, rcpt, talk

NUMBER = "902163334455"
KNOWN = "normal, fine, superfine, a4, letter, legal, cover, nocover, again, at=, res=, paper=, cover=, cli="


@pytest.fixture
async def port(settings: Settings, store: Store) -> AsyncIterator[int]:
    intake = Intake(settings, store)
    yield await intake.listen_smtp(settings.smtp.listen[0])
    await intake.stop(grace=1)


async def test_a_time_to_send_at_is_kept_with_its_fax(port: int, store: Store) -> None:
    """Per recipient; in any case, and with the colon that an address should quote."""
    addresses = {
        f'"{NUMBER}+at=23:59"': True,
        "902163334466+AT=2359": True,
        "902163334488+at=23:59": True,
        "902163334477": False,
    }

    def dialogue(smtp: smtplib.SMTP) -> list[int]:
        smtp.mail("ayse@example.com")
        codes = [smtp.docmd("RCPT", f"TO:<{local}@fax.example.com>")[0] for local in addresses]
        assert smtp.data(MAIL)[0] == 250
        return codes

    assert await talk(port, dialogue) == [250, 250, 250, 250]
    async with store.read() as conn:
        rows = {row.number: row for row in (await conn.execute(select(fax))).all()}
    day = 86_400_000
    for number in (NUMBER, "902163334466", "902163334488"):
        assert now() - 1000 < rows[number].send_at <= now() + day
        assert rows[number].send_at % 60_000 == 0 or rows[number].send_at <= now()
    assert rows["902163334477"].send_at is None


@pytest.mark.parametrize(
    ("local", "reply"),
    [
        (f"{NUMBER}+at=8", '550 5.1.3 "8" is no time to send at; write 0800 or 2026-11-26T0800'),
        (f"{NUMBER}+at=2199-01-01T0800", '550 5.1.3 "2199-01-01T0800" is more than 30 days ahead'),
        (f"{NUMBER}+fast", f'550 5.1.3 "+fast" is no option; there are {KNOWN}'),
        (f"{NUMBER}+fast=1", f'550 5.1.3 "+fast=1" is no option; there are {KNOWN}'),
        (f"{NUMBER}+res=best", '550 5.1.3 "best" is no resolution; write normal, fine, superfine'),
        (f"{NUMBER}+paper=a3", '550 5.1.3 "a3" is no paper; write A4, letter, legal'),
        (f"{NUMBER}+cover=maybe", f'550 5.1.3 "maybe" says nothing of the cover; write {", ".join(COVER)}'),
        (f"{NUMBER}+a4+letter", '550 5.1.3 "paper" is there twice'),
        (f"{NUMBER}+cli=x", '550 5.1.3 the number to be shown: "x" is not a telephone number'),
        (f"{NUMBER}+cli=902169999999", "550 5.7.1 this sender may not show the number 902169999999"),
        (f"FAX=+{NUMBER}/T33S=12", '550 5.1.3 "/T33S=12" cannot be told to FaxMAX; write FAX=NUMBER without it'),
        (f"fax={NUMBER}/ISUB=7", '550 5.1.3 "/ISUB=7" cannot be told to FaxMAX; write FAX=NUMBER without it'),
        (
            "book-7",
            "550 5.7.1 this sender may not use what is kept at FaxMAX; ask the administrator for books = true",
        ),
        (f"{NUMBER}+at=0800+at=0900", '550 5.1.3 "at" is there twice'),
        ("hello+at=0800", '550 5.1.3 "hello" is not a telephone number'),
    ],
)
async def test_what_cannot_be_granted_is_refused_with_what_to_write(port: int, local: str, reply: str) -> None:
    """At RCPT: the sender hears it at once, and the other recipients are not held up."""
    code, text = await rcpt(port, f"{local}@fax.example.com")
    assert f"{code} {text.decode()}" == reply


async def test_one_number_with_two_wishes_in_one_mail_is_refused_the_second_time(port: int, store: Store) -> None:
    """It is one fax and can go at one time only; the same wish twice is no question."""

    def dialogue(smtp: smtplib.SMTP) -> list[tuple[int, bytes]]:
        smtp.mail("ayse@example.com")
        locals_ = (f"{NUMBER}+at=0800", "02163334455+at=08:00", f"{NUMBER}+at=0900", NUMBER)
        replies = [smtp.rcpt(f'"{local}"@fax.example.com') for local in locals_]
        assert smtp.data(MAIL)[0] == 250
        return replies

    replies = await talk(port, dialogue)
    assert [code for code, _ in replies] == [250, 250, 550, 550]
    assert b"5.1.4 this mail has the number already, with other options" in replies[2][1]
    async with store.read() as conn:
        (row,) = (await conn.execute(select(fax))).all()
    assert len(row.recipients) == 2


async def test_the_same_mail_for_another_time_is_no_repeat(port: int, store: Store) -> None:
    """A relay that splits recipients sends the same bytes twice; with the same wish it is a repeat, as ever."""
    mail = b"Message-ID: <one@example.com>\r\n" + MAIL

    def send(smtp: smtplib.SMTP, wish: str) -> bytes:
        smtp.mail("ayse@example.com")
        smtp.rcpt(f"{NUMBER}{wish}@fax.example.com")
        return smtp.data(mail)[1]

    replies = [await talk(port, partial(send, wish=wish)) for wish in ("+at=0800", "+AT=0800", "+at=0900", "")]
    assert [b"repeat" in reply for reply in replies] == [False, True, False, False]
    async with store.read() as conn:
        assert len((await conn.execute(select(fax))).all()) == 3


async def test_recipients_of_one_mail_have_one_paper_and_else_their_own_options(port: int, store: Store) -> None:
    """The document is laid out for it; resolution, cover and calling number are each fax's own."""

    def dialogue(smtp: smtplib.SMTP) -> list[tuple[int, bytes]]:
        smtp.mail("ayse@example.com")
        locals_ = (
            f"{NUMBER}+a4+fine",
            "902163334466+paper=a4+nocover",
            "902163334477+letter",
            "902163334488",
            "list+A4",
        )
        replies = [smtp.rcpt(f"{local}@fax.example.com") for local in locals_]
        assert smtp.data(MAIL)[0] == 250
        return replies

    replies = await talk(port, dialogue)
    assert [code for code, _ in replies] == [250, 250, 550, 550, 250]
    assert b"5.1.4 the document of a mail has one paper" in replies[2][1]
    assert replies[4][1] == b"2.1.5 fax to list"
    async with store.read() as conn:
        rows = {row.number or row.target: row.options for row in (await conn.execute(select(fax))).all()}
    assert rows == {
        NUMBER: {"resolution": "fine", "paper_size": "A4"},
        "902163334466": {"paper_size": "A4", "cover": "off"},
        "list": {"paper_size": "A4"},
    }


async def test_lists_that_are_switched_off_are_refused_at_rcpt(settings: Settings, store: Store) -> None:
    """reading.most_listed = 0."""
    without = settings.model_copy(update={"reading": settings.reading.model_copy(update={"most_listed": 0})})
    intake = Intake(without, store)
    port = await intake.listen_smtp(settings.smtp.listen[0])
    try:
        code, text = await rcpt(port, "list@fax.example.com")
    finally:
        await intake.stop(grace=1)
    assert (code, text) == (550, b"5.1.1 distribution lists are not used here; write the numbers as recipients")
