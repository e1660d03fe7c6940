"""``[ops]`` and ``[alerts]``: how the operator watches the daemon."""

from typing import Self, get_args

from pydantic import Field, model_validator

from fax_bridge.setting_types import ClockTime, Day, Duration, Listen, Seconds
from fax_bridge.settings.section import Section

_DAYS: tuple[Day, ...] = get_args(Day)


class Ops(Section):
    """``/metrics`` for Prometheus, ``/healthz`` and ``/readyz`` with their reasons. Off without ``listen``."""

    listen: tuple[Listen, ...] = ()
    """Never a public port. ``["127.0.0.1:9125"]``, or an address that only the monitoring reaches."""


class AlertSettings(Section):
    """Mail to ``inbound.fallback`` about what stands still, one for each cause and ``repeat``."""

    oldest_fax: Duration = Seconds(7200.0)
    """A fax that waits longer than this to be handed over; ``"0s"`` for no such alert."""
    disk_free_bytes: int = Field(default=1_000_000_000, ge=0)
    """Less free room than this on the disk of a SQLite store; below ``smtp.min_free_bytes`` mail is put off."""
    no_push: Duration = Seconds(0.0)
    """So much working time without a push from FaxMAX; ``"0s"`` for no such alert."""
    working_from: ClockTime = Field(default="08:00", validate_default=True)
    """Its beginning."""
    working_until: ClockTime = Field(default="18:00", validate_default=True)
    """Its end."""
    working_days: tuple[Day, ...] = Field(default=_DAYS[:5], min_length=1)
    """The working time, in ``reports.timezone``."""
    self_test_every: Duration = Seconds(21600.0)
    """How often the converter has to prove that it still draws letters; ``"0s"`` for never."""
    loop_test_every: Duration = Seconds(0.0)
    """How often a test page is faxed to ``faxmax.cli``, the account's own number; it has to come back as a received
    fax, and is then shown to nobody. Each costs a page. ``"0s"`` for never.
    """
    loop_test_within: Duration = Seconds(1800.0)
    """How long it may take before the operator is told."""
    repeat: Duration = Seconds(86400.0)
    """How long a cause that lasts is not told again."""
    look_every: Duration = Seconds(60.0)
    """How often it is looked at all of this."""

    @model_validator(mode="after")
    def loop_test_has_its_time(self) -> Self:
        if self.loop_test_every and not 0 < self.loop_test_within < self.loop_test_every:
            raise ValueError("loop_test_within has to be shorter than loop_test_every. Make the tests rarer.")
        return self
