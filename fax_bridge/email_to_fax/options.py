"""What a sender can ask for beside the number, and each way to write it.

``902163334455+fine+nocover@fax.example.com`` asks for one recipient; ``[fax: res=fine cover=off]`` at the end of the
subject, or ``X-Fax-Resolution: fine`` in the header, for those that ask for nothing in their address. Tables hold the
spellings; what an option can be is in :mod:`fax_bridge.email_to_fax.option_values`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.email_to_fax.local_part import LocalPart
from fax_bridge.email_to_fax.option_values import (
    AGAIN,
    CLI,
    COVER_PAGE,
    PAPER,
    RESOLUTION,
    SEND_AT,
    Option,
    OptionFault,
    ascii_of,
)
from fax_bridge.email_to_fax.send_time import Clock
from fax_bridge.fax import CoverPolicy, Instant, Paper, Resolution
from fax_bridge.settings import Settings

__all__ = ["FaxOptions", "LocalPart", "OptionFault", "clock_of", "read_address", "read_header", "read_subject"]


@dataclass(frozen=True, slots=True)
class FaxOptions:
    """``None``: not asked for; then the next one down decides: address, subject, header, sender, account."""

    send_at: Instant | None = None
    resolution: Resolution | None = None
    paper: Paper | None = None
    cover: str | None = None
    """A word of :data:`fax_bridge.email_to_fax.option_values.COVER`."""
    cli: str | None = None
    """E.164 digits; whether its sender may show them is decided by :mod:`fax_bridge.email_to_fax.grants`."""
    again: bool | None = None
    """Meant, though the same document went there before (``duplicates.within``)."""

    def over(self, lower: "FaxOptions") -> "FaxOptions":
        """These, and where nothing is asked for, those."""
        return FaxOptions(
            **{
                one.name: mine if (mine := getattr(self, one.name)) is not None else getattr(lower, one.name)
                for one in fields(self)
            }
        )

    def kept(self) -> dict[str, str]:
        """As they stand in the database beside a fax or its message; the time has a column of its own."""
        named = {"resolution": self.resolution, "paper_size": self.paper, "cover": self.cover, "cli": self.cli}
        named["again"] = "yes" if self.again else None
        return {name: str(value) for name, value in named.items() if value}


NO_COVER = frozenset({"off"})
"""The words by which a mail asks for a fax without a cover; what would stand on it is then not in the fax."""


def cover_policy(asked: str | None, default: CoverPolicy) -> CoverPolicy:
    """``off`` is no policy: it takes the cover away, with what stands on it."""
    if not asked or asked in NO_COVER:
        return default
    return CoverPolicy.ALWAYS if asked == "on" else CoverPolicy(asked)


def cover_of_document(of_addresses: Iterable[str | None], of_mail: str | None) -> str | None:
    """What the pages are made for. A text is on the cover or among the pages, for all recipients alike: an address that
    asks for a cover, or names a policy, is heard for the whole mail. ``off`` takes the cover from its own fax only."""
    return next((one for one in of_addresses if one and one not in NO_COVER), of_mail)


_OPTIONS: Mapping[str, Option] = {
    "at": SEND_AT,
    "res": RESOLUTION,
    "resolution": RESOLUTION,
    "paper": PAPER,
    "cover": COVER_PAGE,
    "cli": CLI,
}
"""Written ``NAME=VALUE``, in an address and in a subject."""

_WORDS: Mapping[str, tuple[Option, str]] = {
    **{word: (RESOLUTION, word) for word in Resolution},
    **{paper.lower(): (PAPER, paper) for paper in Paper},
    "cover": (COVER_PAGE, "on"),
    "nocover": (COVER_PAGE, "off"),
    "again": (AGAIN, "yes"),
}
"""Written alone, in an address and in a subject. ``again`` is no header field: it is a person's word about one mail; a
field would stay in a template, or be put before a signed mail by whoever sends it once more."""

_FIELDS: Mapping[str, Option] = {
    "x-fax-send-at": SEND_AT,
    "x-fax-resolution": RESOLUTION,
    "x-fax-paper": PAPER,
    "x-fax-cover": COVER_PAGE,
    "x-fax-cli": CLI,
}

_BRACKET = re.compile(r"\[fax:\s*([^\[\]\s][^\[\]]{0,300}?)\s*\]\s*", re.IGNORECASE)
_KNOWN = ", ".join([*_WORDS, *(f"{name}=" for name in _OPTIONS if name != "resolution")])


def clock_of(settings: Settings, at: Instant) -> Clock:
    within = int(settings.faxmax.send_at_within * 1000)
    return Clock(ZoneInfo(settings.reports.timezone), at, within, settings.numbers.region)


def read_address(local: LocalPart, clock: Clock) -> FaxOptions:
    """The options of one recipient. Raises :class:`OptionFault`."""
    return _collected((_word(word, "+") for word in local.options), clock)


def read_subject(subject: str, clock: Clock) -> tuple[str, FaxOptions]:
    """The subject without the options at its end, and these. Raises :class:`OptionFault`; then :func:`bare_subject`
    still knows the subject."""
    bare, written = _divided(subject)
    words = re.split(r"[\s,;]+", written) if written else []
    return bare, _collected((_word(word, "") for word in words if word), clock)


def bare_subject(subject: str) -> str:
    return _divided(subject)[0]


def read_header(given: Iterable[tuple[str, str]], clock: Clock) -> FaxOptions:
    """The options of the whole mail, from its header fields by their names in small letters.

    Raises :class:`OptionFault`. Those that are none of ours are :func:`unknown_fields`.
    """
    return _collected(((_FIELDS[name], value) for name, value in given if name in _FIELDS), clock)


def unknown_fields(given: Iterable[tuple[str, str]]) -> list[str]:
    """Names that begin with ``x-fax-`` and that nothing here reads: other gateways have theirs."""
    return list(dict.fromkeys(name for name, _ in given if name not in _FIELDS))


_Asked = tuple[Option, str]
"""An option and its value as written."""


def _divided(subject: str) -> tuple[str, str]:
    start = subject.rfind("[")
    found = _BRACKET.fullmatch(subject[start:]) if start >= 0 else None
    return (subject[:start].rstrip(), found[1]) if found else (subject, "")


def _word(word: str, sign: str) -> _Asked:
    name, equals, value = word.partition("=")
    if equals and (option := _OPTIONS.get(name.lower())):
        return option, value
    if not equals and name.lower() in _WORDS:
        return _WORDS[name.lower()]
    raise OptionFault("unknown_option", word, f'"{sign}{ascii_of(word)}" is no option; there are {_KNOWN}')


def _collected(asked: Iterable[_Asked], clock: Clock) -> FaxOptions:
    options = FaxOptions()
    for option, written in asked:
        if getattr(options, option.field) is not None:
            raise OptionFault("option_twice", option.name, f'"{option.name}" is there twice')
        value: Any = option.read(written, clock)
        options = replace(options, **{option.field: value})
    return options
