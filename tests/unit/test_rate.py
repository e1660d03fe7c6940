"""The rate of an account: one shared instant stands for all that was taken before."""

from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.store.rate import BURST_MS, SKEW_MS, Rate

RATES = st.integers(1, 6000)
START = 1_790_000_000_000


@given(RATES, st.lists(st.integers(0, 20_000), min_size=1, max_size=200))
def test_no_minute_holds_more_than_the_rate_and_a_second_of_it(per_minute: int, pauses: list[int]) -> None:
    """Whoever asks whenever, taking all that is free; up to 60 a minute it is exactly the rate."""
    rate = Rate(per_minute)
    at, next_at, taken = START, 0, list[int]()
    for pause in pauses:
        at += pause
        free = rate.free(next_at, at)
        next_at = rate.taken(next_at, at, free)
        taken += [at] * free
    most = per_minute + rate.burst - 1
    assert all(sum(begin <= one < begin + 60_000 for one in taken) <= most for begin in set(taken))
    assert rate.burst == 1 if per_minute <= 60 else rate.burst <= per_minute * BURST_MS / 60_000


@given(RATES, st.integers(0, 50))
def test_whoever_comes_at_the_instant_that_was_named_may_take_one(per_minute: int, taken: int) -> None:
    """The wait is exact: not a moment earlier, and never in vain."""
    rate = Rate(per_minute)
    next_at = rate.taken(0, START, min(taken, rate.burst))
    due = rate.free_at(next_at, START)
    assert rate.free(next_at, due) >= 1
    assert due == START or rate.free(next_at, due - 1) == 0


def test_at_its_pace_nobody_waits() -> None:
    """Ten a minute is one each six seconds, for ever."""
    rate = Rate(10)
    next_at = 0
    for n in range(100):
        at = START + n * 6000
        assert rate.free(next_at, at) == 1
        next_at = rate.taken(next_at, at, 1)
        assert rate.free(next_at, at + 5999) == 0


def test_a_clock_that_was_set_back_is_not_waited_for() -> None:
    """An hour back would else be an hour in which nothing goes."""
    rate = Rate(10)
    next_at = rate.taken(0, START, 1)
    assert rate.free_at(next_at, START - 3_600_000) <= START - 3_600_000 + rate.interval + SKEW_MS
