"""What a sender is told, through the whole bridge: over real SMTP, the sandbox, and into a mailbox."""

import asyncio
import csv
import io
import json
import smtplib
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.delivery_status import DeliveryReport, read_report
from tests.e2e.conftest import SECRET, Bridge, bridge_in, until

DELIVERED, OTHER, BUSY, SILENT = "902163330100", "902163330101", "902163330001", "902163330013"
DOMAIN = "fax.example.com"
AT_ONCE = '[reports]\nearly_after = "0s"\n'


async def ask(
    bridge: Bridge,
    mail: EmailMessage,
    *to: tuple[str, Sequence[str]],
    options: Sequence[str] = (),
    sender: str = "ayse@english.example.com",
) -> None:
    """Send with parameters at RCPT (RFC 3461)."""

    def session() -> None:
        with smtplib.SMTP("127.0.0.1", bridge.smtp_port, timeout=10) as smtp:
            smtp.ehlo()
            smtp.mail(sender, options)
            for number, asked in to:
                code, reply = smtp.rcpt(f"{number}@{DOMAIN}", asked)
                assert code == 250, reply
            code, reply = smtp.data(mail.as_bytes(policy=policy.SMTP))
            assert code == 250, reply

    await asyncio.to_thread(session)


def raw_mails(bridge: Bridge) -> list[bytes]:
    """As they left; in a Maildir lines end as the machine's files do."""
    new = bridge.directory / "Maildir" / "new"
    return [
        path.read_bytes().replace(b"\n", b"\r\n")
        for path in sorted(new.glob("*"), key=lambda path: path.stat().st_mtime_ns)
    ]


async def dsn(bridge: Bridge, count: int = 1) -> DeliveryReport:
    """The ``count``-th mail, which has to be a delivery report by the grammar."""
    await bridge.mail(count=count)
    return read_report(raw_mails(bridge)[count - 1])


async def settled(bridge: Bridge) -> None:
    """All faxes have ended, and the worker had its time for the report."""

    async def look() -> bool | None:
        faxes = await bridge.faxes()
        return True if faxes and all(fax["ended_at"] for fax in faxes) else None

    await until(look)
    await asyncio.sleep(0.7)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


async def test_the_first_failure_of_many_is_told_before_the_rest_is_known(tmp_path: Path, note: EmailMessage) -> None:
    """One early word that promises when the rest is known; one report at the end."""
    async with bridge_in(tmp_path, more=AT_ONCE, confirm_within="6s") as bridge:
        await bridge.send(note, BUSY, SILENT, sender="ayse@english.example.com")
        early = await bridge.mail()
        assert early["subject"] == "A fax was not sent – Sözleşme hakkında"
        text = text_of(early)
        assert text.splitlines()[0] == ("Your fax to +90 216 333 00 01 could not be sent; 1 is still on its way.")
        assert "You will hear of the other 1 in one report" in text
        assert "+90 216 333 00 13: is with FaxMAX" in text
        assert early["in-reply-to"] == "<note-1@example.com>"
        report = await bridge.mail(count=2)
        assert text_of(report).splitlines()[0] == "2 faxes: 1 not sent, 1 without a known result."
        await asyncio.sleep(1)
        assert len(bridge.mails()) == 2


async def test_faxes_that_end_together_bring_no_early_word(tmp_path: Path, note: EmailMessage) -> None:
    """By default it waits a minute: the report is there first, and is all there is."""
    async with bridge_in(tmp_path) as bridge:
        await bridge.send(note, BUSY, DELIVERED)
        await bridge.mail()
        await asyncio.sleep(1)
        assert len(bridge.mails()) == 1


async def test_notify_success_brings_a_delivery_report_in_its_grammar(bridge: Bridge, note: EmailMessage) -> None:
    """NOTIFY, ORCPT and ENVID come back in the fields that they belong in, decoded."""
    await ask(
        bridge,
        note,
        (DELIVERED, ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2BFax@example.com"]),
        options=["RET=HDRS", "ENVID=QQ+2B314"],
    )
    report = await dsn(bridge)
    assert report.message["original-envelope-id"] == "QQ+314"
    assert report.message["reporting-mta"] == f"dns; {DOMAIN}"
    told = report.of(f"{DELIVERED}@{DOMAIN}")
    assert told["final-recipient"] == f"rfc822; {DELIVERED}@{DOMAIN}"
    assert told["original-recipient"] == "rfc822; Bob+Fax@example.com"
    assert (told["action"], told["status"]) == ("delivered", "2.0.0")
    assert report.returned is not None
    assert report.returned.get_content_type() == "text/rfc822-headers"
    assert "<note-1@example.com>" in report.returned.get_content()
    assert "was delivered" in text_of(report.mail)


async def test_a_failure_gives_the_whole_mail_back_where_it_was_asked_for(bridge: Bridge, note: EmailMessage) -> None:
    """RET=FULL: byte by byte what was sent."""
    note.set_content("Merhaba\n", cte="7bit")
    await ask(bridge, note, (BUSY, ["NOTIFY=FAILURE"]), options=["RET=FULL"])
    report = await dsn(bridge)
    told = report.of(f"{BUSY}@{DOMAIN}")
    assert (told["action"], told["status"]) == ("failed", "4.4.1")
    assert told["diagnostic-code"].startswith("x-faxmax; busy (")
    assert "original-recipient" not in told
    assert report.returned is not None
    assert report.returned.get_content_type() == "message/rfc822"
    returned = report.returned.get_content()
    assert returned["message-id"] == "<note-1@example.com>"
    assert note.as_bytes(policy=policy.SMTP) in raw_mails(bridge)[0]


async def test_of_a_mail_too_large_to_give_back_comes_the_header(tmp_path: Path, note: EmailMessage) -> None:
    """RET=FULL of more than a megabyte: in a file of the spool, of which only the beginning is read."""
    note.add_attachment(b"x\n" * 700_000, "text", "plain", filename="long.bin")
    limits = '[reports]\npictures = "never"\n'
    async with bridge_in(tmp_path, more=limits) as bridge:
        await ask(bridge, note, (BUSY, ["NOTIFY=FAILURE"]), options=["RET=FULL"])
        report = await dsn(bridge)
        assert report.returned is not None
        assert report.returned.get_content_type() == "text/rfc822-headers"
        assert "note-1@example.com" in report.returned.get_content()
        assert len(raw_mails(bridge)[0]) < 60_000


async def test_who_asks_for_nothing_hears_nothing(bridge: Bridge, note: EmailMessage) -> None:
    """NOTIFY=NEVER, and NOTIFY=SUCCESS for a fax that failed: no mail; the outcome is in ``faxes show``."""
    await ask(bridge, note, (BUSY, ["NOTIFY=SUCCESS"]), (DELIVERED, ["NOTIFY=NEVER"]))
    await settled(bridge)
    assert bridge.mails() == []
    assert sorted(fax["state"] for fax in await bridge.faxes()) == ["delivered", "failed"]


async def test_a_report_names_only_those_recipients_that_were_asked_for(bridge: Bridge, note: EmailMessage) -> None:
    """One NEVER, one FAILURE that failed, one FAILURE that arrived: one group of fields."""
    other = "902163330101"
    await ask(bridge, note, (BUSY, ["NOTIFY=FAILURE"]), (DELIVERED, ["NOTIFY=NEVER"]), (other, ["NOTIFY=FAILURE"]))
    report = await dsn(bridge)
    assert [one["final-recipient"] for one in report.recipients] == [f"rfc822; {BUSY}@{DOMAIN}"]
    assert other not in text_of(report.mail)


async def test_a_fax_that_is_late_is_told_once_if_that_was_asked_for(tmp_path: Path, note: EmailMessage) -> None:
    """NOTIFY=DELAY: Action delayed, with the time until which it goes on; then nothing more than was asked for."""
    late = '[reports]\ndelay_after = "300ms"\n'
    async with bridge_in(tmp_path, more=late, confirm_within="3s") as bridge:
        await ask(bridge, note, (SILENT, ["NOTIFY=DELAY,FAILURE"]))
        delayed = await dsn(bridge)
        told = delayed.of(f"{SILENT}@{DOMAIN}")
        assert (told["action"], told["status"][0]) == ("delayed", "4")
        assert "will-retry-until" in told
        assert delayed.mail["subject"].startswith("Fax delayed: +90 216 333 00 13")
        ended = await dsn(bridge, count=2)
        assert (ended.recipients[0]["action"], ended.recipients[0]["status"]) == ("failed", "4.4.7")
        await asyncio.sleep(0.5)
        assert len(bridge.mails()) == 2


async def test_handed_to_faxmax_is_relayed_and_never_delivered(tmp_path: Path, note: EmailMessage) -> None:
    """Nobody confirmed it, and the machine that reads the report must not believe so."""
    async with bridge_in(tmp_path, confirm_within="500ms") as bridge:
        await ask(bridge, note, (SILENT, ["NOTIFY=SUCCESS"]))
        report = await dsn(bridge)
        assert (report.recipients[0]["action"], report.recipients[0]["status"]) == ("relayed", "2.0.0")
        assert report.recipients[0]["x-fax-bridge-state"] == "unconfirmed"


SENDERS = """
[[senders]]
match = "erp@machines.example.org"
networks = ["127.0.0.0/8"]
language = "en"
{more}
"""


async def test_reports_go_to_the_set_addresses_and_never_to_one_that_the_mail_claims(
    tmp_path: Path, note: EmailMessage
) -> None:
    """report_to, report_cc and report_bcc; Reply-To and From are only what the message says of itself."""
    note["Reply-To"] = "boss@victim.example"
    note["Return-Path"] = "<other@victim.example>"
    more = SENDERS.format(
        more='report_to = ["desk@example.com"]\nreport_cc = ["boss@example.com"]\nreport_bcc = ["archive@example.com"]'
    )
    async with bridge_in(tmp_path, more=more) as bridge:
        await bridge.send(note, DELIVERED, sender="erp@machines.example.org")
        report = await bridge.mail()
        assert (report["to"], report["cc"]) == ("desk@example.com", "boss@example.com")
        content = raw_mails(bridge)[0]
        assert b"victim.example" not in content
        head = message_from_bytes(content)
        # The Maildir notes the envelope, as a relay would see it; no header of ours tells of the archive.
        assert head.get_all("delivered-to") == ["desk@example.com", "boss@example.com", "archive@example.com"]
        assert head["return-path"] == "<>"
        assert "bcc" not in head
        assert content.count(b"archive@example.com") == 1


@pytest.mark.parametrize(("outcomes", "mails"), [("failures", 1), ("none", 0)])
async def test_a_senders_setting_says_which_ends_are_mailed(
    tmp_path: Path, note: EmailMessage, outcomes: str, mails: int
) -> None:
    """``failures``: the delivered one is not told. ``none`` is the documented way to silence."""
    async with bridge_in(tmp_path, more=SENDERS.format(more=f'reports = "{outcomes}"')) as bridge:
        await bridge.send(note, DELIVERED, sender="erp@machines.example.org")
        await settled(bridge)
        assert bridge.mails() == []
        note.replace_header("Message-ID", "<note-2@example.com>")
        await bridge.send(note, BUSY, sender="erp@machines.example.org")
        await settled(bridge)
        assert len(bridge.mails()) == mails


async def test_a_correction_of_what_was_never_told_is_a_plain_report(tmp_path: Path, note: EmailMessage) -> None:
    """``failures``: the delivery was not mailed; the failure that FaxMAX told later is, and corrects nothing."""
    more = SENDERS.format(more='reports = "failures"')
    async with bridge_in(tmp_path, more=more, confirm_within="10m") as bridge:
        await bridge.send(note, SILENT, sender="erp@machines.example.org")
        provider_id = (await bridge.ended("submitted"))["faxmax_id"]
        for status in ("DELIVERED", "FAILED"):
            content = json.dumps([{"type": "OUTGOING_FAX", "id": provider_id, "status": status}])
            async with httpx.AsyncClient(trust_env=False) as http:
                await http.post(f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}", content=content)
            await bridge.ended(status.lower())
            await settled(bridge)
        (report,) = bridge.mails()
        assert report["subject"].startswith("Fax not sent, line fault")
        assert report["message-id"].startswith("<correction-")


async def test_machines_are_told_and_automatic_answers_are_not(bridge: Bridge, note: EmailMessage) -> None:
    """RFC 3834: an ``auto-replied`` is refused, so that nobody has to answer it; a laboratory's ``auto-generated`` bulk
    mail is like any other."""
    note["Auto-Submitted"] = "auto-replied; owner=vacation"
    with pytest.raises(smtplib.SMTPDataError, match="automatic reply"):
        await bridge.send(note, DELIVERED)
    assert await bridge.faxes() == []
    note.replace_header("Auto-Submitted", "auto-generated")
    note["Precedence"] = "bulk"
    note.replace_header("Message-ID", "<note-2@example.com>")
    await bridge.send(note, DELIVERED)
    assert "teslim edildi" in text_of(await bridge.mail())


async def test_a_report_shows_the_pages_as_faxed_and_can_carry_the_document(tmp_path: Path, note: EmailMessage) -> None:
    """Pictures of black and white lines in true shape, and the PDF itself."""
    note.add_attachment("Bir sayfa yazı.\n", filename="yazı.txt")
    settings = '[reports]\npictures = "always"\nattach_document = "always"\n'
    async with bridge_in(tmp_path, more=settings) as bridge:
        await bridge.send(note, DELIVERED)
        report = await bridge.mail()
        pictures = [part for part in report.walk() if part.get_content_type() == "image/png"]
        assert [part["content-id"] for part in pictures] == ["<page-1@fax-bridge>"]
        with Image.open(io.BytesIO(pictures[0].get_content())) as picture:
            assert abs(picture.height / picture.width - 297 / 215) < 0.02
        (attached,) = report.iter_attachments()
        assert attached.get_content_type() == "application/pdf"
        assert attached.get_content().startswith(b"%PDF")


async def test_many_recipients_are_a_table_and_a_spreadsheet(tmp_path: Path, note: EmailMessage) -> None:
    """More than ten: the mail shows those that did not arrive, the attached list has all."""
    async with bridge_in(tmp_path) as bridge:
        numbers = [f"9021633302{n:02}" for n in range(11)]
        await bridge.send(note, *numbers, BUSY, sender="ayse@english.example.com")
        report = await bridge.mail()
        text = text_of(report)
        assert text.splitlines()[0] == "12 faxes: 11 delivered, 1 not sent."
        assert "11 more faxes, not shown here, are in the attached list." in text
        (attached,) = report.iter_attachments()
        rows = list(csv.reader(io.StringIO(attached.get_content().removeprefix("\ufeff"))))
        assert len(rows) == 13
        assert rows[0][:3] == ["Number", "Address you wrote", "Result"]
        assert {row[0] for row in rows[1:]} >= {"90 216 333 00 01"}


async def test_with_the_format_dsn_every_report_is_one_for_machines(tmp_path: Path, note: EmailMessage) -> None:
    """Also without a NOTIFY; people read the same words in it."""
    async with bridge_in(tmp_path, more='[reports]\nformat = "dsn"\npictures = "always"\n') as bridge:
        await bridge.send(note, BUSY, DELIVERED)
        report = await dsn(bridge)
        assert {one["action"] for one in report.recipients} == {"failed", "delivered"}
        assert text_of(report.mail).splitlines()[0] == "2 faks: 1 teslim edildi, 1 gönderilemedi."
        assert message_from_bytes(raw_mails(bridge)[0])["auto-submitted"] == "auto-replied"


def with_list(note: EmailMessage, *numbers: str) -> EmailMessage:
    note.add_attachment("\n".join(numbers).encode(), "text", "plain", filename="distribution-list.txt")
    return note


async def test_numbers_of_an_attached_list_are_told_beside_the_rcpt_number(tmp_path: Path, note: EmailMessage) -> None:
    """They have no address of their own; each end is in the report all the same."""
    async with bridge_in(tmp_path) as bridge:
        await bridge.send(with_list(note, BUSY, OTHER), DELIVERED, sender="ayse@english.example.com")
        text = text_of(await bridge.mail())
        assert text.splitlines()[0] == "3 faxes: 2 delivered, 1 not sent."
        assert "+90 216 333 00 01" in text
        assert "+90 216 333 01 01" in text


async def test_a_failed_number_of_an_attached_list_is_a_failure_by_itself(tmp_path: Path, note: EmailMessage) -> None:
    """Where only failures are mailed, the delivered RCPT number does not hide it; for machines it has an address."""
    async with bridge_in(tmp_path, more='[reports]\noutcomes = "failures"\nformat = "dsn"\n') as bridge:
        await bridge.send(with_list(note, BUSY), DELIVERED, sender="ayse@english.example.com")
        report = await dsn(bridge)
        assert report.of(f"{BUSY}@{DOMAIN}")["action"] == "failed"
        assert report.of(f"{DELIVERED}@{DOMAIN}")["action"] == "delivered"


async def test_a_sender_who_wants_no_word_of_the_rcpt_number_hears_of_the_list(
    tmp_path: Path, note: EmailMessage
) -> None:
    """NOTIFY=NEVER was said of one recipient; of the others the settings decide."""
    async with bridge_in(tmp_path) as bridge:
        await ask(bridge, with_list(note, BUSY), (DELIVERED, ["NOTIFY=NEVER"]))
        text = text_of(await bridge.mail())
        assert "+90 216 333 00 01" in text
        assert "+90 216 333 01 00" not in text


async def test_the_early_word_counts_the_numbers_of_an_attached_list(tmp_path: Path, note: EmailMessage) -> None:
    """One of them failed and another is on its way: both are named before the report."""
    async with bridge_in(tmp_path, more=AT_ONCE, confirm_within="4s") as bridge:
        await bridge.send(with_list(note, BUSY, SILENT), DELIVERED, sender="ayse@english.example.com")
        text = text_of(await bridge.mail())
        assert text.splitlines()[0] == "Your fax to +90 216 333 00 01 could not be sent; 1 is still on its way."
        assert "+90 216 333 00 13: is with FaxMAX" in text
        assert "1 without a known result" in text_of(await bridge.mail(count=2))


async def test_the_numbers_of_a_list_address_are_told_apart_by_machines(tmp_path: Path, note: EmailMessage) -> None:
    """One address means many: each Final-Recipient names its number, and ORCPT comes back with each."""
    async with bridge_in(tmp_path) as bridge:
        asked = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;everybody@example.com"]
        await ask(bridge, with_list(note, BUSY, DELIVERED), ("list", asked))
        report = await dsn(bridge)
        assert report.of(f"{BUSY}@{DOMAIN}")["action"] == "failed"
        told = report.of(f"{DELIVERED}@{DOMAIN}")
        assert (told["action"], told["original-recipient"]) == ("delivered", "rfc822; everybody@example.com")
