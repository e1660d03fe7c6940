"""What a sender asks for beside the number: how it is written, understood, and refused."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.email_to_fax.options import (
    FaxOptions,
    LocalPart,
    OptionFault,
    bare_subject,
    read_address,
    read_header,
    read_subject,
    unknown_fields,
)
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.send_time import DAY_MS, Clock
from fax_bridge.fax import Instant, Paper, Resolution
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


FINE = FaxOptions(resolution=Resolution.FINE)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ("+fine", FINE),
        ("+FINE", FINE),
        ("+res=fine", FINE),
        ("+resolution=Fine", FINE),
        ("+normal", FaxOptions(resolution=Resolution.NORMAL)),
        ("+superfine+nocover+a4", FaxOptions(resolution=Resolution.SUPERFINE, cover="off", paper=Paper.A4)),
        ("+letter+cover", FaxOptions(paper=Paper.LETTER, cover="on")),
        ("+paper=LEGAL+cover=with-text", FaxOptions(paper=Paper.LEGAL, cover="with_text")),
        ("+cli=0216-222.25.26", FaxOptions(cli="902162222526")),
        ("+Again", FaxOptions(again=True)),
        ("+again+fine", FaxOptions(again=True, resolution=Resolution.FINE)),
        ("+cli=+902162222526+fine", FaxOptions(cli="902162222526", resolution=Resolution.FINE)),
    ],
)
def test_options_can_be_written_in_an_address_in_these_ways(options: str, meant: FaxOptions) -> None:
    """And the same, with blanks, commas or semicolons between them, at the end of a subject."""
    assert read_address(LocalPart.read(f"902163334455{options}"), NOON) == meant
    written = options.replace("=+", "=00").replace("+", " ").replace("=00", "=+").strip()
    assert read_subject(f"Offer [fax: {written}]", NOON) == ("Offer", meant)
    assert read_subject(f"Offer [FAX:{written.replace(' ', ' ;, ')} ]  ", NOON) == ("Offer", meant)


@pytest.mark.parametrize(
    "subject",
    ["Offer", "[fax: fine] Offer", "Offer [fax]", "Offer [fax: ]", "Offer [fax: [fine]]", "Offer (fax: fine)",
     "[fax fine]", "Offer [fax: fine] (2)", "", "]", "["],
)  # fmt: skip
def test_a_subject_without_a_whole_bracket_at_its_end_is_left_alone(subject: str) -> None:
    """People write about faxes too."""
    assert read_subject(subject, NOON) == (subject, FaxOptions())
    assert bare_subject(subject) == subject


@pytest.mark.parametrize(
    "written", ["best", "res=best", "3 pages", "fine fine", "at=25:00", "paper=", "=", "send=0800"]
)
def test_a_bracket_that_cannot_be_granted_is_refused_and_still_taken_off(written: str) -> None:
    """The sender hears of it with the subject that was meant."""
    with pytest.raises(OptionFault):
        read_subject(f"Offer [fax: {written}]", NOON)
    assert bare_subject(f"Offer [fax: {written}]") == "Offer"


def test_again_is_a_persons_word_about_one_mail() -> None:
    """It has no value and is no header field, which would stay in a template, or be put on a signed mail by others."""
    with pytest.raises(OptionFault):
        read_address(LocalPart.read("902163334455+again=yes"), NOON)
    assert read_header([("x-fax-again", "yes")], NOON) == FaxOptions()
    assert unknown_fields([("x-fax-again", "yes")]) == ["x-fax-again"]
    assert FaxOptions(again=True).kept() == {"again": "yes"}


def test_header_fields_say_the_same_and_others_are_named() -> None:
    """Each of the five; what other gateways read is not fatal."""
    given = [
        ("x-fax-resolution", " Superfine "), ("x-fax-paper", "a4"), ("x-fax-cover", "Never"),
        ("x-fax-cli", "+90 216 222 25 26"), ("x-fax-priority", "high"), ("x-fax-priority", "low"),
    ]  # fmt: skip
    asked = read_header(given, NOON)
    assert asked.kept() == {
        "resolution": "superfine", "paper_size": "A4", "cover": "never", "cli": "902162222526",
    }  # fmt: skip
    assert unknown_fields(given) == ["x-fax-priority"]


def test_the_nearer_wish_wins_and_the_farther_fills_up() -> None:
    """Address over subject over header, field by field."""
    of_header = FaxOptions(resolution=Resolution.NORMAL, paper=Paper.LEGAL, cover="off")
    of_subject = FaxOptions(resolution=Resolution.FINE, cli="902162222526")
    assert of_subject.over(of_header) == FaxOptions(
        resolution=Resolution.FINE, paper=Paper.LEGAL, cover="off", cli="902162222526"
    )


@pytest.mark.parametrize(
    ("written", "number", "target"),
    [
        ("FAX=+902163334455", "+902163334455", ""),
        ("fax=+90-216-333.44.55", "+90-216-333.44.55", ""),
        ("FAX=902163334455/", "902163334455", ""),
        ("book-12", "", "book-12"),
        ("Contact-A_b-3", "", "contact-A_b-3"),
        ("LIST", "", "list"),
        ("list-1", "list-1", ""),
        ("book-", "book-", ""),
        ("0216/3334455", "0216/3334455", ""),
    ],
)
def test_each_dialect_of_an_address_is_known(written: str, number: str, target: str) -> None:
    """With options behind it as ever; an id keeps its letters as they are."""
    assert LocalPart.read(f"{written}+fine") == LocalPart(number, ("fine",), target)


@pytest.mark.parametrize("qualifier", ["T33S=1234", "t33s=1", "ISUB=7", "POST=1", "x"])
def test_a_qualifier_that_faxmax_has_no_place_for_is_named(qualifier: str) -> None:
    """A fax without its sub-address would come out at somebody else's desk (RFC 3192 §2)."""
    with pytest.raises(OptionFault, match=f'"/{qualifier}" cannot be told to FaxMAX'):
        LocalPart.read(f"FAX=+902163334455/{qualifier}")


OPTION_LIKE = st.lists(
    st.sampled_from(
        ["+", "=", "[", "]", "fax:", "FAX=", "/", "fine", "cover", "at", "cli", "book-", "90216", " ", ";", "ş"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@given(OPTION_LIKE)
def test_no_address_and_no_subject_are_more_than_refused(text: str) -> None:
    """Read while a client waits, and from any mail there is; the words are fit for an SMTP reply."""
    said = ""
    try:
        local = LocalPart.read(text)
        assert local.target == "" or local.number == ""
        read_address(local, NOON)
    except OptionFault as fault:
        said = str(fault)
    assert said.isascii()
    assert "\n" not in said
    assert len(said) < 300
    try:
        subject, _ = read_subject(text, NOON)
    except OptionFault:
        subject = bare_subject(text)
    assert text.startswith(subject)


def test_a_long_subject_costs_no_time() -> None:
    """A regular expression that tries again at each blank would take minutes."""
    started = time.perf_counter()
    bare_subject("x [fax: a" + " " * 100_000)
    bare_subject("[fax:" * 50_000)
    assert time.perf_counter() - started < 1
