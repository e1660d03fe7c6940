"""The small types that settings are written in: durations, listening addresses, mail addresses, networks.

Each refuses a wrong value with a sentence that says how to mend it.
"""

import ipaddress
import re
from datetime import time
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, model_validator

UNIX = "unix"
"""A client on a Unix socket, which has no address."""

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
        if not colon or not host or (":" in host and not is_ip(host)) or not port.isdigit() or int(port) > 65535:
            raise ValueError(f'"{value}" is no address to listen on. Write "HOST:PORT", e.g. "127.0.0.1:8025".')
        return {"host": host, "port": int(port)}

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


class UnixSocket(BaseModel):
    """A path to listen on, written ``unix:/PATH``."""

    model_config = ConfigDict(frozen=True)
    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


def _listen_or_socket(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.startswith(("unix:", "/")):
        return Listen.model_validate(value)
    path = Path(value.removeprefix("unix:"))
    if value.startswith("/") or not path.is_absolute() or len(bytes(path)) > 107:  # the room in sockaddr_un (unix(7))
        raise ValueError(f'"{value}" is no socket. Write "unix:/ABSOLUTE/PATH", at most 107 bytes of path.')
    return UnixSocket(path=path)


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


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
    if value == UNIX:
        return value
    try:
        return ipaddress.ip_network(value) if isinstance(value, str) else value
    except ValueError as fault:
        raise ValueError(
            f'"{value}" is no network ({fault}). Write e.g. "192.168.1.0/24", or "unix" for LMTP.'
        ) from None


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    found = re.fullmatch(r"([01][0-9]|2[0-4]):([0-5][0-9])", value) if isinstance(value, str) else None
    if not found or (found[1] == "24" and found[2] != "00"):
        raise ValueError(f'"{value}" is no time of day. Write e.g. "22:00".')
    return time(int(found[1]) % 24, int(found[2]))


def _destination(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\*|[1-9][0-9]{0,14}", value):
        raise ValueError(
            f'"{value}" is no beginning of a number. Write digits from the country code on, e.g. "90216", or "*".'
        )
    return value


def _number_range(value: object) -> object:
    if not isinstance(value, str) or re.fullmatch(r"\*|[1-9][0-9]{0,14}", value):
        return value
    if value in phonenumbers.SUPPORTED_REGIONS:
        return value
    digits = value.removeprefix("+")
    mend = f'Write "{digits}".' if re.fullmatch(r"[1-9][0-9]{0,14}", digits) else 'Write e.g. "TR", "90216" or "*".'
    raise ValueError(f'"{value}" is neither a country nor the beginning of a number with its country code. {mend}')


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
ListenOrSocket = Annotated[Listen | UnixSocket, BeforeValidator(_listen_or_socket)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"], BeforeValidator(_network)]
"""``unix`` stands for all clients on a Unix socket."""
ClockTime = Annotated[time, BeforeValidator(_clock)]
"""``24:00`` is midnight too."""
Destination = Annotated[str, BeforeValidator(_destination)]
"""The beginning of E.164 digits, or ``*`` for all numbers."""
NumberRange = Annotated[str, BeforeValidator(_number_range)]
"""A country by its two letters (ISO 3166-1), or a :data:`Destination`; a whole number is its own beginning."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Zone = Annotated[str, BeforeValidator(_zone)]
"""A name of the tz database."""
