"""Which ends are mailed to whom: settings, and NOTIFY over them (RFC 3461 §4.1)."""

import pytest

from fax_bridge.fax import FAX_ENDS, FaxState, RcptDsn
from fax_bridge.report_wishes import Outcomes, ReportWishes, is_shown, is_told, wants_delay

NOT_KNOWN = {FaxState.UNCONFIRMED, FaxState.UNCERTAIN}


def told(notify: str, outcomes: Outcomes = Outcomes.ALL, *, correction: bool = False) -> set[FaxState]:
    return {state for state in FAX_ENDS if is_told(state, RcptDsn(notify), outcomes, correction=correction)}


@pytest.mark.parametrize(
    ("outcomes", "ends"),
    [
        (Outcomes.ALL, FAX_ENDS),
        (Outcomes.FAILURES, FAX_ENDS - {FaxState.DELIVERED}),
        (Outcomes.NONE, set()),
    ],
)
def test_without_notify_the_setting_rules(outcomes: Outcomes, ends: set[FaxState]) -> None:
    """``failures`` is everything that a person may have to act on."""
    assert told("", outcomes) == ends


@pytest.mark.parametrize("outcomes", Outcomes)
@pytest.mark.parametrize(
    ("notify", "ends"),
    [
        ("NEVER", set()),
        ("SUCCESS", {FaxState.DELIVERED, *NOT_KNOWN}),
        ("FAILURE", {FaxState.FAILED, FaxState.CANCELLED, *NOT_KNOWN}),
        ("SUCCESS,FAILURE", FAX_ENDS),
        ("DELAY", set()),
        ("FAILURE,DELAY", {FaxState.FAILED, FaxState.CANCELLED, *NOT_KNOWN}),
    ],
)
def test_a_notify_rules_over_every_setting(notify: str, ends: set[FaxState], outcomes: Outcomes) -> None:
    """What nobody knows is told to whoever asked for either end."""
    assert told(notify, outcomes) == ends


def test_a_correction_reaches_everybody_who_may_have_been_told_otherwise() -> None:
    """NOTIFY=FAILURE: told that it failed, its sender must hear that it was delivered after all."""
    assert told("FAILURE", correction=True) == FAX_ENDS
    assert told("", Outcomes.FAILURES, correction=True) == FAX_ENDS
    assert told("NEVER", correction=True) == set()
    assert told("", Outcomes.NONE, correction=True) == set()


def test_a_report_shows_no_recipient_that_was_not_asked_for() -> None:
    """RFC 3461 §4.1; one without a NOTIFY stands beside those that are told."""
    assert not is_shown(FaxState.DELIVERED, RcptDsn("FAILURE"), Outcomes.ALL)
    assert is_shown(FaxState.FAILED, RcptDsn("FAILURE"), Outcomes.NONE)
    assert is_shown(FaxState.DELIVERED, RcptDsn(), Outcomes.FAILURES)
    assert not is_shown(FaxState.DELIVERED, RcptDsn(), Outcomes.NONE)


def test_a_delay_is_told_only_where_it_was_asked_for() -> None:
    """Most people want one mail, not two."""
    assert wants_delay(RcptDsn("FAILURE,DELAY"))
    assert not wants_delay(RcptDsn("FAILURE"))
    assert not wants_delay(RcptDsn())


def test_wishes_come_back_from_the_database_as_they_went_and_an_old_row_has_the_default() -> None:
    """What was set when the mail was accepted holds; a mail of an older release has today's setting."""
    wishes = ReportWishes(Outcomes.FAILURES, ("a@b",), ("c@d", "e@f"), ())
    assert ReportWishes.read(wishes.stored(), Outcomes.ALL) == wishes
    assert ReportWishes.read(None, Outcomes.NONE) == ReportWishes(Outcomes.NONE)
