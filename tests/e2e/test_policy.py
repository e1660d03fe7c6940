"""Where to and how much, from the mail to the report; and what the audit log has of it."""

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.e2e.conftest import Bridge, bridge_in, until
from tests.e2e.test_cli import said
from tests.e2e.test_operator import command

ONCE = '[duplicates]\nwithin = "1h"\n'


def again(note: EmailMessage, number: int) -> EmailMessage:
    """The same document in a mail of its own."""
    mail = EmailMessage()
    for name in ("From", "Subject"):
        mail[name] = note[name]
    mail["Message-ID"] = f"<again-{number}@example.com>"
    mail.set_content(note.get_content())
    return mail


async def states(bridge: Bridge) -> list[str]:
    return sorted(fax["state"] for fax in await bridge.faxes())


def words_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


async def waited(bridge: Bridge, *expected: str) -> None:
    async def look() -> bool | None:
        return (await states(bridge)) == sorted(expected) or None

    await until(look)


async def test_the_same_document_again_is_held_and_its_sender_asked(tmp_path: Path, note: EmailMessage) -> None:
    """Released it goes, with its report; and the audit log names who released it."""
    async with bridge_in(tmp_path, more=ONCE) as bridge:
        await bridge.send(note, "902163330000")
        await waited(bridge, "delivered")
        await bridge.send(again(note, 1), "902163330000", "902163331000")
        await waited(bridge, "delivered", "delivered", "held")
        (held,) = [fax for fax in await bridge.faxes() if fax["state"] == "held"]
        assert held["number"] == "902163330000"

        async def question() -> EmailMessage | None:
            found = [mail for mail in bridge.mails("ayse@example.com") if "Bekletiliyor" in str(mail["Subject"])]
            return found[0] if found else None

        asked = await until(question)
        assert f"fax-bridge faxes release {held['id']}" in words_of(asked)
        assert (await command(bridge, "faxes", "release", held["id"])).returncode == 0
        await waited(bridge, "delivered", "delivered", "delivered")
        lines = said(await command(bridge, "audit", "--json"))
        acts = sorted(line["act"] for line in lines)
        assert acts == ["accepted", "accepted", "document", "document", "held", "release"]
        released = next(line for line in lines if line["act"] == "release")
        document = next(line for line in lines if line["act"] == "document")
        assert (released["about"], released["to"]) == (held["id"], ["902163330000"])
        assert released["sha256"] == document["sha256"] == (await bridge.fax(held["id"]))["sha256"]
        accepted = next(line for line in lines if line["act"] == "accepted")
        assert accepted["by_right"] == 'senders "*@example.com", from 127.0.0.1'
        assert len(said(await command(bridge, "audit", "--json", "--act", "release", "--to", "+90 216"))) == 1
        assert "ayse@example.com" in (await command(bridge, "audit")).stdout
        assert (await command(bridge, "audit", "--act", "nonsense")).returncode == 1


async def test_who_says_again_is_not_asked(tmp_path: Path, note: EmailMessage) -> None:
    """In the address for that recipient, in the subject for all; the held mail tells how, ready to be copied."""
    async with bridge_in(tmp_path, more=ONCE) as bridge:
        await bridge.send(note, "902163330000", "902163331000")
        await waited(bridge, "delivered", "delivered")
        await bridge.send(again(note, 1), "902163330000+again", "902163331000")
        await waited(bridge, "delivered", "delivered", "delivered", "held")
        asked = await until(lambda: _mail_with(bridge, "Bekletiliyor"))
        assert "902163331000+again@fax.example.com" in words_of(asked)
        assert "[fax: again]" in words_of(asked)
        third = again(note, 2)
        third.replace_header("Subject", f"{note['Subject']} [fax: again]")
        await bridge.send(third, "902163330000", "902163331000")
        await waited(bridge, *["delivered"] * 5, "held")


async def test_one_book_is_not_another_to_the_guard_against_duplicates(tmp_path: Path, note: EmailMessage) -> None:
    """Neither has a number that we know; the same book again is asked about."""
    books = '[[senders]]\nmatch = "erp@example.net"\nnetworks = ["127.0.0.0/8"]\nbooks = true\n'
    async with bridge_in(tmp_path, more=books + ONCE) as bridge:

        async def held() -> bool | None:
            return sum(fax["state"] == "held" for fax in await bridge.faxes()) == 1 or None

        for number, book in enumerate(("contact-1", "contact-2", "contact-1")):
            await bridge.send(again(note, number), book, sender="erp@example.net")

            async def made() -> bool | None:
                return all(fax["state"] != "queued" for fax in await bridge.faxes()) or None

            await until(made)
        await until(held)

        async def told() -> list[EmailMessage] | None:
            return [one for one in bridge.mails("erp@example.net") if "Bekletiliyor" in str(one["Subject"])] or None

        (asked,) = await until(told)
        assert "contact-1+again@fax.example.com" in words_of(asked)
        lines = said(await command(bridge, "audit", "--json"))
        assert sorted(to for line in lines for to in line["to"] if line["act"] != "held") == sorted(
            ["contact-1", "contact-2", "contact-1", "contact-1", "contact-2"]
        )


async def test_a_resend_by_the_operator_is_never_asked_about(tmp_path: Path, note: EmailMessage) -> None:
    """It is what the operator says it is."""
    async with bridge_in(tmp_path, more=ONCE) as bridge:
        await bridge.send(note, "902163330000")
        await waited(bridge, "delivered")
        (fax,) = await bridge.faxes()
        assert (await command(bridge, "faxes", "resend", fax["id"])).returncode == 0
        await waited(bridge, "delivered", "delivered")


async def test_one_that_failed_is_no_reason_to_ask_and_a_robot_never_is(tmp_path: Path, note: EmailMessage) -> None:
    """Sent again after "busy" it goes; a program that sends the same page each hour means it."""
    robot = '[[senders]]\nmatch = "erp@example.net"\nnetworks = ["127.0.0.0/8"]\nrobot = true\n'
    async with bridge_in(tmp_path, more=robot + ONCE) as bridge:
        await bridge.send(note, "902163330001")
        await waited(bridge, "failed")
        await bridge.send(again(note, 1), "902163330001")
        await waited(bridge, "failed", "failed")
        for number in (2, 3):
            await bridge.send(again(note, number), "902163330000", sender="erp@example.net")
        await waited(bridge, "failed", "failed", "delivered", "delivered")


async def test_pages_over_the_limit_wait_for_their_turn_and_their_sender_is_told(
    tmp_path: Path, note: EmailMessage
) -> None:
    """One page of a mail goes; two pages of the next wait until there is room, and the operator can send them."""
    more = '[[limits]]\nper = "sender"\npages = 2\nwithin = "10h"\n'
    async with bridge_in(tmp_path, more=more) as bridge:
        await bridge.send(note, "902163330000")
        await waited(bridge, "delivered")
        await bridge.send(again(note, 1), "902163331000", "902163332000")
        told = await until(lambda: _mail_with(bridge, "bekliyor"))
        assert "2 sayfanız sırasını bekliyor" in words_of(told)
        await waited(bridge, "delivered", "queued", "queued")
        waiting = [fax for fax in await bridge.faxes() if fax["state"] == "queued"]
        assert all(fax["not_before"] for fax in waiting)
        assert any("pages are limited" in step["note"] for step in (await bridge.fax(waiting[0]["id"]))["events"])
        for fax in waiting:
            assert (await command(bridge, "faxes", "retry", fax["id"])).returncode == 0
        await waited(bridge, "delivered", "delivered", "delivered")


async def test_pages_that_never_fit_are_refused_with_a_report(tmp_path: Path, note: EmailMessage) -> None:
    """At once, rather than after a wait that has no end."""
    more = '[[limits]]\nper = "site"\npages = 1\nwithin = "day"\n'
    async with bridge_in(tmp_path, more=more) as bridge:
        await bridge.send(note, "902163331000", "902163332000")
        report = await bridge.mail("ayse@example.com")
        assert "buradan bir kerede fakslanabilecek sayfadan fazlası var" in words_of(report)
        assert await states(bridge) == ["failed", "failed"]


def listing(note: EmailMessage, number: int, *lines: str) -> EmailMessage:
    """The note with a list attached."""
    mail = again(note, number)
    mail.add_attachment("\n".join(lines).encode(), maintype="text", subtype="plain", filename="distribution-list.txt")
    return mail


LISTS = """
[reading]
most_listed = 50
[[senders]]
match = "few@example.net"
networks = ["127.0.0.0/8"]
max_recipients = 3
deny = ["9021644"]
[[limits]]
match = "few@example.net"
per = "sender"
faxes = 4
within = "1h"
[[limits]]
match = "few@example.net"
per = "destination"
faxes = 1
within = "1h"
"""


@pytest.mark.parametrize(
    ("to", "lines", "words"),
    [
        (("list",), ("902164410000", "902163330000"), "no fax of yours may go to +90 216 441 00 00"),
        (("list",), ("09001234567",), "premium-rate numbers"),
        (("list",), ("preview+902163330000",), "a list holds numbers only"),
        (("902163335000", "902163336000"), ("902163330000", "902163331000"), "4 > 3"),
        (("902163335000", "list"), ("902163330000", "902163331000", "902163332000"), "4 > 3"),
    ],
)
async def test_a_list_opens_nothing_that_an_address_does_not(
    tmp_path: Path, note: EmailMessage, to: tuple[str, ...], lines: tuple[str, ...], words: str
) -> None:
    """What its sender may not write as a recipient no line of a list does for them: nothing of the mail goes."""
    async with bridge_in(tmp_path, more=LISTS) as bridge:
        await bridge.send(listing(note, 1, *lines), *to, sender="few@example.net")
        report = await bridge.mail("few@example.net")
        assert words in words_of(report)
        assert set(await states(bridge)) == {"failed"}


async def test_the_faxes_of_a_list_count_as_those_of_addresses_do(tmp_path: Path, note: EmailMessage) -> None:
    """Each once, that to list@ being the first of them; over a limit nothing of the mail goes. Previews are no faxes;
    the audit log has all of it."""
    async with bridge_in(tmp_path, more=LISTS) as bridge:
        three = ("902163330000", "902163331000", "902163332000")
        await bridge.send(listing(note, 1, *three), "preview+list", sender="few@example.net")
        await bridge.send(listing(note, 2, *three), "list", sender="few@example.net")
        await waited(bridge, *["delivered"] * 3)
        await bridge.send(listing(note, 3, "902163332000"), "list", sender="few@example.net")
        await waited(bridge, *["delivered"] * 3, "failed")
        code, words = await refusal(bridge, again(note, 4), "902163338000")
        assert code == 250, words
        lines = said(await command(bridge, "audit", "--json", "--who", "few@example.net"))
        accepted = [(line["to"], line["detail"]) for line in lines if line["act"] == "accepted"]
        assert accepted == [(["list"], ""), (["list"], ""), (["list"], "preview")]
        (document,) = [line for line in lines if line["act"] == "document"]
        assert sorted(document["to"]) == sorted(three)


async def _mail_with(bridge: Bridge, word: str) -> EmailMessage | None:
    found = [mail for mail in bridge.mails("ayse@example.com") if word in str(mail["Subject"])]
    return found[0] if found else None


async def refusal(bridge: Bridge, mail: EmailMessage, *to: str) -> tuple[int, bytes]:
    """The reply that the mail, or its first recipient, is refused with."""
    try:
        await bridge.send(mail, *to)
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))
    except smtplib.SMTPDataError as refused:
        return refused.smtp_code, bytes(refused.smtp_error)  # type: ignore[arg-type]  # bytes, whatever its stub says
    return 250, b""


async def test_what_comes_too_fast_is_put_off_and_costs_nobody_else(tmp_path: Path, note: EmailMessage) -> None:
    """450: the client's own server brings it later. Another sender is served."""
    more = '[[limits]]\nper = "sender"\nmessages = 2\nwithin = "1h"\n'
    async with bridge_in(tmp_path, more=more) as bridge:
        for number in range(2):
            await bridge.send(again(note, number), "902163330000")
        code, words = await refusal(bridge, again(note, 3), "902163330000")
        assert (code, words[:5]) == (450, b"4.7.1")
        await bridge.send(again(note, 3), "902163330000", sender="veli@example.com")
        assert len(await bridge.faxes()) == 3


async def test_one_mail_in_many_transactions_is_one_mail_to_the_limit_of_its_recipients(
    tmp_path: Path, note: EmailMessage
) -> None:
    """550 and never 452, or its server would split it: counted by Message-ID over transactions."""
    few = '[[senders]]\nmatch = "few@example.net"\nnetworks = ["127.0.0.0/8"]\nmax_recipients = 3\n'
    numbers = [f"90216333{n}000" for n in range(1, 6)]
    async with bridge_in(tmp_path, more=few) as bridge:
        refused: dict[str, tuple[int, bytes]] = {}

        def transactions() -> None:
            with smtplib.SMTP("127.0.0.1", bridge.smtp_port, timeout=10) as smtp:
                to = [f"{number}@fax.example.com" for number in numbers]
                refused.update(smtp.sendmail("few@example.net", to[:4], note.as_bytes()))
                with pytest.raises(smtplib.SMTPDataError) as over:
                    smtp.sendmail("few@example.net", to[3:], note.as_bytes())
                assert (over.value.smtp_code, over.value.smtp_error[:5]) == (550, b"5.7.1")

        await asyncio.to_thread(transactions)
        assert [code for code, _ in refused.values()] == [550]
        assert len(await bridge.faxes()) == 3


async def test_a_costly_number_is_refused_with_words(bridge: Bridge, note: EmailMessage) -> None:
    """At RCPT, so that the sender's own server tells."""
    code, words = await refusal(bridge, note, "09001234567")
    assert (code, words[:5]) == (550, b"5.7.1")
    assert b"premium-rate" in words
    assert (await refusal(bridge, note, "3222345678"))[1].startswith(b"5.1.3")


async def test_a_report_that_comes_back_is_no_fax(bridge: Bridge, note: EmailMessage) -> None:
    """Redirected by a rule, an out-of-office answer, a bounce: the circle ends at the first turn."""
    await bridge.send(note, "902163330000")
    report = await bridge.mail("ayse@example.com")
    code, words = await refusal(bridge, report, "902163330000")
    assert (code, words[:5]) == (550, b"5.4.6")
    assert len(await bridge.faxes()) == 1


async def test_phone_books_are_the_same_where_their_name_is(tmp_path: Path, note: EmailMessage) -> None:
    """None has a number of its own: the same document to another one is no repetition; to the same one it is, and the
    question names the book."""
    books = '[[senders]]\nmatch = "*@rich.example.com"\nnetworks = ["127.0.0.0/8"]\nlanguage = "en"\nbooks = true\n'
    ali = "ali@rich.example.com"
    async with bridge_in(tmp_path, more=ONCE + books) as bridge:
        for number, to in enumerate(("book-1", "contact-1", "book-1"), 1):
            await bridge.send(again(note, number), to, sender=ali)
            await until(lambda number=number: _made(bridge, number))  # type: ignore[misc]  # mypy knows no such default
        held = [fax for fax in await bridge.faxes() if fax["state"] == "held"]
        assert [fax["target"] for fax in held] == ["book-1"]
        questions = [words_of(mail) for mail in bridge.mails(ali) if "faxes release" in words_of(mail)]
        assert len(questions) == 1
        assert "phone book 1 at FaxMAX" in questions[0]


async def _made(bridge: Bridge, mails: int) -> bool | None:
    """Each of so many mails has been handed over or held."""
    faxes = await bridge.faxes()
    begun = {fax["message"] for fax in faxes if fax["state"] not in {"queued", "submitting"}}
    return len(begun) == mails or None
