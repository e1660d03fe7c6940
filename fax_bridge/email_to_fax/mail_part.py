"""A mail as read: its parts, each with exactly one plan, and what of its headers is needed later."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from fax_bridge.documents.worker import Packing, PartKind
from fax_bridge.fax import Instant


class Plan(StrEnum):
    BODY = "body"
    SOURCE = "source"
    PICTURE = "picture"
    """Referenced by ``cid:`` from the HTML body (RFC 2392)."""
    PACKED = "packed"
    """Holds parts of its own that only the worker may unpack; they take its place."""
    LIST = "list"
    """Names the numbers to send to."""
    LEFT_OUT = "left_out"
    SKIPPED = "skipped"
    """Cannot be faxed, and the mail may go without it."""
    REFUSED = "refused"


TOP = ""
"""The section of the mail itself; a forwarded one has the section of its ``message/rfc822`` part."""


@dataclass(frozen=True, slots=True)
class MailPart:
    section: str
    """``1``, ``2.1`` …, as IMAP numbers parts (RFC 9051 §6.4.5.1)."""
    name: str
    content_type: str
    plan: Plan
    data: bytes
    kind: PartKind | None = None
    reason: str = ""
    detail: str = ""
    """The engine's own words on a refusal, for the operator."""
    content_id: str = ""
    html: str = ""
    """The wording of a text part as HTML, not yet cleaned, be it used or not."""
    embedded: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """By the Content-IDs that stand for them in ``html``, the pictures that were written into it."""
    text: str = ""
    """The words of a ``text/plain`` part."""
    message: str = TOP
    """The section of the message that it belongs to."""
    packing: Packing | None = None
    decoration: bool = False
    """A picture that is left out if it turns out to be as small as a signature's."""


@dataclass(frozen=True, slots=True)
class ReadMail:
    subject: str
    message_id: str
    references: str
    from_name: str
    from_address: str
    date: Instant | None
    parts: tuple[MailPart, ...]
    letterheads: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By the section of a forwarded message: who wrote it to whom and when, as HTML."""
    answers_ours: bool = False
    """Whether it is a reply to a mail of ours, whose quoted original is not to be faxed."""
    cuts_threads: bool = False
    """Whether it is a reply whose quotations are not to be faxed."""
    cuts_signature: bool = False
    unzip: bool = False
    """Whether zip files are opened."""
    fax_fields: tuple[tuple[str, str], ...] = ()
    """The header fields that begin with ``X-Fax-``: the name in small letters, the value as a person reads it."""
    auto_submitted: str = ""
    """The keyword of ``Auto-Submitted`` in small letters (RFC 3834 §5); empty where a person sent it."""

    @property
    def body(self) -> str:
        """HTML of the mail's own body parts, not yet cleaned; empty where there is none."""
        return self.body_of(TOP)

    def body_of(self, message: str) -> str:
        return "\n<br>\n".join(part.html for part in self.bodies_of(message) if part.html)

    def bodies_of(self, message: str) -> list[MailPart]:
        return [part for part in self.parts if part.plan == Plan.BODY and part.message == message]

    def pictures_of(self, message: str) -> Mapping[str, bytes]:
        """By their Content-ID, the pictures that the body may show."""
        found: dict[str, bytes] = {}
        for part in self.parts:
            if part.message == message and part.plan == Plan.PICTURE:
                found[part.content_id] = part.data
            elif part.message == message and part.plan == Plan.BODY:
                found |= part.embedded
        return found

    def showing(self, message: str, shown: set[str], cut: Mapping[str, str]) -> "ReadMail":
        """The same, once it is known which pictures the body really shows: the others are pages of their own.

        By their Content-IDs; those ``cut`` went with what they stood in, for that reason.
        """

        def settled(part: MailPart) -> MailPart:
            if part.plan != Plan.PICTURE or part.message != message or part.content_id in shown:
                return part
            if part.content_id in cut:
                return replace(part, plan=Plan.LEFT_OUT, reason=cut[part.content_id])
            return replace(part, plan=Plan.SOURCE)

        return replace(self, parts=tuple(map(settled, self.parts)))

    def in_plain_words(self, message: str, reason: str) -> "ReadMail":
        """The same with the plain wording, for an HTML one that cannot be used for this ``reason``."""

        def swapped(part: MailPart) -> MailPart:
            if part.message != message:
                return part
            if part.plan == Plan.BODY and part.content_type == "text/html":
                return replace(part, plan=Plan.LEFT_OUT, reason=reason)
            if part.reason == "alternative_not_used" and part.content_type == "text/plain":
                return replace(part, plan=Plan.BODY, reason="")
            return part

        return replace(self, parts=tuple(map(swapped, self.parts)))
