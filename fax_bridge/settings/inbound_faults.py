"""What can only be judged with the other sections in view: the routes' numbers, accounts, links and directories."""

from collections.abc import Collection, Iterator, Sequence

from fax_bridge.number_patterns import MEND, BadPattern, read_pattern
from fax_bridge.settings.inbound import Inbound, Route


def route_faults(inbound: Inbound, routes: Sequence[Route], region: str, accounts: Collection[str]) -> list[str]:
    """A line for each thing to mend."""
    faults = [fault for i, route in enumerate(routes) for fault in _faults(f"routes[{i}]", route, region, accounts)]
    linked = [f"routes[{i}].privacy" for i, route in enumerate(routes) if route.privacy == "link"]
    linked += ["inbound.privacy"] if inbound.privacy == "link" else []
    if not inbound.link_url:
        faults += [
            f'{place}: a link needs inbound.link_url. Set it, e.g. "https://fax.example.com".' for place in linked
        ]
    keys: dict[str, str] = {}
    for hook in (hook for route in routes for hook in route.webhooks):
        if keys.setdefault(hook.url, hook.secret.get_secret_value()) != hook.secret.get_secret_value():
            faults.append("routes.webhooks: one url is given with two secrets. Give it the same one everywhere.")
    return faults


def _faults(where: str, route: Route, region: str, accounts: Collection[str]) -> Iterator[str]:
    for key in ("called", "caller"):
        for pattern in getattr(route, key):
            try:
                read_pattern(pattern, region)
            except BadPattern as fault:
                yield f"{where}.{key}: {fault}. {MEND}"
    for account in route.account:
        if account not in accounts:
            yield f'{where}.account: there is no account "{account}". Known: {", ".join(accounts)}.'
    for i, sink in enumerate(route.directories):
        if not sink.path.is_dir():
            mend = "Make it, writable for the daemon's user."
            yield f"{where}.directories[{i}].path: {sink.path} is no directory. {mend}"
    for i, hook in enumerate(route.webhooks):
        if hook.ca_file and not hook.ca_file.is_file():
            yield f"{where}.webhooks[{i}].ca_file: {hook.ca_file} is no file. Name the one with the certificates."
