"""When FaxMAX is down, not every waiting fax has to find that out: after some failures in a row only a probe goes.

Closed, everything goes. Open, nothing goes until a jittered time. Then one probe goes, and its outcome closes
the breaker or opens it for longer.
"""

import random
from dataclasses import dataclass

TRIPS_AT = 5
"""Failures in a row that mean an outage rather than bad luck."""
FIRST = 5.0
LONGEST = 120.0
"""Seconds that the breaker stays open, doubling from the first to the longest."""


@dataclass
class Breaker:
    """One account's; ``clock`` values are seconds of a clock that never goes back."""

    failures: int = 0
    open_until: float = 0.0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        return self.failures >= TRIPS_AT

    def allows(self, clock: float) -> bool:
        """Whether a fax may go now, be it as the probe."""
        return not self.is_open or (clock >= self.open_until and not self.probing)

    def begin(self, clock: float) -> bool:
        """A fax wants to go: may it? The first that may while the breaker is open is the probe."""
        if not self.allows(clock):
            return False
        self.probing = self.is_open
        return True

    def succeeded(self) -> bool:
        """FaxMAX answered, be it with a refusal; true if that ends an outage."""
        was_open = self.is_open
        self.failures, self.probing = 0, False
        return was_open

    def failed(self, clock: float) -> bool:
        """FaxMAX could not be reached; true if that begins an outage."""
        was_open = self.is_open
        self.failures += 1
        self.probing = False
        if self.is_open:
            wait = min(LONGEST, FIRST * 2.0 ** min(self.failures - TRIPS_AT, 10))
            self.open_until = clock + wait * random.uniform(0.75, 1.25)  # noqa: S311 — jitter, no secret
        return self.is_open and not was_open

    def abandoned(self) -> None:
        """The fax that began was not sent after all."""
        self.probing = False
