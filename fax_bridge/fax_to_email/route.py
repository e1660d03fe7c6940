"""Which mailboxes a received fax goes to: the first route whose called number is its own, else the fallback."""

from dataclasses import dataclass

from fax_bridge.numbers import read_number
from fax_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Destination:
    to: tuple[str, ...]
    is_fallback: bool


def destination_of(settings: Settings, called: str) -> Destination:
    """``called`` is E.164 digits, empty where the push named no number."""
    for route in settings.routes:
        if called and read_number(route.called, settings.numbers.region) == called:
            return Destination(route.to, is_fallback=False)
    return Destination((settings.inbound.fallback,), is_fallback=True)
