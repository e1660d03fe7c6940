"""How much may still go: buckets and daily caps that all nodes share, taken from in the transaction that needs them.

A bucket of ``most`` in ``within`` is one instant (see :mod:`fax_bridge.store.rate`), here in microseconds: it is full
when that is past, and each unit moves it on. A cap counts what was taken within a window of the calendar. The rows are
locked in the order of their keys until the commit, so that two nodes cannot both take the last of it; where nothing is
limited, nothing is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, text

from fax_bridge.errors import BridgeError
from fax_bridge.fax import Instant, now
from fax_bridge.store.schema import quota
from fax_bridge.store.tx import Tx

HORIZON_US = 31 * 86_400_000_000
"""No fax waits longer for a limit; a bucket further ahead is from before a clock was set back, and counts as full."""


@dataclass(frozen=True, slots=True)
class Window:
    """One day, say, of a cap."""

    key: str
    starts_at: Instant
    ends_at: Instant


@dataclass(frozen=True, slots=True)
class Limit:
    """``windows`` holds those of a cap, today's first; a bucket has none and fills within ``within`` milliseconds."""

    key: str
    most: int
    within: int = 0
    windows: tuple[Window, ...] = ()
    never: bool = False
    """Whether who is over it has to be told to stop, rather than to come again."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(window.key for window in self.windows) or (self.key,)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one mail takes from a limit: a unit, or one for each of its faxes (to ``number``, where that is given)."""

    limit: Limit
    per_fax: bool = True
    number: str = ""

    def units(self, numbers: Sequence[str]) -> int:
        if not self.per_fax:
            return min(1, len(numbers))
        return len(numbers) if not self.number else numbers.count(self.number)


class OverLimit(BridgeError):
    """More than a limit leaves. ``never``: it would be so at any time."""

    def __init__(self, limit: Limit, *, never: bool) -> None:
        super().__init__(limit.key)
        self.limit = limit
        self.never = never


class Levels:
    """The rows of these limits, locked; :meth:`take` from them, then :meth:`write` them back."""

    def __init__(self, levels: dict[str, int], at: Instant) -> None:
        self._levels = levels
        self._at = at
        self._taken: dict[str, Instant] = {}
        """By key, when its row means nothing any more."""

    @classmethod
    async def of(cls, tx: Tx, limits: Iterable[Limit], at: Instant | None = None) -> "Levels":
        keys = sorted({key for limit in limits for key in limit.keys})
        if not keys:
            return cls({}, 0)
        rows = select(quota.c.key, quota.c.level).where(quota.c.key.in_(keys))
        if tx.shared:
            await tx.conn.execute(_THERE, [{"key": key} for key in keys])
        found = {row.key: row.level for row in (await tx.conn.execute(rows)).all()}
        return cls(found, now() if at is None else at)

    def take(self, wanted: Sequence[tuple[Limit, int]]) -> None:
        """All of it at once, now. Raises :class:`OverLimit`, and then none is taken."""
        after = [self._after(limit, units) for limit, units in wanted if units]
        for (limit, _), (_, _, ready_at) in zip([one for one in wanted if one[1]], after, strict=True):
            if ready_at > self._at:
                raise OverLimit(limit, never=limit.never)
        self._apply(after)

    def reserve(self, wanted: Sequence[tuple[Limit, int]]) -> Instant:
        """All of it, at the instant that is returned: then the limits have that much. Raises :class:`OverLimit` where
        they never have."""
        after = [self._after(limit, units) for limit, units in wanted if units]
        self._apply(after)
        return max((ready_at for *_, ready_at in after), default=self._at)

    async def write(self, tx: Tx) -> None:
        if self._taken:
            rows = [{"key": key, "level": self._levels[key], "ends": ends} for key, ends in sorted(self._taken.items())]
            await tx.conn.execute(_PUT, rows)

    def _apply(self, after: Iterable[tuple[str, tuple[int, Instant], Instant]]) -> None:
        for key, (level, ends), _ in after:
            self._levels[key] = level
            self._taken[key] = ends

    def _after(self, limit: Limit, units: int) -> tuple[str, tuple[int, Instant], Instant]:
        """The key, its level and end once so many are taken, and when they may be."""
        if units > limit.most:
            raise OverLimit(limit, never=True)
        if limit.windows:
            return self._capped(limit, units)
        at, interval = self._at * 1000, -(-limit.within * 1000 // limit.most)
        whole = limit.most * interval
        level = self._levels.get(limit.key, 0)
        level = max(level, at) if level <= at + HORIZON_US + whole else at
        after = level + units * interval
        ready_at = after - whole
        if ready_at > at + HORIZON_US:
            raise OverLimit(limit, never=True)
        return limit.key, (after, -(-after // 1000)), max(self._at, -(-ready_at // 1000))

    def _capped(self, limit: Limit, units: int) -> tuple[str, tuple[int, Instant], Instant]:
        for window in limit.windows:
            used = self._levels.get(window.key, 0)
            if used + units <= limit.most:
                return window.key, (used + units, window.ends_at), max(self._at, window.starts_at)
        raise OverLimit(limit, never=limit.never)


async def charge(tx: Tx, mails: Sequence[tuple[Sequence[Charge], Sequence[str]]]) -> list[OverLimit | None]:
    """Take for each mail, by the numbers of its faxes, in this order; what each is over, or ``None``."""
    charges: Mapping[Limit, None] = {one.limit: None for of_mail, _ in mails for one in of_mail}
    levels = await Levels.of(tx, charges)
    outcomes: list[OverLimit | None] = []
    for of_mail, numbers in mails:
        try:
            levels.take([(one.limit, one.units(numbers)) for one in of_mail])
            outcomes.append(None)
        except OverLimit as over:
            outcomes.append(over)
    await levels.write(tx)
    return outcomes


async def purge(tx: Tx) -> int:
    """Forget the rows that mean nothing any more: buckets that are full again, days that are over."""
    gone = await tx.conn.execute(delete(quota).where(quota.c.expires_at < now()))
    return gone.rowcount


# Where the row is there it is locked all the same, or a purge could take it away before it is read.
_THERE = text(
    "INSERT INTO quota (key, level, expires_at) VALUES (:key, 0, 0)"
    " ON CONFLICT (key) DO UPDATE SET expires_at = quota.expires_at"
)
_PUT = text(
    "INSERT INTO quota (key, level, expires_at) VALUES (:key, :level, :ends)"
    " ON CONFLICT (key) DO UPDATE SET level = excluded.level, expires_at = excluded.expires_at"
)
