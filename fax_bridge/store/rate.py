"""A rate of so many a minute, as one instant that all nodes share (the *generic cell rate algorithm*, ITU-T I.371).

``next_at`` is the instant at which the next one would be due if all went evenly. What is taken moves it on by one
interval; what may be taken now is what keeps it from running too far ahead of the clock. No counters, no windows.
"""

from dataclasses import dataclass

from fax_bridge.fax import Instant

BURST_MS = 1000
"""What this much time allows may go at once, and one always: a mail to five numbers need not be drawn out, and within
any minute no more than this much is added to the rate. Up to 60 a minute that is nothing."""

SKEW_MS = 10_000
"""How far the nodes' clocks may be apart. A ``next_at`` that is further ahead than any could have put it is from
before a clock was set back, and is not waited for."""


@dataclass(frozen=True, slots=True)
class Rate:
    per_minute: int

    @property
    def interval(self) -> int:
        """Milliseconds from one to the next, rounded up: the rate is never exceeded by rounding."""
        return -(-60_000 // self.per_minute)

    @property
    def burst(self) -> int:
        return max(1, BURST_MS // self.interval)

    def free(self, next_at: Instant, at: Instant) -> int:
        """How many may go at ``at``."""
        return max(0, self.burst - -(-self._ahead(next_at, at) // self.interval))

    def free_at(self, next_at: Instant, at: Instant) -> Instant:
        """The first instant, not before ``at``, at which one may go."""
        return at + max(0, self._ahead(next_at, at) - (self.burst - 1) * self.interval)

    def taken(self, next_at: Instant, at: Instant, count: int) -> Instant:
        """The new ``next_at``."""
        return at + self._ahead(next_at, at) + count * self.interval

    def _ahead(self, next_at: Instant, at: Instant) -> int:
        return min(max(0, next_at - at), self.burst * self.interval + SKEW_MS)
