"""What a hostile or broken mail may cost: reading it never fails, and never takes longer than its limits."""

import random
import time
from pathlib import Path

import pytest

from fax_bridge.email_to_fax.mail_part import Plan
from fax_bridge.email_to_fax.read import MAX_PARTS, read_mail

MAILS = sorted((Path(__file__).parents[1] / "data" / "mails").glob("*.eml"))
HEAD = b"Subject: konu\r\nMIME-Version: 1.0\r\n"
SECONDS = 8.0
"""For the largest of these on a slow machine; without the limits each would take minutes."""


def nested(levels: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(levels)
    )


BOMBS = {
    "lines in deep containers": HEAD + nested(300) + b"\r\n" + b"--x\r\n" * 2_000_000,
    "parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
    "mails in mails": HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "comments in the address": HEAD + b"From: " + b"(" * 500_000 + b"\r\n\r\nx",
    "parameters": HEAD + b"Content-Type: text/plain" + b";" * 3_000_000 + b"\r\n\r\nx",
    "continued names": HEAD
    + b"Content-Disposition: attachment; "
    + b"; ".join(b"filename*%d*=''x" % number for number in range(200_000))
    + b"\r\n\r\n%PDF-",
    "encoded words": HEAD + b"Subject: " + b"=?utf-8?q?a?=\r\n " * 700_000 + b"\r\n\r\nx",
    "flowing lines": HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"x \r\n" * 3_000_000,
    "padding": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUI=\r\n" * 1_000_000,
    "boundary": HEAD + b'Content-Type: multipart/mixed; boundary="' + b"a" * 999_999 + b'"\r\n\r\n--' + b"a" * 999_998,
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_read_within_its_limits(bomb: str) -> None:
    """None of them holds up the mails behind it."""
    began = time.monotonic()
    assert read_mail(BOMBS[bomb]).parts
    assert time.monotonic() - began < SECONDS


def test_a_thousand_parts_are_read_and_one_more_refuses_the_mail() -> None:
    """What is beyond the limit is not dropped in silence."""
    container = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    whole = read_mail(container + b"--b\r\n\r\nx\r\n" * MAX_PARTS)
    assert [part.plan for part in whole.parts] == [Plan.BODY] * MAX_PARTS
    more = read_mail(container + b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 1))
    assert (more.parts[-1].plan, more.parts[-1].reason) == (Plan.REFUSED, "bad_mime")


def mutated(content: bytes, dice: random.Random) -> bytes:
    """A few things that go wrong on the way: bytes changed, pieces lost, doubled, or from elsewhere."""
    data = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data))
        length = dice.choice((1, 4, 60, 700))
        match dice.randrange(5):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                data[at : at + length] = dice.randbytes(length)
            case 4:
                other = dice.choice(MAILS).read_bytes()
                start = dice.randrange(len(other))
                data[at:at] = other[start : start + length]
        if not data:
            break
    return bytes(data)


def test_damaged_mails_are_read_and_every_part_has_a_plan() -> None:
    """Thousands of mutations, the same in each run: no exception, no part without a plan, no time to speak of."""
    dice = random.Random(20261125)  # noqa: S311 — the same mutations each time
    contents = [path.read_bytes() for path in MAILS]
    began = time.monotonic()
    for _ in range(3000):
        content = mutated(dice.choice(contents), dice)
        started = time.monotonic()
        mail = read_mail(content)
        assert time.monotonic() - started < 2
        assert mail.parts
        assert len({part.section for part in mail.parts}) == len(mail.parts)
        assert all(part.reason for part in mail.parts if part.plan in {Plan.LEFT_OUT, Plan.REFUSED})
        if time.monotonic() - began > 15:
            break
