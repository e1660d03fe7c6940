"""The breaker: an outage costs a probe now and then, not every fax a try."""

from fax_bridge.faxmax.breaker import FIRST, LONGEST, TRIPS_AT, Breaker


def tripped() -> Breaker:
    breaker = Breaker()
    for _ in range(TRIPS_AT):
        assert breaker.begin(0)
        breaker.failed(0)
    return breaker


def test_a_few_failures_are_bad_luck() -> None:
    """Below the limit everything goes, and one success forgets them."""
    breaker = Breaker()
    for _ in range(TRIPS_AT - 1):
        assert not breaker.failed(0)
    assert breaker.begin(0)
    breaker.succeeded()
    assert not breaker.failed(0)
    assert breaker.allows(0)


def test_an_outage_lets_one_probe_through_after_its_time() -> None:
    """Nothing before, one then, no second beside it."""
    breaker = tripped()
    assert not breaker.begin(FIRST * 0.7)
    assert breaker.begin(FIRST * 1.3)
    assert not breaker.begin(FIRST * 1.3)


def test_the_probes_outcome_decides() -> None:
    """A success closes it for all, a failure opens it for longer, never longer than the longest."""
    breaker = tripped()
    assert breaker.begin(FIRST * 1.3)
    assert not breaker.failed(FIRST * 1.3)
    assert not breaker.begin(FIRST * 2.5)
    for _ in range(20):
        breaker.failed(0)
    assert breaker.open_until <= LONGEST * 1.25
    assert breaker.begin(1000)
    assert breaker.succeeded()
    assert breaker.begin(1000)
    assert breaker.begin(1000)


def test_a_probe_that_was_not_sent_leaves_its_place() -> None:
    """Else the account would stand still for ever."""
    breaker = tripped()
    assert breaker.begin(100)
    breaker.abandoned()
    assert breaker.begin(100)
