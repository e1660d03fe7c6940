"""What instant a clock on the wall means, in a zone that puts its clocks forward and back."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant


def instant_of(when: datetime) -> Instant:
    """Of an aware ``datetime``. Raises ``OverflowError`` or ``ValueError`` at the ends of the calendar."""
    return round((when.astimezone(UTC) - _EPOCH).total_seconds() * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UTC = ZoneInfo("UTC")


def at_zone(at: Instant, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, zone)


def written(at: Instant) -> str:
    """For the history of a fax."""
    return f"{at_zone(at, _UTC):%Y-%m-%d %H:%M} UTC"


def shown_by(day: date, clock: time, zone: ZoneInfo) -> tuple[Instant, Instant]:
    """The first and the last instant at which clocks there show that time on that day.

    They differ by an hour where the clocks are put back over it. A time that is skipped when they are put forward has
    the instant of the skip twice. Raises as :func:`instant_of`.
    """
    naive = datetime.combine(day, clock)
    first, last = (instant_of(naive.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    if first <= last:
        return first, last
    skip = _skip(last, first, zone)
    return skip, skip


def _skip(before: Instant, after: Instant, zone: ZoneInfo) -> Instant:
    """The instant between two at which the clocks are put forward, by halving; to the second, as the tables are."""
    low, high = before // 1000, after // 1000
    offset = at_zone(low * 1000, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if at_zone(middle * 1000, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high * 1000
