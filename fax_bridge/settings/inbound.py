"""``[inbound]`` and ``[[routes]]``: who gets the received faxes."""

from pydantic import Field

from fax_bridge.setting_types import Address
from fax_bridge.settings.section import Section


class Inbound(Section):
    fallback: Address
    """Gets the received faxes that no route takes, and the operator's alerts."""


class Route(Section):
    called: str
    to: tuple[Address, ...] = Field(min_length=1)
