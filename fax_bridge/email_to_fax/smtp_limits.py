"""What keeps one client, or many, from taking all there is: sessions, time, and room on the disk."""

import os
import time
from collections import Counter
from pathlib import Path


class Sessions:
    """Counts the open sessions, in all and for each client."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._open: Counter[str] = Counter()

    def enter(self, client: str, *, exempt: bool = False) -> bool:
        """Whether there is room for one more; if so it counts until :meth:`leave`.

        ``exempt``: only the limit in all holds, because many stand behind this client (a mail server on LMTP).
        """
        if self._open.total() >= self._most or (not exempt and self._open[client] >= self._most_per_client):
            return False
        self._open[client] += 1
        return True

    def leave(self, client: str) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


class Pace:
    """How fast a mail comes, by the time that we waited for its client; the time that we made it wait is not counted.

    A minimum rate instead of a short deadline: old scanners are slow, and only who sends next to nothing is a trap.
    """

    def __init__(self, *, min_rate: float, grace: float, longest: float) -> None:
        """``min_rate`` in bytes per second, averaged since the beginning, after ``grace`` seconds; ``longest`` in
        seconds by the clock, because pieces that were staged before are purged some time after it."""
        self._min_rate = min_rate
        self._grace = grace
        self._ends_at = time.monotonic() + longest
        self._bytes = 0
        self._seconds = 0.0

    def heard(self, size: int, seconds: float) -> None:
        self._bytes += size
        self._seconds += seconds

    @property
    def too_slow(self) -> bool:
        lags = self._seconds > self._grace and self._bytes < self._min_rate * self._seconds
        return lags or time.monotonic() > self._ends_at


class Room:
    """Whether the disk of a SQLite store has room for more mail; asked at most once a second."""

    def __init__(self, path: Path | None, min_free_bytes: int) -> None:
        """``path`` is the database; ``None`` where it is on a server, whose disk is not ours to watch."""
        self._directory = path.parent if path else None
        self._min_free_bytes = min_free_bytes
        self._looked_at = float("-inf")
        self._enough = True

    @property
    def enough(self) -> bool:
        at = time.monotonic()
        if self._directory and at - self._looked_at >= 1.0:
            disk = os.statvfs(self._directory)
            self._enough = disk.f_bavail * disk.f_frsize >= self._min_free_bytes
            self._looked_at = at
        return self._enough
