"""What a mail asks for beside its number, from SMTP to what FaxMAX is told and what the sender hears."""

import asyncio
import io
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pikepdf
import pytest

from tests.e2e.conftest import Bridge, bridge_in

RICH = "ali@rich.example.com"
MORE = """
[[senders]]
match = "*@rich.example.com"
networks = ["127.0.0.0/8"]
language = "en"
resolution = "normal"
allowed_cli = ["0216 222 25 26"]
books = true
skip = ["password", "unknown", "archive"]
max_pages = 3
max_bytes = 100000
"""


def pdf_of_pages(pages: int, password: str = "") -> bytes:
    """Blank pages; with a password they open with it only."""
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page(page_size=(595, 842))
        if password:
            pdf.save(out, encryption=pikepdf.Encryption(owner=password, user=password))
        else:
            pdf.save(out)
    return out.getvalue()


@pytest.fixture
async def rich(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with bridge_in(tmp_path, more=MORE) as running:
        yield running


async def sent(bridge: Bridge) -> dict[str, dict[str, Any]]:
    """What the sandbox got, by the number called."""
    async with httpx.AsyncClient(trust_env=False) as http:
        faxes = (await http.get(bridge.sandbox.url.replace("/api/v1", "/sandbox/faxes"))).json()
    return {one["phone"]: one for one in faxes}


def words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return f"{mail['Subject']} {' '.join(body.get_content().split())}"


def with_file(note: EmailMessage, name: str, data: bytes, kind: str = "application/octet-stream") -> EmailMessage:
    maintype, subtype = kind.split("/")
    note.add_attachment(data, maintype, subtype, filename=name)
    return note


async def test_address_subject_header_and_sender_have_their_say_in_this_order(rich: Bridge, note: EmailMessage) -> None:
    """One mail, a POST for each number with its own options; the subject is told without its bracket."""
    note.replace_header("Subject", "Sözleşme [fax: paper=letter cli=+902162222526]")
    note["x-fax-RESOLUTION"] = "fine"
    note["X-Fax-Paper"] = "legal"
    note["X-Fax-Colour"] = "red"
    await rich.send(note, "902163333344+superfine", "FAX=+902163333355", sender=RICH)
    report = words(await rich.mail(RICH))
    got = await sent(rich)
    assert {phone: one["params"]["resolution"] for phone, one in got.items()} == {
        "902163333344": "superfine",
        "902163333355": "fine",
    }
    assert {one["params"]["paper_size"] for one in got.values()} == {"letter"}
    assert {one["params"]["cli"] for one in got.values()} == {"902162222526"}
    assert "Subject of your mail: Sözleşme Not understood" in report
    assert "[fax:" not in report
    assert "Not understood and not heeded in your mail's header: x-fax-colour." in report


async def test_an_option_in_the_subject_that_is_none_refuses_the_mail_in_words(
    rich: Bridge, note: EmailMessage
) -> None:
    """Never ignored; a bracket elsewhere in the subject is none of ours."""
    note.replace_header("Subject", "Sözleşme [fax: quality=best]")
    await rich.send(note, "902163333344", sender=RICH)
    report = words(await rich.mail(RICH))
    assert "there is no such option (quality=best)" in report
    note.replace_header("Subject", "[fax: quality=best] Sözleşme")
    await rich.send(note, "902163333344", sender=RICH)
    assert "[fax: quality=best] Sözleşme" in words(await rich.mail(RICH, 2))
    assert len(await sent(rich)) == 1


async def test_one_recipient_gets_the_cover_and_another_does_not(rich: Bridge, note: EmailMessage) -> None:
    """The report says which went without; where nobody gets it, its text is told as left out."""
    with_file(note, "page.pdf", pdf_of_pages(1), "application/pdf")
    await rich.send(note, "902163333344+nocover", "902163333355", sender=RICH)
    report = words(await rich.mail(RICH))
    got = await sent(rich)
    assert {phone: "cover_html" in one["params"] for phone, one in got.items()} == {
        "902163333344": False,
        "902163333355": True,
    }
    assert "Sent without the cover page and its text, as you asked: +90 216 333 33 44." in report
    note.replace_header("Message-ID", "<note-2@example.com>")
    note["X-Fax-Cover"] = "off"
    await rich.send(note, "902163333366", sender=RICH)
    report = words(await rich.mail(RICH, 2))
    assert "it would stand on the cover page, which you did not want" in report
    assert "Sent without the cover" not in report


async def test_a_number_that_its_sender_may_not_show_refuses_the_mail(bridge: Bridge, note: EmailMessage) -> None:
    """The calling number is not anybody's to choose."""
    note["X-Fax-Cli"] = "902162222526"
    await bridge.send(note, "902163333344")
    assert "bu numaranın arayan numara olarak gösterilmesine izniniz yok (902162222526)" in words(
        await bridge.mail("ayse@example.com")
    )
    assert await sent(bridge) == {}


async def test_a_phone_book_becomes_faxes_of_its_own(rich: Bridge, note: EmailMessage) -> None:
    """FaxMAX knows the numbers; each fax is a row with its id, all ends are in one report."""
    await rich.send(note, "book-1", sender=RICH)
    report = words(await rich.mail(RICH))
    faxes = await rich.faxes()
    assert {one["number"] for one in faxes} == {"902162220101", "902162220102"}
    assert {one["target"] for one in faxes} == {"book-1"}
    assert len({one["faxmax_id"] for one in faxes}) == 2
    assert {one["state"] for one in faxes} <= {"delivered", "failed"}
    assert all(number in report for number in ("+90 216 222 01 01", "+90 216 222 01 02"))
    one = next(iter((await sent(rich)).values()))
    assert (one["params"]["phones"], one["params"]["phone_books"]) == ([], ["1"])


async def test_a_contact_is_one_fax_and_an_unknown_book_is_told(rich: Bridge, note: EmailMessage) -> None:
    """What FaxMAX does not have it says, and the sender hears it."""
    await rich.send(note, "contact-2", sender=RICH)
    assert "+90 216 222 01 02" in words(await rich.mail(RICH))
    note.replace_header("Message-ID", "<note-2@example.com>")
    await rich.send(note, "book-77", sender=RICH)
    report = words(await rich.mail(RICH, 2))
    assert "phone book 77 at FaxMAX" in report
    assert "Invalid params" in report


async def test_who_may_not_use_books_is_refused_at_once(bridge: Bridge, note: EmailMessage) -> None:
    """550 at RCPT."""
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.7\.1 this sender may not use"):
        await bridge.send(note, "book-1")


async def test_an_attached_list_is_sent_to_with_the_rcpt_numbers(rich: Bridge, note: EmailMessage) -> None:
    """Each number once; the list itself is no page of the fax."""
    data = "Ad;Faks\nAyşe;0216 333 33 44\nAli;+902163333355\nAli;902163333355\n".encode()
    await rich.send(with_file(note, "distribution-list.csv", data, "text/csv"), "902163333344", sender=RICH)
    report = words(await rich.mail(RICH))
    assert set(await sent(rich)) == {"902163333344", "902163333355"}
    assert "named the numbers to send to" in report
    assert "2 faxes: 2 delivered." in report


async def test_a_list_address_takes_its_numbers_and_options(rich: Bridge, note: EmailMessage) -> None:
    """list+superfine@: the options hold for each number."""
    data = b"902163333344\n\n# the branch\n902163333355\n"
    await rich.send(with_file(note, "Distribution-List.txt", data, "text/plain"), "list+superfine", sender=RICH)
    assert "2 faxes: 2 delivered." in words(await rich.mail(RICH))
    got = await sent(rich)
    assert {phone: one["params"]["resolution"] for phone, one in got.items()} == dict.fromkeys(
        ("902163333344", "902163333355"), "superfine"
    )


async def test_a_wrong_line_refuses_the_whole_mail_and_is_named(rich: Bridge, note: EmailMessage) -> None:
    """All numbers or none, the RCPT's too."""
    data = b"902163333344\n12\n902163333355+fine\npreview+902163333377\n"
    await rich.send(with_file(note, "distribution-list.txt", data, "text/plain"), "902163333366", sender=RICH)
    report = words(await rich.mail(RICH))
    assert 'distribution-list.txt 2: "12" is not a telephone number' in report
    assert "distribution-list.txt 3: a list holds numbers only" in report
    assert "distribution-list.txt 4: a list holds numbers only" in report
    assert await sent(rich) == {}


async def test_a_list_address_without_a_list_is_told(rich: Bridge, note: EmailMessage) -> None:
    """There is nobody to send it to."""
    await rich.send(note, "list", sender=RICH)
    assert "the mail went to list@, but no distribution-list.csv" in words(await rich.mail(RICH))
    assert await sent(rich) == {}


async def test_what_may_be_skipped_is_told_first(rich: Bridge, bridge_mail: EmailMessage) -> None:
    """The rest goes; the report begins with what is not in the fax."""
    await rich.send(bridge_mail, "902163333344", sender=RICH)
    report = words(await rich.mail(RICH))
    assert set(await sent(rich)) == {"902163333344"}
    head, _, tail = report.partition("Parts that are not in the fax:")
    assert "was delivered" in head
    assert "Number:" not in head
    assert tail.index("locked.pdf") < tail.index("plan.dwg") < tail.index("Number:")
    assert "the PDF is protected by a password" in tail


async def test_without_the_setting_the_same_mail_is_refused(bridge: Bridge, bridge_mail: EmailMessage) -> None:
    """All or nothing."""
    await bridge.send(bridge_mail, "902163333344")
    assert (await bridge.ended("failed"))["result"] == "document"
    assert await sent(bridge) == {}


async def test_pages_and_bytes_beyond_the_senders_limit_are_told_before_anything_goes(
    rich: Bridge, note: EmailMessage
) -> None:
    """Pages in a report; bytes at MAIL where SIZE says them, else at the end of the mail."""
    await rich.send(with_file(note, "four.pdf", pdf_of_pages(4), "application/pdf"), "902163333344", sender=RICH)
    report = words(await rich.mail(RICH))
    assert "more pages than you may send in one fax (4 > 3)" in report
    assert await sent(rich) == {}

    def dialogue() -> list[int]:
        with smtplib.SMTP("127.0.0.1", rich.smtp_port, timeout=10) as smtp:
            smtp.ehlo()
            declared = smtp.docmd("MAIL", f"FROM:<{RICH}> SIZE=100001")
            assert declared == (552, b"5.3.4 the mail is larger than 100000 bytes")
            codes = [smtp.mail(RICH)[0], smtp.rcpt("902163333344@fax.example.com")[0]]
            codes.append(smtp.data(b"Subject: x\r\n\r\n" + b"y" * 70 * 1500)[0])
            return [*codes, smtp.mail("ayse@example.com", ["SIZE=100001"])[0]]

    assert await asyncio.to_thread(dialogue) == [250, 250, 552, 250]


@pytest.fixture
def bridge_mail(note: EmailMessage) -> EmailMessage:
    """A page that can be faxed, a locked one, and a drawing that nothing here reads."""
    with_file(note, "page.pdf", pdf_of_pages(1), "application/pdf")
    with_file(note, "locked.pdf", pdf_of_pages(1, password="secret"), "application/pdf")
    return with_file(note, "plan.dwg", b"AC1032\0\0\0\0\1\2\3")


async def test_a_list_beside_a_number_without_a_cover_keeps_its_cover(rich: Bridge, note: EmailMessage) -> None:
    """+nocover was said of one address, and not of the numbers on the list: they get what is written on it."""
    with_file(note, "page.pdf", pdf_of_pages(1), "application/pdf")
    with_file(note, "distribution-list.txt", b"902163333355", "text/plain")
    await rich.send(note, "902163333344+nocover", sender=RICH)
    assert "2 faxes: 2 delivered." in words(await rich.mail(RICH))
    got = await sent(rich)
    assert {phone: "cover_html" in one["params"] for phone, one in got.items()} == {
        "902163333344": False,
        "902163333355": True,
    }


async def test_an_address_can_ask_for_the_cover_that_the_settings_do_not_have(
    tmp_path: Path, note: EmailMessage
) -> None:
    """+cover under ``policy = "never"``: it is not passed over in silence; another wish in the same mail is refused."""
    with_file(note, "page.pdf", pdf_of_pages(1), "application/pdf")
    async with bridge_in(tmp_path, more='[cover]\npolicy = "never"\n' + MORE) as bridge:
        await bridge.send(note, "902163333344+cover", "902163333355+nocover", sender=RICH)
        await bridge.mail(RICH)
        got = await sent(bridge)
        assert {phone: "cover_html" in one["params"] for phone, one in got.items()} == {
            "902163333344": True,
            "902163333355": False,
        }

        def refused() -> tuple[int, bytes]:
            with smtplib.SMTP("127.0.0.1", bridge.smtp_port, timeout=10) as smtp:
                smtp.ehlo()
                smtp.mail(RICH)
                smtp.rcpt("902163333344+cover@fax.example.com")
                return smtp.rcpt("902163333355+cover=never@fax.example.com")

        code, reply = await asyncio.to_thread(refused)
        assert (code, reply[:5]) == (550, b"5.1.4")
