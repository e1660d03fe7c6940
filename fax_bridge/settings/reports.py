"""``[reports]``: what senders are told."""

from fax_bridge.fax import Language
from fax_bridge.setting_types import Zone
from fax_bridge.settings.section import Section


class Reports(Section):
    language: Language = Language.TR
    timezone: Zone = "Europe/Istanbul"
