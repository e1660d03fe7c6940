"""When two mails are one: the repeat after a lost 250, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.email_to_fax.repeats import MailDigest

MAIL = b"Received: from a\r\n\tby b; now\r\nFrom: a@b\r\nMessage-ID: <1@b>\r\nSubject: x\r\n\r\nbody\r\n"


def key(
    mail: bytes, *, mail_from: str = "a@b", number: str = "90", client: str = "c", cuts: tuple[int, ...] = ()
) -> str:
    digest = MailDigest()
    for start, end in zip((0, *cuts), (*cuts, len(mail)), strict=True):
        digest.update(mail[start:end])
    return digest.key(mail_from=mail_from, number=number, client=client)


def test_the_same_mail_by_another_hop_is_a_repeat() -> None:
    """Trace headers differ at each try, and the relay may be another machine."""
    again = MAIL.replace(b"from a\r\n\tby b; now", b"from c\r\n by d; later").replace(b"Received", b"RECEIVED")
    assert key(MAIL) == key(b"Return-Path: <a@b>\r\n" + again, client="other")


@pytest.mark.parametrize(
    "changed",
    [
        MAIL.replace(b"body", b"Body"),
        MAIL.replace(b"<1@b>", b"<2@b>"),
        MAIL.replace(b"Subject: x", b"Subject: y"),
        MAIL + b"\r\n",
    ],
)
def test_a_mail_that_differs_is_another_mail(changed: bytes) -> None:
    """Sent again on purpose it has a new Message-ID, or something was changed."""
    assert key(MAIL) != key(changed)


def test_another_sender_or_number_is_another_fax() -> None:
    """Per recipient."""
    assert len({key(MAIL), key(MAIL, mail_from="x@b"), key(MAIL, number="91")}) == 3


def test_without_a_message_id_only_the_same_bytes_from_the_same_client_count() -> None:
    """Old scanners write none, and two scans of an empty page are two faxes only by their bytes."""
    bare = MAIL.replace(b"Message-ID: <1@b>\r\n", b"")
    assert key(bare) == key(bare)
    assert key(bare) != key(bare, client="other")
    assert key(bare) != key(bare.replace(b"now", b"later"))


@given(st.lists(st.integers(0, len(MAIL)), max_size=6))
def test_the_key_does_not_depend_on_how_the_bytes_came(cuts: list[int]) -> None:
    """Chunks of any size, also through the end of the header."""
    assert key(MAIL, cuts=tuple(sorted(cuts))) == key(MAIL)


def test_an_endless_header_costs_no_endless_memory() -> None:
    """It is compared whole."""
    long = b"X: " + b"y" * 1_000_000 + b"\r\nMessage-ID: <1@b>\r\n\r\n"
    assert key(long) == key(long)
    assert key(long) != key(long, client="other")
