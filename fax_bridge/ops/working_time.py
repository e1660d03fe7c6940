"""How much working time lies between two instants: silence at night or on a Sunday means nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant

MOST_DAYS = 60
"""Days that are looked at; a longer silence is long enough."""


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """``days`` count from 0 for Monday; an ``end`` that is not later than ``start`` is on the next day."""

    start: time
    end: time
    days: Collection[int]
    zone: ZoneInfo

    def seconds(self, since: Instant, until: Instant) -> float:
        """0 where ``until`` is not later."""
        first = datetime.fromtimestamp(since / 1000, self.zone).date() - timedelta(days=1)
        total = 0.0
        for day in (first + timedelta(days=n) for n in range(MOST_DAYS)):
            if day.weekday() in self.days:
                begin = datetime.combine(day, self.start, self.zone)
                ends_on = day + timedelta(days=0 if self.end > self.start else 1)
                end = datetime.combine(ends_on, self.end, self.zone)
                overlap = min(until / 1000, end.timestamp()) - max(since / 1000, begin.timestamp())
                total += max(0.0, overlap)
            if datetime.combine(day, time(), self.zone).timestamp() * 1000 > until:
                break
        return total
