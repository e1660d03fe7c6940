"""What bounces of real servers say, and what is none; and the tokens in the addresses that they come to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fax_bridge.mail.bounce import UNNAMED, read_bounce
from fax_bridge.signed_tokens import Claim, SignedTokens

POSTFIX = b"""\
Return-Path: <>
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4B1"

--4B1
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--4B1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
X-Postfix-Queue-ID: 4B1

Final-Recipient: rfc822; reception@mail.example.com
Original-Recipient: rfc822;reception@example.com
Action: %s
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

Final-Recipient: rfc822; archive@example.com
Action: delivered
Status: 2.0.0

--4B1
Content-Type: message/rfc822

Subject: Gelen faks

body
--4B1--
"""

EXCHANGE = b"""\
Subject: =?utf-8?B?VGVzbGltIGVkaWxlbWVkaQ==?=
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: multipart/alternative; boundary="y"

--y
Content-Type: text/html

<p>no</p>
--y--
--x
Content-Type: message/delivery-status

Reporting-MTA: dns;EX1.example.com

Final-recipient: RFC822;reception@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found

--x--
"""

QMAIL = b"""\
From: MAILER-DAEMON@example.com
Subject: failure notice

Hi. This is the qmail-send program at example.com.
<reception@example.com>:
user does not exist
"""


def crlf(mail: bytes) -> bytes:
    return mail.replace(b"\n", b"\r\n")


def test_a_failure_names_the_recipient_as_we_wrote_it_and_the_cause() -> None:
    """The original recipient where there is one; the one that was delivered is no failure."""
    (failure,) = read_bounce(crlf(POSTFIX % b"failed"))
    assert (failure.recipient, failure.detail) == ("reception@example.com", "5.2.2 552 5.2.2 mailbox full")
    (failure,) = read_bounce(crlf(EXCHANGE))
    assert failure.recipient == "reception@example.com"
    assert "RecipNotFound; not found" in failure.detail


@pytest.mark.parametrize("action", [b"delayed", b"delivered", b"relayed", b"expanded", b"Delivered (to the mailbox)"])
def test_what_is_on_its_way_or_arrived_is_no_failure(action: bytes) -> None:
    """A warning after four hours must not send the fax to a second mailbox."""
    assert read_bounce(crlf(POSTFIX % action)) == ()


def test_a_bounce_without_a_machines_part_is_a_failure_without_a_name() -> None:
    """qmail's, and a report that is cut off before its status."""
    (failure,) = read_bounce(crlf(QMAIL))
    assert (failure.recipient, failure.detail) == ("", "failure notice")
    assert read_bounce(crlf(POSTFIX.partition(b"Content-Description")[0])) == (UNNAMED,)


def test_an_answering_machine_and_a_read_receipt_are_no_failures() -> None:
    """RFC 3834, RFC 8098."""
    assert read_bounce(b"Auto-Submitted: auto-replied (vacation)\r\nSubject: away\r\n\r\nback on Monday") == ()
    receipt = b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b--\r\n"
    assert read_bounce(receipt) == ()


def test_a_bounce_cut_off_in_the_mail_that_it_gives_back_is_read_all_the_same() -> None:
    """Only the head of a bounce is kept."""
    mail = crlf(POSTFIX % b"failed")
    assert read_bounce(mail[: mail.index(b"message/rfc822")])[0].recipient == "reception@example.com"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 900), st.integers(0, 900))
def test_no_bytes_break_the_reading_of_a_bounce(noise: bytes, start: int, length: int) -> None:
    """Anything may be written to an address that stands in mails."""
    mail = crlf(POSTFIX % b"failed")
    for failure in read_bounce(mail[:start] + noise + mail[start + length :]):
        assert "\n" not in failure.recipient + failure.detail
        assert len(failure.recipient) <= 320


# --- tokens ------------------------------------------------------------------------------------------

TOKENS = SignedTokens(b"k" * 32)
CLAIM = Claim("01HF7YAT31JZHSMW1DA8S1XZ7M", 3, 1_795_000_000_000)
BEFORE = CLAIM.until - 1


def test_a_token_says_what_it_was_made_for_until_its_time_is_over() -> None:
    """Whatever a mail server makes of its letters' case; not a moment longer."""
    token = TOKENS.make("bounce", CLAIM)
    assert len(f"bounce+{token}") <= 64  # RFC 5321 §4.5.3.1.1
    assert TOKENS.read("bounce", token, BEFORE) == CLAIM
    assert TOKENS.read("bounce", token.upper(), BEFORE) == CLAIM
    assert TOKENS.read("bounce", token, CLAIM.until) is None


def test_a_token_of_one_purpose_or_of_another_key_is_none() -> None:
    """Who got a bounce address has no link."""
    assert TOKENS.read("link", TOKENS.make("bounce", CLAIM), BEFORE) is None
    assert SignedTokens(b"x" * 32).read("link", TOKENS.make("link", CLAIM), BEFORE) is None


@settings(max_examples=300)
@given(st.text(max_size=80))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    """And none breaks its reading."""
    assert TOKENS.read("link", text, BEFORE) is None


@given(st.integers(0, 51), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_changed_token_is_none(place: int, letter: str) -> None:
    """Each letter counts, but for bits that base32 itself leaves unused in the last one."""
    token = TOKENS.make("bounce", CLAIM)
    changed = token[:place] + letter + token[place + 1 :]
    assert TOKENS.read("bounce", changed, BEFORE) == (CLAIM if changed[:51] == token[:51] else None) or place == 51
