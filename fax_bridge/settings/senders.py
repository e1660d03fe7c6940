"""``[[senders]]``: who may send, and how their faxes look. ``[sender_defaults]``: what holds where an entry is silent.

An entry may take what it does not say itself from another (``inherits = "NAME"``) and, last, from the defaults:
company, department, person. That is done on the settings as they are written, before they are read, so it holds for
every key.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from fax_bridge.fax import CoverPolicy, Language, Paper, Resolution, SkipKind
from fax_bridge.report_wishes import Outcomes
from fax_bridge.setting_types import UNIX, Address, Network, NumberRange
from fax_bridge.settings.cover import template_name
from fax_bridge.settings.section import Section, SettingsError

OWN = ("match", "name", "inherits")
"""Keys that say which entry it is, and go to no other."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Sender(Section):
    """Who may send. The conditions within an entry all have to hold; the first entry that fits is taken."""

    match: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_several)] = Field(min_length=1)
    """The envelope sender, or a list of them; ``*`` is any run of characters. The whole address has to fit."""
    name: str = ""
    """By which other entries inherit from this one."""
    inherits: str = ""
    """The name of the entry that says what this one does not."""
    networks: tuple[Network, ...] = ()
    """Where the client has to come from; ``unix`` for a socket of this machine."""
    auth: tuple[str, ...] = ()
    """The ``[[users]]`` that may send so; ``*`` is any run of characters. Who is logged in may send in no other way."""
    certificates: tuple[str, ...] = ()
    """Names in a client certificate that ``smtp.tls.client_ca_file`` vouches for; ``*`` is any run of characters."""
    dmarc: bool = False
    """The mail's From, which has to fit ``match`` too, is proven by SPF or DKIM."""
    scanner: bool = False
    """For the listeners of ``[smtp.scanners]`` and no other; needs ``networks`` and ``report_to``."""
    account: str = "default"
    """The FaxMAX account that its faxes go by."""
    language: Language | None = None
    """Of its reports and covers; ``[reports] language`` where it is not given."""
    cover: CoverPolicy | None = None
    """``[cover] policy`` for this sender."""
    cover_template: str = ""
    """``[cover] template`` for this sender."""
    quoted_threads: Literal["keep", "cut"] | None = None
    """``[reading] quoted_threads`` for this sender."""
    signatures: Literal["keep", "cut"] | None = None
    """``[reading] signatures`` for this sender."""
    cli: str = ""
    """The calling number that is shown; the account's where it is empty."""
    paper_size: Paper | None = None
    """The account's where it is not given; a mail may ask for another."""
    resolution: Resolution | None = None
    """The same for the resolution."""
    reports: Outcomes | None = None
    """Which ends are mailed; ``[reports] outcomes`` where it is not given."""
    report_to: tuple[Address, ...] = ()
    """Who gets the reports instead of the envelope sender."""
    report_cc: tuple[Address, ...] = ()
    """Who gets a copy of each report."""
    report_bcc: tuple[Address, ...] = ()
    """An archive, which the others do not see."""
    allowed_cli: tuple[str, ...] = ()
    """Numbers that a mail may ask to be shown as the calling one, beside ``cli``."""
    books: bool = False
    """Whether ``book-ID@`` and ``contact-ID@`` may be written: their numbers are FaxMAX's, and not known here."""
    skip: tuple[SkipKind, ...] | None = None
    """Kinds of part that a mail may go without; ``reading.skip`` where this is left out."""
    max_pages: int = Field(default=0, ge=0)
    """Pages of a document, without the cover; 0 for as many as there are."""
    max_bytes: int = Field(default=0, ge=0)
    """Bytes of a mail; 0 for ``smtp.max_message_bytes``, which holds in any case."""
    allow: tuple[NumberRange, ...] = ()
    """Where this sender's faxes may go, within ``numbers.allow``; empty: wherever that allows."""
    deny: tuple[NumberRange, ...] = ()
    """Where none of them goes, whatever ``allow`` says."""
    max_recipients: int = Field(default=0, ge=0)
    """Of one mail, however many transactions its client makes of it; 0: no limit."""
    robot: bool = False
    """A program: it is never asked whether it means a fax that looks like the one before."""

    @field_validator("cover_template")
    @classmethod
    def is_a_name(cls, name: str) -> str:
        return template_name(name)

    @model_validator(mode="after")
    def has_a_condition(self) -> Self:
        if not (self.networks or self.auth or self.certificates or self.dmarc):
            raise ValueError(
                f'"{self.label}" has no condition beside match, and an envelope sender proves nothing. '
                'Add networks, auth or dmarc, e.g. networks = ["192.168.1.0/24"].'
            )
        if self.scanner and (not self.networks or self.auth or self.certificates or self.dmarc):
            raise ValueError(
                f'"{self.label}" is for scanners, which can prove nothing but where they stand. '
                "Give it networks, and neither auth nor certificates nor dmarc."
            )
        if self.scanner and not self.report_to:
            raise ValueError(
                f'"{self.label}" is for scanners, whose mailbox nobody reads. '
                'Say who is told what became of a fax, e.g. report_to = ["office@example.com"].'
            )
        if UNIX in self.networks and (self.auth or self.certificates):
            raise ValueError(
                f'"{self.label}" asks for auth or certificates, which a client on a Unix socket cannot give. '
                'Take "unix" out of networks, or write an entry of its own for it.'
            )
        return self

    @property
    def label(self) -> str:
        return self.name or ", ".join(self.match)

    def fits(self, mail_from: str) -> bool:
        return any_fits(self.match, mail_from)


class SenderDefaults(Sender):
    """``[sender_defaults]``: any key of an entry but those of :data:`OWN`."""

    match: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def is_no_entry(cls, values: object) -> object:
        if isinstance(values, Mapping) and (taken := [key for key in OWN if key in values]):
            raise ValueError(f"{taken[0]} belongs into an entry of [[senders]]. Take it out.")
        return values

    @model_validator(mode="after")
    def has_a_condition(self) -> Self:
        return self  # an entry's matter


def any_fits(patterns: Sequence[str], text: str) -> bool:
    """Whether the whole text fits one of them. Capitals make no difference."""
    return any(_pattern(one).fullmatch(_small(text)) for one in patterns)


@lru_cache(maxsize=4096)
def _pattern(match: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in _small(match).split("*")), re.DOTALL)


def _small(text: str) -> str:
    """In small letters; the Kelvin sign, which Unicode makes a k of, stays what it is."""
    return (
        text.lower()
        if text.isascii()
        else "".join(c if c.lower().isascii() and c > "\x7f" else c.lower() for c in text)
    )


def with_inherited(entries: object, defaults: object) -> object:
    """The entries as they are written, each with what it takes from others. Raises :class:`SettingsError`.

    Tables within an entry are taken key by key. What is of no use here is left as it is: reading it tells why.
    """
    if not isinstance(entries, Sequence) or not all(isinstance(entry, Mapping) for entry in entries):
        return entries
    try:
        SenderDefaults.model_validate(defaults)
    except ValidationError:
        defaults = {}
    names = [entry["name"] for entry in entries if entry.get("name")]
    if twice := sorted({str(name) for name in names if names.count(name) > 1}):
        raise SettingsError([f'senders: "{twice[0]}" is the name of two entries. Give each its own.'])
    named = {entry["name"]: entry for entry in entries if isinstance(entry.get("name"), str)}
    return [
        _complete(i, entry, named, defaults if isinstance(defaults, Mapping) else {}) for i, entry in enumerate(entries)
    ]


def _complete(
    index: int, entry: Mapping[str, Any], named: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    full, seen, parent = dict(entry), [entry.get("name")], entry.get("inherits")
    while parent:
        if parent not in named:
            raise SettingsError([f'senders[{index}].inherits: there is no entry with name = "{parent}". Add it.'])
        if parent in seen:
            raise SettingsError([f'senders[{index}].inherits: "{parent}" inherits from itself. Break the circle.'])
        seen.append(parent)
        full = _merged(named[parent], full)
        parent = named[parent].get("inherits")
    return _merged(defaults, full)


def _merged(above: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in above.items() if key not in OWN}
    for key, value in own.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged
