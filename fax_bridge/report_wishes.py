"""Who is told of which end: what the settings say of a sender, and what the mail itself asked for (RFC 3461 NOTIFY).

Values and rules only. A NOTIFY rules over the setting for its recipient; without one the setting rules.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from fax_bridge.fax import FaxState, RcptDsn

NEVER = "NEVER"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
DELAY = "DELAY"

_NOT_KNOWN = frozenset({FaxState.UNCONFIRMED, FaxState.UNCERTAIN})
"""Ends that are neither: whoever wants to hear of success or of failure has to hear that nobody knows."""


class Outcomes(StrEnum):
    """Which ends a sender is mailed of."""

    ALL = "all"
    FAILURES = "failures"
    """All but ``delivered``."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ReportWishes:
    """What the settings said of a mail's sender when it was accepted."""

    outcomes: Outcomes = Outcomes.ALL
    to: tuple[str, ...] = ()
    """Instead of the envelope sender; empty: the envelope sender."""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None, default: Outcomes) -> Self:
        """``stored`` is what :meth:`stored` gave; ``None`` for a mail that an older release accepted."""
        if stored is None:
            return cls(default)
        return cls(Outcomes(stored["outcomes"]), *(tuple(stored[key]) for key in ("to", "cc", "bcc")))

    def stored(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def is_told(state: FaxState, dsn: RcptDsn, outcomes: Outcomes, *, correction: bool = False) -> bool:
    """Whether this recipient's end is mailed.

    A correction goes to everybody who is not silent altogether: the end that it takes back may be the one that was
    asked for.
    """
    if not dsn.notify:
        if outcomes is Outcomes.FAILURES and not correction:
            return state is not FaxState.DELIVERED
        return outcomes is not Outcomes.NONE
    asked = set(dsn.notify.split(","))
    if correction:
        return bool(asked & {SUCCESS, FAILURE})
    if state in _NOT_KNOWN:
        return bool(asked & {SUCCESS, FAILURE})
    return (SUCCESS if state is FaxState.DELIVERED else FAILURE) in asked


def wants_delay(dsn: RcptDsn) -> bool:
    """Whether this recipient's sender wants to hear that a fax is late (RFC 3461 §4.1)."""
    return DELAY in dsn.notify.split(",")


def is_shown(state: FaxState, dsn: RcptDsn, outcomes: Outcomes, *, correction: bool = False) -> bool:
    """Whether a report that is mailed shows this recipient.

    One that was not asked for must not be in it (RFC 3461 §4.1); one of which nothing was said stands beside the
    others, so that "3 faxes: 2 delivered, 1 not sent" can be said.
    """
    if dsn.notify:
        return is_told(state, dsn, outcomes, correction=correction)
    return outcomes is not Outcomes.NONE
