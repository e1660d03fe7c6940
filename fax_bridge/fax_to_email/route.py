"""Where a received fax goes: every condition of a route is asked, and each answer can be shown to the administrator."""

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant
from fax_bridge.mail.shown import station
from fax_bridge.number_patterns import read_pattern
from fax_bridge.setting_types import Day
from fax_bridge.settings import Route, Settings

_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Facts:
    """What routes may ask about. ``called`` and ``caller`` are E.164 digits or empty; ``pages`` 0 where not known."""

    called: str
    caller: str
    remote_station: str
    account: str
    pages: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Judged:
    """A route and why it takes the fax, or the first condition that does not hold."""

    name: str
    route: Route
    fits: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    judged: tuple[Judged, ...]
    """All routes, in their order."""
    chosen: tuple[Judged, ...]
    """None: the fallback mailbox gets it."""

    @property
    def is_fallback(self) -> bool:
        return not self.chosen


def decide(settings: Settings, facts: Facts) -> Decision:
    """The first route that fits, or all of them (``inbound.routing``)."""
    judged = tuple(_judge(settings, i, route, facts) for i, route in enumerate(settings.routes))
    fitting = tuple(one for one in judged if one.fits)
    return Decision(judged, fitting if settings.inbound.routing == "all" else fitting[:1])


def _judge(settings: Settings, index: int, route: Route, facts: Facts) -> Judged:
    name = route.name or f"routes[{index}]"
    region = settings.numbers.region
    local = datetime.fromtimestamp(facts.at / 1000, ZoneInfo(route.timezone or settings.reports.timezone))
    csid = station(facts.remote_station)
    conditions: tuple[tuple[object, str, Callable[[], bool]], ...] = (
        (route.called, f"called {facts.called or 'none'}", lambda: _any_number(route.called, facts.called, region)),
        (route.caller, f"caller {facts.caller or 'none'}", lambda: _any_number(route.caller, facts.caller, region)),
        (route.csid, f'csid "{csid}"', lambda: _any_name(route.csid, csid)),
        (route.account, f"account {facts.account}", lambda: facts.account in route.account),
        (route.pages, f"pages {facts.pages or 'not known'}", lambda: _in_bounds(route, facts.pages)),
        ((route.days, route.hours), f"at {_DAYS[local.weekday()]} {local:%H:%M}", lambda: _at_hours(route, local)),
    )
    held = []
    for wanted, what, holds in conditions:
        if not wanted or wanted == ((), ()):
            continue
        if not holds():
            return Judged(name, route, fits=False, why=f"{what} is not {_spelled(wanted)}")
        held.append(f"{what} is {_spelled(wanted)}")
    return Judged(name, route, fits=True, why="; ".join(held) or "it has no conditions")


def _any_number(patterns: tuple[str, ...], digits: str, region: str) -> bool:
    return any(read_pattern(pattern, region).fits(digits) for pattern in patterns)


def _any_name(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _in_bounds(route: Route, pages: int) -> bool:
    least, most = route.page_bounds or (0, 0)
    return pages > 0 and least <= pages <= most


def _at_hours(route: Route, local: datetime) -> bool:
    """Hours past midnight belong to the day on which they began."""
    day, at = local.weekday(), local.time()
    if route.hours:
        start, end = route.hours
        late = end <= start and end != time(0)
        if late and at < end:
            day = (day - 1) % 7
        elif at < start or (not late and end != time(0) and at >= end):
            return False
    return not route.days or _DAYS[day] in route.days


def _spelled(wanted: object) -> str:
    """A condition as the settings have it."""
    if isinstance(wanted, time):
        return f"{wanted:%H:%M}"
    if isinstance(wanted, tuple):
        several = " or " if all(isinstance(one, str) for one in wanted) else ", "
        return several.join(_spelled(one) for one in wanted if one != ())
    return f'"{wanted}"' if "*" in str(wanted) else str(wanted)
