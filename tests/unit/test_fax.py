"""The law of states, and that the database holds the same one."""

import re

import pytest
from sqlalchemy import CheckConstraint, Table

from fax_bridge.fax import (
    FAX_ENDS,
    FAX_TRANSITIONS,
    FaxState,
    MessageState,
    OutboxState,
    PushState,
    ReceivedState,
    may_follow,
)
from fax_bridge.store import schema


def test_every_state_has_its_transitions() -> None:
    """A state that the law does not know could never be left."""
    assert set(FAX_TRANSITIONS) == set(FaxState)


def test_nothing_but_a_retry_or_an_unknown_outcome_leads_back_to_the_queue() -> None:
    """A fax that FaxMAX has must never be sent again."""
    assert {before for before in FaxState if may_follow(before, FaxState.QUEUED)} == {
        FaxState.HELD,
        FaxState.SUBMITTING,
        FaxState.UNKNOWN,
    }


def test_an_end_is_left_only_by_a_correction() -> None:
    """After a report only a final push may change what was said."""
    for end in FAX_ENDS:
        assert FAX_TRANSITIONS[end] <= {FaxState.DELIVERED, FaxState.FAILED}


@pytest.mark.parametrize(
    ("table", "states"),
    [
        (schema.fax, FaxState),
        (schema.message, MessageState),
        (schema.push, PushState),
        (schema.received, ReceivedState),
        (schema.outbox, OutboxState),
    ],
)
def test_the_schema_knows_the_same_states(table: Table, states: type) -> None:
    """The CHECK of each table and the enum say the same."""
    checks = [c for c in table.constraints if isinstance(c, CheckConstraint) and str(c.sqltext).startswith("state IN")]
    assert set(re.findall(r"'(\w+)'", str(checks[0].sqltext))) == {str(state) for state in states}  # type: ignore[attr-defined]  # an enum class is iterable
