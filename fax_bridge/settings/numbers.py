"""``[numbers]`` and ``[[quiet_hours]]``: where faxes may go, and when."""

from typing import Literal, get_args

from pydantic import Field, field_validator

from fax_bridge.numbers import is_region
from fax_bridge.setting_types import ClockTime, Day, Destination, NumberRange, Zone
from fax_bridge.settings.section import Section


class Numbers(Section):
    region: str = "TR"
    """How a number without a country code is read."""
    allow: tuple[NumberRange, ...] = ()
    """Where faxes may go; empty: everywhere. A sender's own ``allow`` narrows it further."""
    deny: tuple[NumberRange, ...] = ()
    """Where none goes, whatever ``allow`` says."""
    costly: tuple[Literal["premium", "shared_cost", "satellite", "personal"], ...] = ()
    """Kinds of numbers that cost their caller and are denied unless they are named here. Short codes and emergency
    numbers always are."""

    @field_validator("region")
    @classmethod
    def known_region(cls, region: str) -> str:
        if not is_region(region):
            raise ValueError(f'"{region}" is no region. Write its two letters, e.g. "TR".')
        return region


class QuietHoursSettings(Section):
    """When no fax to some destinations is begun. All entries that match a number hold for it."""

    match: Destination
    from_: ClockTime = Field(alias="from")
    until: ClockTime
    """On the next day, where it is not later than ``from``; equal to it, they last a whole day."""
    days: tuple[Day, ...] = Field(default=get_args(Day), min_length=1)
    """On which they begin."""
    timezone: Zone | None = None
    """Of the destination; ``reports.timezone`` where there is none."""
    send_at_wins: bool = False
    """Whether a fax goes within them all the same, if its sender asked for that time."""
