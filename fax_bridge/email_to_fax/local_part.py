"""What stands before the @ of a fax address, in each of the dialects that it may be written in.

``902163334455+fine+a4`` is ours; ``FAX=+902163334455`` is that of RFC 3192 §2, which mail programs with a fax
connector write. Another product's dialect is one more reader in :data:`_DIALECTS`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fax_bridge.email_to_fax.option_values import OptionFault, ascii_of
from fax_bridge.fax import TargetKind

_BOOK = re.compile(r"(book|contact)-([A-Za-z0-9_-]{1,64})", re.IGNORECASE)
_OPTION = re.compile(r"\+(?=[A-Za-z])")
"""A plus before a letter begins an option: that of ``+90…`` and of ``at=20261126T0800+0300`` does not."""


@dataclass(frozen=True, slots=True)
class LocalPart:
    """A recipient as written: a number, or a target that is none, and the options beside it."""

    number: str
    """Not read yet; empty where there is a target."""
    options: tuple[str, ...] = field(default=())
    """As they are written, without their plus."""
    target: str = ""
    """``book-ID`` or ``contact-ID`` kept at FaxMAX, or ``list``: the one that is attached."""

    @classmethod
    def read(cls, text: str) -> "LocalPart":
        """Raises :class:`OptionFault` for what FaxMAX has no place for."""
        written, *options = _OPTION.split(text.strip('"'))
        for read in _DIALECTS:
            if (found := read(written)) is not None:
                return cls(found.number, tuple(options), found.target)
        return cls(written, tuple(options))

    @property
    def spelled(self) -> str:
        """The options, the same for all ways to write the same letters."""
        return "".join(f"+{option.lower()}" for option in self.options)


def _rfc_3192(written: str) -> LocalPart | None:
    """``FAX=`` in any case, a number, and qualifiers between slashes (RFC 3191 §2, RFC 3192 §2).

    ``/T33S=`` asks for a sub-address (T.33) of the machine: a fax without it would come out at somebody else's desk.
    """
    if written[:4].upper() != "FAX=":
        return None
    number, *qualifiers = written[4:].split("/")
    for qualifier in filter(None, qualifiers):
        said = f'"/{ascii_of(qualifier)}" cannot be told to FaxMAX; write FAX=NUMBER without it'
        raise OptionFault("no_such_qualifier", qualifier, said)
    return LocalPart(number)


def _book(written: str) -> LocalPart | None:
    """What FaxMAX keeps: ``book-ID``, ``contact-ID``. The id as written: it may tell cases apart."""
    found = _BOOK.fullmatch(written)
    return LocalPart("", target=f"{found[1].lower()}-{found[2]}") if found else None


def _list(written: str) -> LocalPart | None:
    return LocalPart("", target=TargetKind.LIST) if written.lower() == TargetKind.LIST else None


_DIALECTS: tuple[Callable[[str], LocalPart | None], ...] = (_rfc_3192, _book, _list)
"""Each takes what stands before the options, and gives ``None`` for what is not of its dialect."""
