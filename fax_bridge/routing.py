"""``fax-bridge route-test``: the decision about a received fax, told with the reason of every route."""

from collections.abc import Iterator
from typing import Any

from fax_bridge.fax_to_email.route import Facts, Judged, decide
from fax_bridge.settings import Settings


def tell(settings: Settings, facts: Facts) -> dict[str, Any]:
    """The decision as values."""
    decision = decide(settings, facts)
    return {
        "routing": settings.inbound.routing,
        "routes": [
            {"name": one.name, "fits": one.fits, "why": one.why, "used": one in decision.chosen}
            for one in decision.judged
        ],
        "goes_to": [_goes_to(settings, one) for one in decision.chosen]
        or [{"route": "fallback", "to": [settings.inbound.fallback], "privacy": "attachment"}],
        "fallback": decision.is_fallback,
    }


def lines_of(told: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    for route in told["routes"]:
        mark = "takes it" if route["used"] else "fits too, but comes later" if route["fits"] else "no"
        yield f"{route['name']}: {mark}: {route['why']}"
    if told["fallback"]:
        yield "No route takes it: it goes to the fallback mailbox."
    for goes in told["goes_to"]:
        yield f"→ {goes['route']}"
        for key, value in goes.items():
            if key != "route" and value:
                yield f"    {key}: {', '.join(value) if isinstance(value, list) else value}"


def _goes_to(settings: Settings, judged: Judged) -> dict[str, Any]:
    route, inbound = judged.route, settings.inbound
    return {
        "route": judged.name,
        "to": list(route.to),
        "cc": list(route.cc),
        "bcc": list(route.bcc),
        "privacy": (route.privacy or inbound.privacy) if route.to else "",
        "format": (route.format or inbound.format) if route.to else "",
        "language": str(route.language or settings.reports.language),
        "directories": [str(sink.path) for sink in route.directories],
        "webhooks": [sink.url.partition("?")[0] for sink in route.webhooks],
    }
