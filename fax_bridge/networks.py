"""Is a client in one of these networks? Asked wherever an address decides something."""

import ipaddress
from collections.abc import Collection
from functools import lru_cache

from fax_bridge.setting_types import UNIX, Network

NOWHERE = "0.0.0.0"  # noqa: S104 — nothing is bound to it: it is in no network but that of all addresses
"""Stands for a client whose address nobody told."""


def is_in(client: str, networks: Collection[Network]) -> bool:
    """``client`` is an IP address, or ``unix``, which only the word itself covers. What is neither is nowhere."""
    if client == UNIX:
        return UNIX in networks
    address = _address(client)
    return address is not None and any(address in network for network in networks if network != UNIX)


@lru_cache(maxsize=1024)
def _address(client: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
