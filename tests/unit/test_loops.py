"""Answers of robots, bounces and circles are refused; what machines write of their own accord is not."""

import time

import pytest

from fax_bridge.email_to_fax.loops import MOST_HOPS, refusal_of

INVITATION = (
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nJa\r\n--b\r\n"
    b"Content-Type: text/calendar; charset=utf-8;\r\n\tmethod=%b\r\n\r\nBEGIN:VCALENDAR\r\n--b--\r\n"
)
FORWARDED = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n" + INVITATION


def refused(mail: bytes) -> str | None:
    return refusal_of(mail.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n", mail)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"Auto-Submitted: auto-replied\r\n", "550 5.7.1 an automatic reply"),
        (b"AUTO-SUBMITTED: Auto-Replied; owner-email=a@b\r\n", "550 5.7.1 an automatic reply"),
        (b"Auto-Submitted:\r\n auto-replied\r\n", "550 5.7.1 an automatic reply"),
        (b"X-Autoreply: yes\r\n", "550 5.7.1 an automatic reply"),
        (b"Precedence: auto_reply\r\n", "550 5.7.1 an automatic reply"),
        (b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n", "550 5.7.1 a delivery or"),
        (b"Content-Type: multipart/report;\r\n\treport-type=disposition-notification\r\n", "550 5.7.1 a delivery or"),
        (b"Content-Type: text/calendar; method=REPLY\r\n", "550 5.7.1 an answer to an invitation"),
        (b"X-MS-Exchange-Inbox-Rules-Loop: ayse@example.com\r\n", "550 5.4.6 this mail went round by an inbox rule"),
        (b"X-Fax-Bridge-Id: 01ABC\r\n", "550 5.4.6 this mail was written by a fax gateway"),
        (b"Received: from a by b\r\n" * (MOST_HOPS + 1), "550 5.4.6 this mail has gone through"),
    ],
)
def test_robots_answers_and_circles_are_refused_with_words(header: bytes, words: str) -> None:
    """At SMTP time: nobody gets a mail about it."""
    told = refused(b"From: a@b\r\n" + header + b"Subject: x\r\n\r\nbody\r\n")
    assert told is not None
    assert told.startswith(words)
    assert told.isascii()


@pytest.mark.parametrize(
    "header",
    [
        b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n",
        b"Auto-Submitted: no\r\n",
        b"Precedence: list\r\nList-Id: <x.example.com>\r\n",
        b"Content-Type: multipart/mixed; boundary=report\r\n",
        b"Content-Type: text/calendar; method=REQUEST\r\n",
        b"X-Auto-Response-Suppress: All\r\n",
        b"Received: from a by b\r\n" * MOST_HOPS,
        b"Subject: Auto-Submitted: auto-replied\r\n",
        b"X-Note: a\r\n Auto-Submitted: auto-replied\r\n",
    ],
)
def test_what_machines_write_of_their_own_accord_is_welcome(header: bytes) -> None:
    """An ERP's invoice is bulk mail and is to be faxed."""
    assert refused(b"From: a@b\r\n" + header + b"\r\nAuto-Submitted: auto-replied\r\n") is None


def test_an_answer_to_an_invitation_is_found_in_its_part_but_not_in_a_forwarded_mail() -> None:
    """Outlook wraps it into alternatives; a person who forwards one means it."""
    assert refused(INVITATION % b"REPLY")
    assert refused(INVITATION % b'"COUNTER"')
    assert refused(INVITATION % b"REQUEST") is None
    assert refused(FORWARDED % b"REPLY") is None


def test_lines_that_end_in_lf_alone_hide_nothing() -> None:
    """Such a mail's header has no end in CRLF."""
    mail = b"From: a@b\nAuto-Submitted: auto-replied\n\nbody\n"
    assert refusal_of(mail, mail)
    assert refusal_of(b"From: a@b\n\nAuto-Submitted: auto-replied\n", b"") is None


def test_a_huge_header_is_looked_through_in_no_time() -> None:
    """Whatever is in it: no expression that grows with its square."""
    for filler in (b"X-A: b\r\n", b"Content-Type:\r\n ", b"\r\n\t", b"received" * 8 + b"\r\n", b"a" * 50):
        header = (filler * (262_144 // len(filler)))[:262_144]
        begun = time.perf_counter()
        refusal_of(header, b"Content-Type: multipart/x\r\n" + header)
        assert time.perf_counter() - begun < 0.5
