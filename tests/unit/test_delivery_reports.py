"""Reports for machines, judged by a reader that knows the grammar (:mod:`tests.delivery_status`) and nothing else."""

import re
from collections.abc import Mapping
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.fax import FAX_ENDS, Fate, FateKind, FaxState, Language, NoticeKind, RcptDsn, ResultClass
from fax_bridge.mail.dsn import action_and_status
from fax_bridge.mail.letters import OpenFax, StatusReport
from fax_bridge.mail.reports import Notice, Report, ReportFax, notice_mail, report_mail
from fax_bridge.mail.words import Words
from tests.delivery_status import NotAReport, read_report

WORDS = Words()
NOON = 1_795_000_000_000
ADDRESS = "02162222525@fax.example.com"
ENDS = [(state, None) for state in sorted(FAX_ENDS - {FaxState.FAILED})] + [(FaxState.FAILED, r) for r in ResultClass]


def fax(state: FaxState = FaxState.DELIVERED, result: ResultClass | None = None, **changed: Any) -> ReportFax:
    values: dict[str, Any] = {
        "fax_id": "01HF7YAT31JZHSMW1DA8S1XZ7K", "number": "902162222525", "recipients": (ADDRESS,),
        "provider_id": "ca1d30ec", "pages_sent": 3, "pages_total": 3, "attempts": 1, "ended_at": NOON,
    }  # fmt: skip
    return ReportFax(state=state, result=result, **{**values, **changed})


def mailed(*faxes: ReportFax, **changed: Any) -> bytes:
    values: dict[str, Any] = {
        "message_id": "01HF7YAT31JZHSMW1DA8S1XZ7J", "to": ("ayse@example.com",), "subject": "Şişli",
        "accepted_at": NOON, "status": StatusReport("fax.example.com"),
    }  # fmt: skip
    report = Report(faxes=faxes, **{**values, **changed})
    return report_mail(report, WORDS, sender="Faks <f@fax.example.com>", message_id="<report-1@x.example>", date=NOON)


# --- the grammar -------------------------------------------------------------------------------------


@pytest.mark.parametrize("notify", ["", "SUCCESS", "FAILURE", "SUCCESS,FAILURE,DELAY"])
@pytest.mark.parametrize(("state", "result"), ENDS)
def test_every_end_is_a_report_by_the_grammar(state: FaxState, result: ResultClass | None, notify: str) -> None:
    """Required fields, their order of groups, action and class of the status together (RFC 3464 §2)."""
    told = read_report(mailed(fax(state, result, dsn={ADDRESS: RcptDsn(notify)}))).of(ADDRESS)
    assert told["final-recipient"] == f"rfc822; {ADDRESS}"
    assert (told["action"] == "delivered") == (state is FaxState.DELIVERED)
    assert (told["action"] == "relayed") == (state is FaxState.UNCONFIRMED and "SUCCESS" in notify)


@pytest.mark.parametrize(
    ("result", "detail", "status"),
    [
        (ResultClass.BUSY, "", "4.4.1"),
        (ResultClass.NOT_A_FAX, "", "5.1.2"),
        (ResultClass.BAD_NUMBER, "", "5.1.1"),
        (ResultClass.DOCUMENT, "pdf_password: b.pdf", "5.6.3"),
        (ResultClass.DOCUMENT, "too_many_pages: 600", "5.3.4"),
        (ResultClass.DOCUMENT, "mail_encrypted", "5.7.5"),
        (ResultClass.DOCUMENT, "bad_send_at: soon", "5.5.4"),
        (ResultClass.EXPIRED, "", "4.4.7"),
    ],
)
def test_a_failure_has_the_code_that_says_why(result: ResultClass, detail: str, status: str) -> None:
    """RFC 3463; a machine can tell "later" from "never"."""
    assert action_and_status(fax(FaxState.FAILED, result, detail=detail), ADDRESS) == ("failed", status)


def test_what_the_sender_named_comes_back_decoded_and_only_then() -> None:
    """ENVID and ORCPT are xtext on the way in and plain in the fields; what is no printable ASCII stays as it was."""
    plain = read_report(mailed(fax()))
    assert "original-envelope-id" not in plain.message
    assert "original-recipient" not in plain.recipients[0]
    asked = {ADDRESS: RcptDsn("SUCCESS", "x400;/G+3DAli/S+3DVeli+2B/")}
    named = read_report(mailed(fax(dsn=asked), status=StatusReport("fax.example.com", "a+20b+3Dc")))
    assert named.message["original-envelope-id"] == "a b=c"
    assert named.recipients[0]["original-recipient"] == "x400; /G=Ali/S=Veli+/"
    odd = read_report(mailed(fax(), status=StatusReport("fax.example.com", "+0D+0ABcc:x")))
    assert odd.message["original-envelope-id"] == "+0D+0ABcc:x"


def test_the_same_report_is_the_same_bytes() -> None:
    """Nothing random is in it: one that comes twice can be recognised."""
    assert mailed(fax(), pictures=(b"\x89PNG",)) == mailed(fax(), pictures=(b"\x89PNG",))


def test_each_recipient_has_a_group_of_its_own() -> None:
    """Also two addresses of one number, which are one fax."""
    other = "902162222525@fax.example.com"
    report = read_report(mailed(fax(recipients=(ADDRESS, other)), fax(FaxState.FAILED, ResultClass.BUSY)))
    assert [one["final-recipient"] for one in report.recipients] == [f"rfc822; {a}" for a in (ADDRESS, other, ADDRESS)]


def test_what_faxmax_said_is_its_own_and_what_we_say_is_ours() -> None:
    """The type of a diagnostic code names who speaks (RFC 3464 §2.3.6); Turkish letters lose their marks there."""
    busy = fax(FaxState.FAILED, ResultClass.BUSY, detail="FAILED: Karşı taraf meşgul (BUSY)")
    assert read_report(mailed(busy)).recipients[0]["diagnostic-code"] == (
        "x-faxmax; busy (FAILED: Karsi taraf mesgul ?BUSY?)"
    )
    locked = fax(FaxState.FAILED, ResultClass.DOCUMENT, detail="pdf_password: ek.pdf")
    assert read_report(mailed(locked)).recipients[0]["diagnostic-code"].startswith("x-fax-bridge; document")


def test_a_late_fax_is_delayed_until_a_named_time() -> None:
    """``Will-Retry-Until`` is allowed there and nowhere else."""
    late = OpenFax("01HF7", "902162222525", (ADDRESS,), FaxState.SUBMITTED, NOON + 3_600_000)
    notice = Notice(
        NoticeKind.DELAYED, "01HF8", ("a@example.com",), "x", NOON, (late,), status=StatusReport("fax.example.com")
    )
    mail = notice_mail(notice, WORDS, sender="f@fax.example.com", message_id="<d@x.example>", date=NOON)
    told = read_report(mail).recipients[0]
    assert (told["action"], told["status"]) == ("delayed", "4.4.0")
    assert told["will-retry-until"] == "Wed, 18 Nov 2026 15:06:40 +0300"


@pytest.mark.parametrize(
    ("notify", "promise"),
    [
        ("DELAY", "you will hear nothing of it"),
        ("DELAY,FAILURE", "If it fails, you will hear so by 18 November 2026 15:06 at the latest"),
        ("DELAY,SUCCESS", "If it is delivered, you will hear so"),
        ("SUCCESS,DELAY,FAILURE", "You will hear how it ended by 18 November 2026 15:06 at the latest."),
    ],
)
def test_a_late_fax_promises_no_more_than_was_asked_for(notify: str, promise: str) -> None:
    """Who asked for DELAY alone hears nothing of the end, and is told so."""
    late = OpenFax(
        "01HF7", "902162222525", (ADDRESS,), FaxState.QUEUED, NOON + 3_600_000, dsn={ADDRESS: RcptDsn(notify)}
    )
    notice = Notice(
        NoticeKind.DELAYED, "01HF8", ("a@example.com",), "x", NOON, (late,), language=Language.EN,
        status=StatusReport("fax.example.com"),
    )  # fmt: skip
    mail = notice_mail(notice, WORDS, sender="f@fax.example.com", message_id="<d@x.example>", date=NOON)
    body = read_report(mail).mail.get_body(("plain",))
    assert body is not None
    assert promise in " ".join(body.get_content().split())


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        (b"Subject: x\r\nFrom: a@b", "Subject: x"),
        ("Subject: Şişli\r\nFrom: a@b".encode(), "Subject: Şişli"),
        (b"Subject: " + b"x" * 2000, "x" * 2000),
    ],
)
def test_a_header_is_given_back_whatever_bytes_it_has(headers: bytes, kept: str) -> None:
    """Any relay takes the report: seven bits and short lines."""
    mail = mailed(fax(), status=StatusReport("fax.example.com", headers=headers))
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    returned = read_report(mail).returned
    assert returned is not None
    assert kept in returned.get_content()


def test_a_mail_that_holds_our_boundary_is_given_back_whole() -> None:
    """The boundary is another one then; nothing in it can end the report early."""
    first = re.search(rb'report-type=delivery-status;\r\n boundary="([^"]+)"', mailed(fax()))
    assert first
    hostile = (
        b"Subject: x\r\n\r\n--" + first[1] + b"--\r\n\r\n--" + first[1] + b"\r\nContent-Type: text/html\r\n\r\nhi\r\n"
    )
    mail = mailed(fax(), status=StatusReport("fax.example.com", mail=hostile))
    assert hostile in mail
    report = read_report(mail)
    assert report.returned is not None
    assert report.returned.get_content_type() == "message/rfc822"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Reporting-MTA", b"Reported-By"),
        (b"Status: 2.0.0", b"Status: 2.0"),
        (b"Status: 2.0.0", b"Status: 4.0.0"),
        (b"Action: delivered", b"Action: done"),
        (b"Action: delivered\r\n", b""),
        (b"Final-Recipient: rfc822; ", b"Final-Recipient: "),
        (b"Final-Log-ID", b"Will-Retry-Until"),
        (b"Reporting-MTA: dns; ", b"Reporting-MTA: dns; a\r\nReporting-MTA: dns; "),
        (b"report-type=delivery-status", b"report-type=other"),
        (b"message/delivery-status", b"text/plain"),
    ],
)
def test_the_reader_refuses_what_is_no_report(old: bytes, new: bytes) -> None:
    """A judge that accepts everything proves nothing."""
    mail = mailed(fax())
    assert old in mail
    with pytest.raises((NotAReport, ValueError, TypeError)):
        read_report(mail.replace(old, new))


# --- what comes from outside -------------------------------------------------------------------------

HEADERS = {
    *("date", "message-id", "from", "to", "cc", "subject", "in-reply-to", "references", "auto-submitted"),
    *("x-auto-response-suppress", "x-fax-bridge-id", "mime-version", "content-type"),
}
TEXT = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["x\r\nBcc: v@example.org", "x\n\nbody", "\r", "a\u2028Bcc: b", "=?utf-8?q?=0d=0aBcc:x?=", "\x00"]),
    st.text(alphabet=st.sampled_from('\r\n:;()<>@=?" \t\x00\x85\u2028\u202eBc'), max_size=40),
)


def checked(mail: bytes) -> EmailMessage:
    """No header, part or line of it is anybody else's."""
    assert mail.isascii()
    assert b"\n" not in mail.replace(b"\r\n", b"")
    message = BytesParser(policy=policy.default).parsebytes(mail)
    assert isinstance(message, EmailMessage)
    assert {name.lower() for name in message} <= HEADERS
    assert len(message.keys()) == len({name.lower() for name in message})
    for part in message.walk():
        assert not part.defects
        assert "bcc" not in part or part.get_content_type() == "text/rfc822-headers"
    return message


@settings(max_examples=120, deadline=None)
@given(
    outside=st.fixed_dictionaries(
        dict.fromkeys(("subject", "station", "detail", "address", "provider", "envid", "orcpt", "name", "note"), TEXT)
    ),
    machine=st.booleans(),
    language=st.sampled_from(Language),
    end=st.sampled_from(ENDS),
)
def test_no_value_from_outside_can_write_a_header_or_a_field(
    outside: Mapping[str, str], machine: bool, language: Language, end: tuple[FaxState, ResultClass | None]
) -> None:
    """Subject, addresses, station, FaxMAX's words, ENVID, ORCPT, file names, notes: each stays in its place."""
    dsn = {outside["address"]: RcptDsn("SUCCESS", outside["orcpt"])}
    hostile = fax(
        *end, recipients=(outside["address"],), remote_station=outside["station"], detail=outside["detail"],
        provider_id=outside["provider"], dsn=dsn,
    )  # fmt: skip
    mail = mailed(
        hostile,
        fax(),
        subject=outside["subject"],
        language=language,
        original_message_id=outside["envid"],
        references=outside["note"],
        notes=(outside["note"],),
        to=(outside["address"], "ayse@example.com"),
        cc=(outside["name"],),
        fates=(Fate("1", outside["name"], outside["name"], 1, FateKind.REFUSED, reason=outside["detail"]),),
        status=StatusReport("fax.example.com", outside["envid"]) if machine else None,
    )
    checked(mail)
    if machine:
        report = read_report(mail)
        assert len(report.recipients) == 2
        assert report.of(ADDRESS)["action"] == "delivered"


@settings(max_examples=60, deadline=None)
@given(station=TEXT, subject=TEXT, detail=TEXT)
def test_no_value_from_outside_can_write_a_header_of_an_early_word(station: str, subject: str, detail: str) -> None:
    """The same for the words that come before the report."""
    failed = fax(FaxState.FAILED, ResultClass.BUSY, remote_station=station, detail=detail)
    waiting = OpenFax("01HF7", "902162222525", (ADDRESS,), FaxState.SUBMITTED, NOON, detail=detail)
    notice = Notice(NoticeKind.EARLY, "01HF8", ("a@example.com",), subject, NOON, (waiting,), (failed,))
    checked(notice_mail(notice, WORDS, sender="f@fax.example.com", message_id="<e@x.example>", date=NOON))


def test_a_sites_template_cannot_write_a_header(tmp_path: Path) -> None:
    """A subject template of several lines is one line; what it says is text."""
    own = tmp_path / "email" / "tr"
    own.mkdir(parents=True)
    (own / "report.subject").write_text("{{ headline }}\r\nBcc: victim@example.org\n\nbody {{ subject }}")
    words = Words(tmp_path)
    report = Report("01HF7", ("a@example.com",), "x\r\nCc: y", NOON, (fax(),), status=StatusReport("fax.example.com"))
    mail = report_mail(report, words, sender="f@fax.example.com", message_id="<r@x.example>", date=NOON)
    message = checked(mail)
    assert str(message["subject"]).endswith("Bcc: victim@example.org body x Cc: y")
