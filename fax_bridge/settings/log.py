"""``[log]``: the lines for the journal."""

from typing import Literal

from fax_bridge.settings.section import Section


class Log(Section):
    """The operator's log, on standard output."""

    format: Literal["human", "json"] = "human"
    """Lines for people, or one JSON object a line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is written; the events of each fax and mail are ``info``."""
    journal: bool = True
    """Where standard error is systemd's journal, each fact is a field of its own (``FAX_ID=``, ``FAX_EVENT=`` …)."""
