"""Quiet hours: from any instant to the earliest one allowed, in zones that put their clocks forward and back."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fax_bridge.fax import Instant
from fax_bridge.quiet_hours import AT_ONCE, HORIZON_MS, QuietHours, Schedule, earliest
from fax_bridge.wall_clock import at_zone, instant_of, shown_by

NUMBER = "902163334455"
ISTANBUL, BERLIN = ZoneInfo("Europe/Istanbul"), ZoneInfo("Europe/Berlin")

ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("Europe/Istanbul", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe",
                                 "Pacific/Apia", "UTC")]
)  # fmt: skip
CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
RULES = st.builds(
    QuietHours,
    prefix=st.sampled_from(["", "90", "90216", "49"]),
    start=CLOCKS,
    end=CLOCKS,
    zone=ZONES,
    days=st.sets(st.integers(0, 6), min_size=1).map(frozenset),
)
# Weeks in which some of these zones change their clocks, and any other time.
INSTANTS = st.one_of(
    st.integers(1_262_304_000_000, 1_893_456_000_000),
    st.sampled_from(["2011-12-29", "2026-03-28", "2026-10-24", "2016-03-26", "2026-04-04", "2026-11-01"]).flatmap(
        lambda day: st.integers(0, 3 * 86_400_000).map(
            lambda ms: instant_of(datetime.fromisoformat(day + "T00:00Z")) + ms
        )
    ),
)


def utc(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


def local(text: str, zone: ZoneInfo) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=zone))


def looks_quiet(rule: QuietHours, at: Instant) -> bool:
    """What a person with a clock on the wall and a calendar would say; written apart from the code under test."""
    here = at_zone(at, rule.zone)
    today, yesterday = here.weekday() in rule.days, (here.weekday() - 1) % 7 in rule.days
    clock = here.time().replace(fold=0)
    if rule.start < rule.end:
        return today and rule.start <= clock < rule.end
    return (today and clock >= rule.start) or (yesterday and clock < rule.end)


def clocks_change_near(rule: QuietHours, at: Instant) -> bool:
    around = [at_zone(at + hours * 3_600_000, rule.zone).utcoffset() for hours in (-26, -3, 0, 3, 26)]
    return len(set(around)) > 1


@given(st.lists(RULES, max_size=4), INSTANTS)
@example([QuietHours("", time(22), time(2, 30), BERLIN)], utc("2026-10-25T00:45"))
@example([QuietHours("", time(2, 30), time(4), BERLIN)], utc("2026-03-29T00:59"))
def test_what_is_allowed_is_not_quiet_and_nothing_sooner_would_do(rules: list[QuietHours], at: Instant) -> None:
    """The answer is no quiet hour by any clock there, and every minute skipped for it is one."""
    mine = [rule for rule in rules if NUMBER.startswith(rule.prefix)]
    found = earliest(rules, NUMBER, at)
    assume(found < at + HORIZON_MS)
    assert found >= at
    assert not any(looks_quiet(rule, found) for rule in mine)
    for skipped in {at, *range(at, found, max(60_000, (found - at) // 50)), found - 1} - {found}:
        if at <= skipped < found:
            assert any(looks_quiet(rule, skipped) or clocks_change_near(rule, skipped) for rule in mine)


@given(st.lists(RULES, max_size=4), INSTANTS, st.integers(0, 5 * 86_400_000))
def test_asking_again_changes_nothing_and_later_never_means_sooner(
    rules: list[QuietHours], at: Instant, later: int
) -> None:
    """A fax that comes later never overtakes by it, and the answer is its own answer."""
    found = earliest(rules, NUMBER, at)
    assume(found < at + HORIZON_MS)
    assert earliest(rules, NUMBER, found) == found
    assert earliest(rules, NUMBER, at + later) >= found


@given(ZONES, INSTANTS, CLOCKS)
def test_a_time_of_day_is_what_clocks_show_at_its_instants(zone: ZoneInfo, at: Instant, clock: time) -> None:
    """First and last are the same but where clocks change; a skipped time is the first instant after it."""
    day = at_zone(at, zone).date()
    first, last = shown_by(day, clock, zone)
    assert first <= last
    naive = datetime.combine(day, clock)
    if at_zone(first, zone).replace(tzinfo=None, fold=0) == naive:
        assert at_zone(last, zone).replace(tzinfo=None, fold=0) == naive
    else:
        before, after = at_zone(first - 1000, zone), at_zone(first, zone)
        assert before.replace(tzinfo=None) < naive < after.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("2026-11-26T21:59", "2026-11-26T21:59"),
        ("2026-11-26T22:00", "2026-11-27T08:00"),
        ("2026-11-27T07:59", "2026-11-27T08:00"),
        ("2026-11-27T08:00", "2026-11-27T08:00"),
    ],
)
def test_over_midnight(asked: str, allowed: str) -> None:
    """From 22:00 to 08:00: the begin is quiet, the end is not."""
    night = QuietHours("90", time(22), time(8), ISTANBUL)
    assert earliest([night], NUMBER, local(asked, ISTANBUL)) == local(allowed, ISTANBUL)
    assert earliest([night], "4930123456", local(asked, ISTANBUL)) == local(asked, ISTANBUL)


def test_a_weekend_joins_its_nights() -> None:
    """Friday night, Saturday and Sunday whole, Sunday night: until Monday at eight."""
    rules = [
        QuietHours("", time(18), time(8), ISTANBUL),
        QuietHours("", time(0), time(0), ISTANBUL, days=frozenset({5, 6})),
    ]
    assert earliest(rules, NUMBER, local("2026-11-27T18:00", ISTANBUL)) == local("2026-11-30T08:00", ISTANBUL)
    assert earliest(rules, NUMBER, local("2026-11-27T17:59", ISTANBUL)) == local("2026-11-27T17:59", ISTANBUL)


def test_days_are_those_on_which_they_begin() -> None:
    """Sunday night reaches into Monday; Monday night is not meant."""
    sunday = QuietHours("", time(22), time(8), ISTANBUL, days=frozenset({6}))
    assert earliest([sunday], NUMBER, local("2026-11-30T07:00", ISTANBUL)) == local("2026-11-30T08:00", ISTANBUL)
    assert earliest([sunday], NUMBER, local("2026-11-30T23:00", ISTANBUL)) == local("2026-11-30T23:00", ISTANBUL)


@pytest.mark.parametrize(
    ("start", "end", "asked", "allowed"),
    [
        # 2026-03-29: 02:00 becomes 03:00, at 01:00 UTC. Clocks never show the end.
        (time(22), time(2, 30), "2026-03-29T00:30", "2026-03-29T01:00"),
        # Nor the begin: it is quiet from 03:00 on.
        (time(2, 30), time(4), "2026-03-29T01:00", "2026-03-29T02:00"),
        (time(2, 30), time(4), "2026-03-29T00:59", "2026-03-29T00:59"),
        # 2026-10-25: 03:00 becomes 02:00, at 01:00 UTC. The end is shown twice, and the second one counts.
        (time(22), time(2, 30), "2026-10-25T00:45", "2026-10-25T01:30"),
        # The begin is shown twice, and the first one counts.
        (time(2, 30), time(4), "2026-10-25T00:30", "2026-10-25T03:00"),
        (time(2, 30), time(4), "2026-10-25T00:29", "2026-10-25T00:29"),
    ],
)
def test_where_clocks_change_within_them(start: time, end: time, asked: str, allowed: str) -> None:
    """Times in UTC, Berlin's clocks: no minute that any clock there calls quiet is used."""
    assert earliest([QuietHours("", start, end, BERLIN)], NUMBER, utc(asked)) == utc(allowed)


def test_a_wish_yields_to_quiet_hours_unless_they_yield_to_it() -> None:
    """An explicit time of the sender's; an operator's "now" wins over all."""
    night, send_at = local("2026-11-26T23:00", ISTANBUL), local("2026-11-27T03:00", ISTANBUL)
    strict = QuietHours("", time(22), time(8), ISTANBUL)
    lax = QuietHours("", time(22), time(8), ISTANBUL, yields=True)
    morning = local("2026-11-27T08:00", ISTANBUL)
    assert Schedule((strict,)).earliest(NUMBER, send_at, night) == morning
    assert Schedule((lax,)).earliest(NUMBER, send_at, night) == send_at
    assert Schedule((lax,)).earliest(NUMBER, None, night) == morning
    assert Schedule((lax, strict)).earliest(NUMBER, send_at, night) == morning
    assert Schedule((strict,)).earliest(NUMBER, AT_ONCE, night) == night
    assert Schedule().earliest(NUMBER, send_at, night) == send_at


def test_rules_that_leave_no_time_are_found() -> None:
    """Each may be sound by itself; for the numbers that both hold for there is nothing left."""
    day, night = (QuietHours(prefix, time(a), time(b), ISTANBUL) for prefix, a, b in (("90", 8, 20), ("", 20, 8)))
    at = utc("2026-11-26T12:00")
    assert Schedule((day, night)).without_time(at) == ["90"]
    assert Schedule((night,)).without_time(at) == []
    assert at_zone(earliest([day, night], NUMBER, at), ISTANBUL) > at_zone(at, ISTANBUL) + timedelta(days=14)
