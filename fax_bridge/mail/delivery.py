"""What became of one mail, recipient by recipient: the words that every way of sending shares.

A recipient is in exactly one of the three: delivered, deferred (try again) or refused (do not).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fax_bridge.errors import smtp_is_permanent

_LONGEST_REPLY = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply (RFC 5321 §4.2), or one of ours where the server never gave any.

    ``text`` is one printable line: it is shown to people and kept in the database.
    """

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    @classmethod
    def read(cls, code: int, text: str) -> "Reply":
        """The reply as the server wrote it: lines joined, what cannot be printed replaced, its length bounded."""
        kept = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
        return cls(code, kept[:_LONGEST_REPLY])


@dataclass(frozen=True, slots=True)
class Delivery:
    delivered: tuple[str, ...] = ()
    deferred: Mapping[str, Reply] = field(default_factory=dict)
    refused: Mapping[str, Reply] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not self.deferred and not self.refused


@dataclass(slots=True)
class Outcome:
    """A delivery in the making."""

    delivered: list[str] = field(default_factory=list)
    deferred: dict[str, Reply] = field(default_factory=dict)
    refused: dict[str, Reply] = field(default_factory=dict)

    def settle(self, recipient: str, reply: Reply) -> None:
        """Files the recipient by the reply's first digit."""
        if reply.code // 100 == 2:
            self.delivered.append(recipient)
        elif smtp_is_permanent(reply.code):
            self.refused[recipient] = reply
        else:
            self.deferred[recipient] = reply

    def settle_rcpt(self, recipient: str, reply: Reply, accepted_before: int) -> None:
        """The same for a refused RCPT. A 552 after others were taken means *too many* and comes again alone:
        "clients SHOULD treat a 552 code in this case as a temporary […] failure" (RFC 5321 §4.5.3.1.10).
        """
        if reply.code == 552 and accepted_before:
            self.deferred[recipient] = reply
        else:
            self.settle(recipient, reply)

    def frozen(self) -> Delivery:
        return Delivery(tuple(self.delivered), self.deferred, self.refused)


class Transport(Protocol):
    """One way of sending. All methods raise :class:`fax_bridge.errors.Temporary` with words for the operator."""

    async def send(self, outbox_id: str, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery: ...

    async def probe(self) -> None: ...

    async def extensions(self) -> frozenset[str] | None: ...


BAD_PATH = Reply(553, "5.1.3 this is no mail address")
"""Ours (RFC 3463 §3.2): the address could not stand in a command without changing it."""

_PATH = re.compile(
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"|[^\s"<>()\[\],;:\\\x00-\x20\x7f@]+)@[^\s"<>\x00-\x20\x7f@]+'
)


def is_path(address: str) -> bool:
    """Whether an address can stand between ``<`` and ``>`` of MAIL and RCPT as it is (RFC 5321 §4.1.2).

    Nothing is mended: a mended address may be somebody else's.
    """
    return len(address) <= 320 and _PATH.fullmatch(address) is not None
