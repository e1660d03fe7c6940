"""Numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.numbers import BadNumber, Kind, digits_or_none, kind_of, read_number, shown


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
        ("112", "an emergency number"),
        ("0155", "an emergency number"),
        ("11880", "a short code"),
        ("3210", "too short"),
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


def test_what_can_be_two_numbers_is_refused_with_both() -> None:
    """Adana or Brussels: a guess could send a medical report to a stranger."""
    with pytest.raises(BadNumber) as refusal:
        read_number("3222345678", "TR")
    assert str(refusal.value) == (
        '"3222345678" can be +90 322 234 56 78 (TR) or +32 2 234 56 78 (BE); write it with its country code and a +'
    )
    assert read_number("03222345678", "TR") == "903222345678"
    assert read_number("+3222345678", "TR") == "3222345678"


def test_a_machine_s_number_is_read_the_likelier_way() -> None:
    """A push with it is taken, not quarantined: nobody could be asked."""
    assert digits_or_none("3222345678", "TR") == "903222345678"


@pytest.mark.parametrize(
    ("digits", "kind"),
    [
        ("902162222525", Kind.ORDINARY),
        ("905321234567", Kind.ORDINARY),
        ("904449876", Kind.ORDINARY),
        ("908501234567", Kind.ORDINARY),
        ("908001234567", Kind.ORDINARY),
        ("442071234567", Kind.ORDINARY),
        ("909001234567", Kind.PREMIUM),
        ("908881234567", Kind.PREMIUM),
        ("19005551234", Kind.PREMIUM),
        ("979123456789", Kind.PREMIUM),
        ("4918055555", Kind.SHARED_COST),
        ("447012345678", Kind.PERSONAL),
        ("870773111632", Kind.SATELLITE),
        ("881612345678", Kind.SATELLITE),
        ("882161234567", Kind.SATELLITE),
        ("8835100123456", Kind.SATELLITE),
        ("49110", Kind.SHORT),
    ],
)
def test_what_costs_or_harms_is_known(digits: str, kind: Kind) -> None:
    """0900 costs; 444 xxxx and 0850 are usual business numbers in Turkey."""
    assert kind_of(digits) == kind


@pytest.mark.parametrize("digits", ["90900123456", "9090012345678", "49900112233"])
def test_an_unassigned_number_of_a_costly_range_costs_too(digits: str) -> None:
    """Too short or too long for today's plan, it may be assigned tomorrow, or be cut by the network."""
    assert kind_of(digits) == Kind.PREMIUM
