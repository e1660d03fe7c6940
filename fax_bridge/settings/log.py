"""``[log]``: the lines for the journal."""

from typing import Literal

from fax_bridge.settings.section import Section


class Log(Section):
    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"
    journal: bool = True
    """Where standard error is systemd's journal, each fact is a field of its own (``FAX_ID=``, ``FAX_EVENT=`` …)."""
