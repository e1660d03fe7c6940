"""The values that an option can have, with a reader for each; and what is said of one that has another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fax_bridge.email_to_fax.send_time import BadTime, Clock, TooFar, read_send_at
from fax_bridge.fax import Instant, Paper, Resolution
from fax_bridge.numbers import BadNumber, read_number

COVER = ("on", "off", "never", "with_text", "always", "only_without_attachment")
"""``on`` and ``off`` are for people, the others are the words of the setting."""


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
class Option:
    """One thing that can be asked for."""

    field: str
    """Of :class:`fax_bridge.email_to_fax.options.FaxOptions`."""
    name: str
    """As it is called before people."""
    read: Callable[[str, Clock], Any]
    """Raises :class:`OptionFault`."""


def _send_at(value: str, clock: Clock) -> Instant:
    try:
        return read_send_at(value, clock)
    except BadTime:
        said = f'"{ascii_of(value)}" is no time to send at; write 0800 or 2026-11-26T0800'
        raise OptionFault("bad_send_at", value, said) from None
    except TooFar as fault:
        raise OptionFault("send_at_too_far", value, f'"{ascii_of(value)}" is more than {fault} ahead') from None


def _resolution(value: str, _: Clock) -> Resolution:
    try:
        return Resolution(value.strip().lower())
    except ValueError:
        said = f'"{ascii_of(value)}" is no resolution; write {", ".join(Resolution)}'
        raise OptionFault("bad_resolution", value, said) from None


def _paper(value: str, _: Clock) -> Paper:
    for paper in Paper:
        if paper.lower() == value.strip().lower():
            return paper
    raise OptionFault("bad_paper", value, f'"{ascii_of(value)}" is no paper; write {", ".join(Paper)}')


def _cover(value: str, _: Clock) -> str:
    word = value.strip().lower().replace("-", "_")
    if word not in COVER:
        said = f'"{ascii_of(value)}" says nothing of the cover; write {", ".join(COVER)}'
        raise OptionFault("bad_cover", value, said)
    return word


def _cli(value: str, clock: Clock) -> str:
    try:
        return read_number(value, clock.region)
    except BadNumber as fault:
        raise OptionFault("bad_cli", value, f"the number to be shown: {fault}") from None


def _again(value: str, _: Clock) -> bool:
    if value.strip().lower() != "yes":
        raise OptionFault("unknown_option", f"again={value}", "write again alone, without a value")
    return True


SEND_AT = Option("send_at", "at", _send_at)
RESOLUTION = Option("resolution", "res", _resolution)
PAPER = Option("paper", "paper", _paper)
COVER_PAGE = Option("cover", "cover", _cover)
CLI = Option("cli", "cli", _cli)
AGAIN = Option("again", "again", _again)


def ascii_of(text: str) -> str:
    """Fit for an SMTP reply."""
    return "".join(c if " " <= c <= "~" and c != '"' else "?" for c in text[:40])
