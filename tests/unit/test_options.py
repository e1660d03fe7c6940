"""What a sender asks for beside the number: how it is written, understood, and refused."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.email_to_fax.options import FaxOptions, LocalPart, OptionFault, read_address, read_header
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.send_time import DAY_MS, Clock
from fax_bridge.fax import Instant
from fax_bridge.wall_clock import at_zone, instant_of

ISTANBUL, BERLIN = ZoneInfo("Europe/Istanbul"), ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = ISTANBUL) -> Instant:
    when = datetime.fromisoformat(text)
    return instant_of(when if when.tzinfo else when.replace(tzinfo=zone))


NOON = Clock(ISTANBUL, at("2026-11-25T12:00:30"), 30 * DAY_MS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("08:00", "2026-11-26T08:00"),
        ("0800", "2026-11-26T08:00"),
        ("12:01", "2026-11-25T12:01"),
        ("12:00", "2026-11-25T12:00:30"),  # this very minute is now
        ("11:59", "2026-11-26T11:59"),
        ("2026-11-26T08:00", "2026-11-26T08:00"),
        ("2026-11-26t0800", "2026-11-26T08:00"),
        ("20261126T080015", "2026-11-26T08:00:15"),
        ("2026-11-26 08:00", "2026-11-26T08:00"),
        ("2026-11-26T08:00:01.250000+03:00", "2026-11-26T08:00:01.250"),
        ("2026-11-26T08:00Z", "2026-11-26T11:00"),
        ("20261126T0800+0100", "2026-11-26T10:00"),
        ("2026-11-26T08:00-05:30", "2026-11-26T16:30"),
        ("2026-11-25T11:00", "2026-11-25T12:00:30"),  # past is now
        ("1970-01-01T00:00Z", "2026-11-25T12:00:30"),
        ("2026-12-25T12:00:30", "2026-12-25T12:00:30"),
    ],
)
def test_a_time_can_be_written_in_these_ways(written: str, meant: str) -> None:
    """In the header; what is legal in an address means the same there."""
    assert read_header([("x-fax-send-at", f" {written} ")], NOON) == FaxOptions(send_at=at(meant))
    assert read_address(LocalPart.read(f"902163334455+at={written}"), NOON) == FaxOptions(send_at=at(meant))


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        *((text, "bad_send_at") for text in ("", "8", "8:00", "24:00", "0860", "tomorrow", "2026-11-26", "20261126",
                                             "2026-02-30T08:00", "2026-11-26T25:00", "2026-W48-4T08:00", "٠٨٠٠",
                                             "2026-11-26T08:00+99:00", "0000-01-01T00:00", "0001-01-01T00:00+14:00")),
        ("2026-12-25T12:00:31", "send_at_too_far"),
        ("9999-12-31T23:59", "send_at_too_far"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_what_to_write(written: str, reason: str) -> None:
    """The reply is ASCII and tells the spelling, or the limit."""
    with pytest.raises(OptionFault) as fault:
        read_header([("x-fax-send-at", written)], NOON)
    assert fault.value.reason == reason
    assert str(fault.value).isascii()
    assert ("write 0800" if reason == "bad_send_at" else "more than 30 days ahead") in str(fault.value)


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(text: str) -> None:
    """Read while a client waits, and from any header there is."""
    try:
        options = read_header([("x-fax-send-at", text)], NOON)
    except OptionFault:
        return
    assert options.send_at is not None
    assert NOON.at <= options.send_at <= NOON.at + NOON.within


@pytest.mark.parametrize(
    ("now", "written", "meant"),
    [
        ("2026-03-28T12:00", "02:30", "2026-03-29T01:00+00:00"),  # skipped: the instant of the skip
        ("2026-10-24T12:00", "02:30", "2026-10-25T00:30+00:00"),  # shown twice: the first
        ("2026-10-25T00:45+00:00", "02:30", "2026-10-25T01:30+00:00"),  # that is over, so the second
    ],
)
def test_a_time_at_which_clocks_change(now: str, written: str, meant: str) -> None:
    """Berlin, last Sundays of March and October."""
    clock = Clock(BERLIN, at(now, BERLIN), 30 * DAY_MS)
    asked = read_header([("x-fax-send-at", written)], clock).send_at
    assert asked is not None
    assert at_zone(asked, ZoneInfo("UTC")) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    ("local", "number", "options"),
    [
        ("902163334455", "902163334455", ()),
        ("+902163334455", "+902163334455", ()),
        ("+90-216+at=0800", "+90-216", ("at=0800",)),
        ('"90216+at=2026-11-26T08:00"', "90216", ("at=2026-11-26T08:00",)),
        ("90216+at=20261126T0800+0300+fine", "90216", ("at=20261126T0800+0300", "fine")),
        ("90216+", "90216+", ()),
    ],
)
def test_a_plus_before_a_letter_begins_an_option(local: str, number: str, options: tuple[str, ...]) -> None:
    """The plus of an international number and that of a zone do not."""
    assert LocalPart.read(local) == LocalPart(number, options)


def test_an_unknown_option_and_one_that_is_there_twice_are_refused() -> None:
    """What was asked for is never passed over in silence."""
    with pytest.raises(OptionFault, match=r'"\+fast" is no option; there are normal, fine, superfine, a4, letter,'):
        read_address(LocalPart.read("90216+fast"), NOON)
    with pytest.raises(OptionFault, match='"res" is there twice'):
        read_address(LocalPart.read("90216+fine+superfine"), NOON)
    with pytest.raises(OptionFault, match='"at" is there twice'):
        read_address(LocalPart.read("90216+at=0800+AT=0900"), NOON)
    with pytest.raises(OptionFault, match="there twice"):
        read_header([("x-fax-send-at", "0800"), ("x-fax-send-at", "0900")], NOON)


def test_the_mails_own_fax_fields_are_read_in_any_case() -> None:
    """Each of them, decoded; those that are no options of ours are not fatal."""
    mail = read_mail(b"x-FAX-send-AT:  08:00\r\nX-Fax-Colour: =?utf-8?q?k=C4=B1rm=C4=B1z=C4=B1?=\r\nX-Fox: no\r\n\r\nx")
    assert mail.fax_fields == (("x-fax-send-at", "08:00"), ("x-fax-colour", "kırmızı"))
    assert read_header(mail.fax_fields, NOON).send_at == at("2026-11-26T08:00")
