"""``[reports]``: what senders are told, and how."""

from typing import Literal

from fax_bridge.fax import Language
from fax_bridge.report_wishes import Outcomes
from fax_bridge.setting_types import Duration, Seconds, Zone
from fax_bridge.settings.section import Section


class Reports(Section):
    language: Language = Language.TR
    """Of the mails to senders and to the operator, where a sender or a route has no other."""
    timezone: Zone = "Europe/Istanbul"
    """Of every time in a mail, and of times to send at."""
    outcomes: Outcomes = Outcomes.ALL
    """Which ends are mailed, where a sender's ``reports`` says nothing else. ``none`` is the way to ask for silence."""
    format: Literal["human", "dsn"] = "human"
    """``dsn`` makes every report a ``multipart/report`` for machines (RFC 3464) that people can read too. A mail that
    asks with NOTIFY gets one in any case."""
    pictures: Literal["never", "first", "on_failure", "always"] = "first"
    """The pages as faxed, small, in the report: the first one, all where a fax did not arrive, or all (at most ten)."""
    attach_document: Literal["never", "on_failure", "always"] = "never"
    """The document as PDF, without its cover."""
    early_after: Duration = Seconds(60.0)
    """Where one of several faxes of a mail failed and others are still on their way, its sender hears of it after so
    long; ``0s`` is at once."""
    delay_after: Duration = Seconds(14400.0)
    """NOTIFY=DELAY: a fax that has not ended so long after it could first go is told as late, once."""
