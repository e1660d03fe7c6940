"""``[log]``: the lines for the journal."""

from typing import Literal

from fax_bridge.settings.section import Section


class Log(Section):
    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"
