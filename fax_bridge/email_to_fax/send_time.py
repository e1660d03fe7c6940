"""The time to send that a sender may ask for: ``08:00``, ``0800``, or a day and a time by ISO 8601.

A time of day means the next one; without a zone it is the site's. What is past is now. Where clocks are put forward
over the time it means the instant of that, where they are put back over it the first of the two.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant
from fax_bridge.wall_clock import at_zone, instant_of, shown_by

_OF_DAY = re.compile(r"([0-9]{2}):?([0-9]{2})")
_FULL = re.compile(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}[T ][0-9:]{4,8}([.,][0-9]{1,9})?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?")

DAY_MS = 86_400_000


class BadTime(ValueError):
    """No time can be read."""


class TooFar(ValueError):
    """Further ahead than the site lets anybody ask for; the text is the limit."""


@dataclass(frozen=True, slots=True)
class Clock:
    """By what a written time, or another option, is understood."""

    zone: ZoneInfo
    at: Instant
    """When it was written, as far as we know: the mail came then."""
    within: int
    """Milliseconds that it may be ahead."""
    region: str = "TR"
    """By whose rules a number without its country code is read."""


def read_send_at(text: str, clock: Clock) -> Instant:
    """Raises :class:`BadTime` or :class:`TooFar`."""
    text = text.strip().upper()  # some mail servers write addresses in small letters
    try:
        if found := _OF_DAY.fullmatch(text):
            asked = _next(time(int(found[1]), int(found[2])), clock)
        elif _FULL.fullmatch(text):
            asked = _instant(datetime.fromisoformat(text), clock.zone)
        else:
            raise BadTime(text)
    except (ValueError, OverflowError):
        raise BadTime(text) from None
    if asked > clock.at + clock.within:
        raise TooFar(f"{clock.within / DAY_MS:g} days")
    return max(asked, clock.at)


def _instant(when: datetime, zone: ZoneInfo) -> Instant:
    return instant_of(when) if when.tzinfo else shown_by(when.date(), when.time(), zone)[0]


def _next(of_day: time, clock: Clock) -> Instant:
    today = at_zone(clock.at, clock.zone).date()
    shown = [at for day in (0, 1, 2) for at in shown_by(today + timedelta(days=day), of_day, clock.zone)]
    minute = clock.at - clock.at % 60_000  # at 08:00:30, 08:00 is this minute
    return next(at for at in shown if at >= minute)
