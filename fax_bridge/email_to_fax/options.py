"""What a sender can ask for beside the number, and each way to write it.

``902163334455+at=0800@fax.example.com`` asks for one recipient, ``X-Fax-Send-At: 08:00`` in the header for those that
ask for nothing in their address. A table holds the spellings; each has its field and its parser.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.email_to_fax.send_time import BadTime, Clock, TooFar, read_send_at
from fax_bridge.fax import Instant
from fax_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class FaxOptions:
    """``None``: not asked for, the settings decide."""

    send_at: Instant | None = None


class OptionFault(ValueError):
    """An option that cannot be understood or granted.

    ``reason`` is a word of the tables in ``templates/email``; the text is for an SMTP reply (ASCII), and says what to
    write.
    """

    def __init__(self, reason: str, written: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.written = written


@dataclass(frozen=True, slots=True)
class _Spelling:
    field: str
    read: Callable[[str, Clock], Any]
    """Raises :class:`BadTime` or :class:`TooFar`."""


_IN_ADDRESS: Mapping[str, _Spelling] = {"at": _Spelling("send_at", read_send_at)}
_IN_HEADER: Mapping[str, _Spelling] = {"x-fax-send-at": _Spelling("send_at", read_send_at)}


@dataclass(frozen=True, slots=True)
class LocalPart:
    """What stands before the @ of a fax address."""

    number: str
    options: tuple[str, ...] = field(default=())
    """As they are written, without their plus."""

    @classmethod
    def read(cls, text: str) -> "LocalPart":
        """A plus before a letter begins an option: that of ``+90…`` and of ``at=20261126T0800+0300`` does not."""
        number, *options = re.split(r"\+(?=[A-Za-z])", text.strip('"'))
        return cls(number, tuple(options))

    @property
    def spelled(self) -> str:
        """The options, the same for all ways to write the same letters."""
        return "".join(f"+{option.lower()}" for option in self.options)


def clock_of(settings: Settings, at: Instant) -> Clock:
    return Clock(ZoneInfo(settings.reports.timezone), at, int(settings.faxmax.send_at_within * 1000))


def read_address(local: LocalPart, clock: Clock) -> FaxOptions:
    """The options of one recipient. Raises :class:`OptionFault`."""
    given = []
    for option in local.options:
        name, _, value = option.partition("=")
        if name.lower() not in _IN_ADDRESS:
            known = ", ".join(f"+{name}=" for name in _IN_ADDRESS)
            raise OptionFault("unknown_option", option, f'"+{_ascii(option)}" is no option; there is {known}')
        given.append((name.lower(), value))
    return _options(given, _IN_ADDRESS, clock)


def read_header(fields: Iterable[tuple[str, str]], clock: Clock) -> FaxOptions:
    """The options of the whole mail, from its header fields by their names in small letters.

    Raises :class:`OptionFault`.
    """
    return _options([one for one in fields if one[0] in _IN_HEADER], _IN_HEADER, clock)


def _options(given: list[tuple[str, str]], spellings: Mapping[str, _Spelling], clock: Clock) -> FaxOptions:
    options = FaxOptions()
    for name, value in given:
        spelling = spellings[name]
        if getattr(options, spelling.field) is not None:
            raise OptionFault("option_twice", name, f'"{name}" is there twice')
        options = replace(options, **{spelling.field: _value(spelling, value, clock)})
    return options


def _value(spelling: _Spelling, value: str, clock: Clock) -> Any:
    try:
        return spelling.read(value, clock)
    except BadTime:
        said = f'"{_ascii(value)}" is no time to send at; write 0800 or 2026-11-26T0800'
        raise OptionFault("bad_send_at", value, said) from None
    except TooFar as fault:
        raise OptionFault("send_at_too_far", value, f'"{_ascii(value)}" is more than {fault} ahead') from None


def _ascii(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c != '"' else "?" for c in text[:40])
