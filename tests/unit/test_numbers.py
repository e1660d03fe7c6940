"""Numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.numbers import BadNumber, digits_or_none, read_number, shown


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("02162222525", "902162222525"),
        ("+902162222525", "902162222525"),
        ("902162222525", "902162222525"),
        ("00902162222525", "902162222525"),
        ("2162222525", "902162222525"),
        ("0216.222-25.25", "902162222525"),
        ("(0216) 222 25 25", "902162222525"),
        ("4449876", "904449876"),
        ("08501234567", "908501234567"),
        ("442071234567", "442071234567"),
        ("0044 20 7123 4567", "442071234567"),
        ("902160000013", "902160000013"),
    ],
)
def test_every_usual_spelling_is_read_as_the_same_number(written: str, digits: str) -> None:
    """0216…, +90216…, 90216… and 0090216… with dots and dashes mean one number."""
    assert read_number(written, "TR") == digits


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "no number before the @"),
        ("ayse", "not a telephone number"),
        ("112", "too short"),
        ("12345678901234567890", "not a telephone number"),
        ("00999123456789", "no such country code"),
        ("004400902163335", "not a possible number"),
        ("0216\r\nRCPT", "not a telephone number"),
        ("٠٢١٦٢٢٢٢٥٢٥", "not a telephone number"),
    ],
)
def test_what_is_no_possible_number_is_refused_with_the_reason(written: str, why: str) -> None:
    """The words stand in an SMTP reply: they are ASCII and name what is wrong."""
    with pytest.raises(BadNumber, match=why) as refusal:
        read_number(written, "TR")
    assert str(refusal.value).isascii()
    assert "\n" not in str(refusal.value)


def test_the_region_decides_how_a_national_number_is_read() -> None:
    """numbers.region is the setting for a site outside of Turkey."""
    assert read_number("020 7123 4567", "GB") == "442071234567"


def test_a_withheld_caller_is_no_number() -> None:
    """What a network writes for a withheld number must not become an address."""
    assert digits_or_none("Anonymous", "TR") is None
    assert digits_or_none(None, "TR") is None
    assert digits_or_none("02162222525", "TR") == "902162222525"


def test_a_number_is_shown_as_it_is_dialled() -> None:
    """Reports show the international format."""
    assert shown("902162222525") == "+90 216 222 25 25"


@given(st.text(max_size=30) | st.text("+0123456789 .-()/", max_size=24), st.sampled_from(["TR", "US", "DE"]))
def test_no_text_is_more_than_refused(text: str, region: str) -> None:
    """Digits of a possible number come out, or a reason that fits into an SMTP reply."""
    said = digits = ""
    try:
        digits = read_number(text, region)
    except BadNumber as fault:
        said = str(fault)
    assert said.isascii()
    assert said.isprintable()
    assert bool(said) != bool(digits)
    if digits:
        assert digits.isascii()
        assert digits.isdigit()
        assert len(digits) <= 20  # the column's
        assert read_number("+" + digits, region) == digits
