"""When a fax may be begun: not before its time to send, and not within the quiet hours of where it goes.

Pure: from an instant to the earliest one that is allowed. Where it is asked is in ``docs/states.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant
from fax_bridge.wall_clock import at_zone, shown_by

AT_ONCE: Instant = 0
"""The ``send_at`` of a fax that an operator sent on its way: nothing holds it any more."""

_DAY_MS = 86_400_000
HORIZON_MS = 15 * _DAY_MS
"""How far ahead an end of the quiet hours is looked for. The week repeats itself; two hold a change of a zone's too."""

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` until ``end``, over midnight where that is not later; if they are equal, a whole day.

    Where the clocks are put back over one of them, it begins at the first and ends at the last time they show it.
    """

    prefix: str
    """Of the called E.164 digits; empty for all."""
    start: time
    end: time
    zone: ZoneInfo
    days: frozenset[int] = EVERY_DAY
    """On which they begin; Monday is 0."""
    yields: bool = False
    """Whether a time to send that the sender named wins over them."""

    def end_at(self, at: Instant) -> Instant | None:
        """When the quiet hours end that ``at`` is in; ``None`` where it is in none."""
        today = at_zone(at, self.zone).date()
        spans = (self._span(day) for day in (today - timedelta(days=1), today) if day.weekday() in self.days)
        return max((end for start, end in spans if start <= at < end), default=None)

    def _span(self, day: date) -> tuple[Instant, Instant]:
        until = day if self.end > self.start else day + timedelta(days=1)
        return shown_by(day, self.start, self.zone)[0], shown_by(until, self.end, self.zone)[1]


def earliest(rules: Sequence[QuietHours], number: str, at: Instant) -> Instant:
    """The first instant from ``at`` on at which a fax to ``number`` may be begun.

    Where the rules leave none, which the settings refuse, some instant beyond the horizon.
    """
    mine = [rule for rule in rules if number.startswith(rule.prefix)]
    horizon = at + HORIZON_MS
    while at < horizon and (ends := [end for rule in mine if (end := rule.end_at(at)) is not None]):
        at = max(ends)
    return at


@dataclass(frozen=True, slots=True)
class Schedule:
    """The site's quiet hours."""

    quiet: tuple[QuietHours, ...] = ()

    def earliest(self, number: str, send_at: Instant | None, at: Instant) -> Instant:
        """The first instant from ``at`` on at which this fax may be begun; ``send_at`` is its sender's wish."""
        if send_at == AT_ONCE:
            return at
        rules = self.quiet if send_at is None else [rule for rule in self.quiet if not rule.yields]
        return earliest(rules, number, max(at, send_at or at))

    def without_time(self, at: Instant) -> list[str]:
        """The prefixes for which the rules leave no instant, neither from ``at`` on nor half a year later."""
        from_then = (at, at + 182 * _DAY_MS)
        return sorted(
            {
                rule.prefix
                for rule in self.quiet
                if any(earliest(self.quiet, rule.prefix, start) >= start + HORIZON_MS for start in from_then)
            }
        )


ALWAYS = Schedule()
"""Without quiet hours."""
