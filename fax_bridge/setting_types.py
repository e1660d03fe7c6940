"""The small types that settings are written in: durations, listening addresses, mail addresses, networks.

Each refuses a wrong value with a sentence that says how to mend it.
"""

import ipaddress
import re
from email.utils import parseaddr
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, model_validator

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Seconds(float):
    """A duration that was read already."""


def read_duration(text: object) -> Seconds:
    """Seconds in ``30s``, ``10m``, ``2h``, ``7d`` or ``250ms``."""
    if isinstance(text, Seconds):
        return text
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError(f'{text!r} is no duration. Write a number with its unit, e.g. "30s", "10m", "2h" or "7d".')
    return Seconds(float(found[1]) * _SECONDS[found[2]])


class Listen(BaseModel):
    """An address to listen on, written ``HOST:PORT`` (an IPv6 host in brackets); port 0 takes a free one."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: int

    @model_validator(mode="before")
    @classmethod
    def read(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        host, colon, port = value.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not host or (":" in host and not _is_ip(host)) or not port.isdigit() or int(port) > 65535:
            raise ValueError(f'"{value}" is no address to listen on. Write "HOST:PORT", e.g. "127.0.0.1:8025".')
        return {"host": host, "port": int(port)}

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _address(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", value):
        raise ValueError(f'"{value}" is no mail address. Write it bare, e.g. "reception@example.com".')
    return value


def _from_header(value: object) -> object:
    if isinstance(value, str):
        _address(parseaddr(value)[1] or value)
        if any(ord(c) < 32 for c in value):
            raise ValueError("a From header cannot hold control characters.")
    return value


def _domain(value: object) -> object:
    if isinstance(value, str):
        value = value.lower()
        if not re.fullmatch(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*", value):
            raise ValueError(f'"{value}" is no domain. Write the part behind the @, e.g. "fax.example.com".')
    return value


def _network(value: object) -> object:
    try:
        return ipaddress.ip_network(value) if isinstance(value, str) else value
    except ValueError as fault:
        raise ValueError(f'"{value}" is no network ({fault}). Write e.g. "192.168.1.0/24".') from None


def _zone(name: object) -> object:
    try:
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):  # ZoneInfo raises each of them for some wrong name
        raise ValueError(f'"{name}" is no time zone. Write e.g. "Europe/Istanbul".') from None
    return name


Duration = Annotated[float, PlainValidator(read_duration)]
Address = Annotated[str, BeforeValidator(_address)]
FromHeader = Annotated[str, BeforeValidator(_from_header)]
Domain = Annotated[str, BeforeValidator(_domain)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_network)]
Zone = Annotated[str, BeforeValidator(_zone)]
"""A name of the tz database."""
