"""The tree of a MIME message becomes its leaves: the parts that hold content, each with its first plan.

Of an alternative one wording is chosen; a forwarded mail is gone into; what cannot be read is a refused leaf.
"""

import email
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from types import MappingProxyType

from fax_bridge.documents.embedded import without_embedded
from fax_bridge.documents.worker import Packing, PartKind
from fax_bridge.email_to_fax.invoice import is_invoice
from fax_bridge.email_to_fax.located import content_ids, location_of, with_content_ids
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan
from fax_bridge.email_to_fax.mail_text import (
    TOLERANT,
    charset_of,
    decoded,
    file_name,
    header_text,
    is_binary,
    text_of,
    text_to_html,
)
from fax_bridge.email_to_fax.part_kind import PICTURES, kind_by_bytes, kind_of, packing_of, reason_to_leave_out
from fax_bridge.email_to_fax.transfer_encoding import is_base64, payload

MAX_DEPTH = 50
"""Nesting beyond this is no mail of a person's; the parser itself is recursive only in memory."""
MAX_FORWARDS = 5
"""Mails in mails."""

_NOT_CHOSEN = {"text/plain", "text/html", "text/enriched", "text/richtext", "text/rtf", "text/x-amp-html"}
_ENCRYPTED = re.compile(r"^-----BEGIN PGP MESSAGE-----\s*$", re.MULTILINE)
_SPLIT_BODY = re.compile(r"ATT\d{5,}\.(?:html?|txt)", re.IGNORECASE)
"""The name that Exchange gives to the text between attachments, which Apple Mail writes without one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the mail the reading is."""

    section: str = ""
    message: str = TOP
    depth: int = 0
    forwards: int = 0
    related: bool = False
    unzip: bool = False
    """Whether zip files are opened."""
    web_page: bool = False
    """In a page that a browser saved as one file, with all that belongs to it."""
    located: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By their addresses, the Content-IDs of the pictures that came with the HTML."""

    def below(self, index: int, *, related: bool = False) -> "Place":
        section = f"{self.section}.{index}".lstrip(".")
        return replace(self, section=section, depth=self.depth + 1, related=related)


def entity(root: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    """A whole message, whose single part has a number too (RFC 9051 §6.4.5.1)."""
    holds_parts = root.get_content_maintype() == "multipart" and root.is_multipart()
    return _leaves(root, place if holds_parts else place.below(1), letterheads)


def _leaves(message: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    """The parts that hold content, in the order of the mail."""
    content_type = message.get_content_type()
    if place.depth > MAX_DEPTH:
        yield _leaf(message, place, Plan.REFUSED, b"", reason="bad_mime")
    elif _is_web_page_file(message) and not place.web_page:
        yield from _web_page(message, place, letterheads)
    elif content_type == "message/rfc822" or _is_mail_file(message):
        yield from _forwarded_part(message, place, letterheads)
    elif content_type == "multipart/encrypted":
        yield _leaf(message, place, Plan.REFUSED, b"", reason="mail_encrypted")
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        children = [child for child in message.get_payload() if isinstance(child, Message)]
        chosen = _chosen_alternative(children) if content_type == "multipart/alternative" else None
        if content_type == "multipart/related":
            place = replace(place, located={**place.located, **content_ids(message, place.section)})
        for index, child in enumerate(children, 1):
            below = place.below(index, related=content_type == "multipart/related" or place.related)
            if chosen is not None and child is not chosen:
                yield from _not_chosen(child, below, letterheads)
            else:
                yield from _leaves(child, below, letterheads)
    else:
        yield _read_leaf(message, place)


def _forwarded_part(message: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    """A mail inside the mail: its body and what is attached to it become pages."""
    if place.forwards >= MAX_FORWARDS:
        yield _leaf(message, place, Plan.REFUSED, b"", reason="nested_too_deep")
        return
    held = _held(message)
    if held is None:
        inner = email.message_from_bytes(payload(message), policy=TOLERANT)
    elif not held:
        yield _leaf(message, place, Plan.REFUSED, b"", reason="bad_mime")
        return
    elif not held[0].keys() and is_base64(message):
        # Against RFC 2046 §5.2.1, and yet written: the whole mail in base64.
        inner = email.message_from_bytes(payload(message, str(held[0].get_payload())), policy=TOLERANT)
    else:
        inner = held[0]
    yield from forwarded(inner, place, letterheads)


def _held(message: Message) -> list[Message] | None:
    """What a message or a multipart holds; ``None`` for a part that was not taken apart: the library would decode that
    one when it is asked for its payload, and raises for charsets such as ``idna``."""
    if not message.is_multipart():
        return None
    return [part for part in message.get_payload() if isinstance(part, Message)]


def _web_page(message: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    """A page saved as one file: its HTML and the pictures in it, and what only a browser needs."""
    if place.forwards >= MAX_FORWARDS:
        yield _leaf(message, place, Plan.REFUSED, b"", reason="nested_too_deep")
        return
    root, held = message, _held(message)
    if held and message.get_content_maintype() == "message":
        root = held[0]
    elif held is None:
        root = email.message_from_bytes(payload(message), policy=TOLERANT)
    if root.get_content_type() != "text/html" and not (
        root.get_content_type() == "multipart/related" and root.is_multipart()
    ):
        yield _leaf(message, place, Plan.REFUSED, b"", reason="bad_mime")
        return
    within = replace(place, message=place.section, forwards=place.forwards + 1, related=False, web_page=True)
    yield from entity(root, within, letterheads)


def _is_web_page_file(message: Message) -> bool:
    return file_name(message).lower().endswith((".mht", ".mhtml")) and message.get_content_maintype() != "text"


def _is_mail_file(message: Message) -> bool:
    return not message.is_multipart() and file_name(message).lower().endswith(".eml")


def forwarded(inner: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    letterheads[place.section] = _letterhead(inner)
    within = replace(place, message=place.section, forwards=place.forwards + 1, related=False)
    return entity(inner, within, letterheads)


def _letterhead(message: Message) -> str:
    """The headers that a person wants to see above a forwarded mail, by the names that they have in it."""
    lines = [
        f"<b>{name}:</b> {html.escape(text[:1000])}<br>"
        for name in ("From", "Date", "To", "Cc", "Subject")
        if (text := header_text(message, name))
    ]
    return f"<div>{''.join(lines)}</div><hr>" if lines else ""


def _chosen_alternative(children: list[Message]) -> Message | None:
    """The HTML wording, which may stand inside a multipart/related; else the plain one, else the last.

    Not simply the last as RFC 2046 §5.1.4 has it: Outlook puts an invitation's calendar there.
    """
    for wanted in ("text/html", "text/plain"):
        for child in reversed(children):
            if any(part.get_content_type() == wanted for part in child.walk()):
                return child
    return children[-1] if children else None


def _not_chosen(message: Message, place: Place, letterheads: dict[str, str]) -> Iterator[MailPart]:
    """The other wordings of an alternative say the same again; what is attached inside one is still read."""
    if message.get_content_maintype() == "multipart" and message.is_multipart() and place.depth <= MAX_DEPTH:
        for index, child in enumerate((c for c in message.get_payload() if isinstance(c, Message)), 1):
            yield from _not_chosen(child, place.below(index), letterheads)
    elif message.get_content_type() in _NOT_CHOSEN and not _is_attached(message):
        yield _leaf(message, place, Plan.LEFT_OUT, payload(message), reason="alternative_not_used")
    else:
        yield from _leaves(message, place, letterheads)


def _is_attached(message: Message) -> bool:
    name = file_name(message)
    if _SPLIT_BODY.fullmatch(name):
        return False
    return message.get_content_disposition() == "attachment" or bool(name)


def _read_leaf(message: Message, place: Place) -> MailPart:
    data, name, content_type = payload(message), file_name(message), message.get_content_type()
    if message.get_content_maintype() in {"multipart", "message"}:
        return _read_container_without_parts(message, place, data)
    if place.web_page and content_type not in {"text/html", "text/plain"} and kind_by_bytes(data) not in PICTURES:
        return _leaf(message, place, Plan.LEFT_OUT, data, reason="web_page_side_data")
    if reason := reason_to_leave_out(content_type, name):
        return _leaf(message, place, Plan.LEFT_OUT, data, reason=reason)
    packing = packing_of(content_type, name, data)
    if packing == Packing.ZIP and not place.unzip:
        return _leaf(message, place, Plan.REFUSED, data, reason="zip_not_opened")
    if packing:
        return _leaf(message, place, Plan.PACKED, data, packing=packing)
    is_text = content_type in {"text/plain", "text/html"} and kind_by_bytes(data) is None
    if is_text and (place.web_page or not _is_attached(message)):
        return _body(message, place, data)
    kind = kind_of(content_type, name, data)
    if kind in {PartKind.TEXT, PartKind.CSV, PartKind.HTML} and is_binary(data, message):
        kind = None
    if kind in {None, PartKind.TEXT} and is_invoice(data):
        return _leaf(message, place, Plan.REFUSED, data, reason="xml_invoice")
    if kind is None:
        return _leaf(message, place, Plan.REFUSED, data, reason="unsupported_type")
    return _leaf(message, place, Plan.SOURCE, data, kind=kind)


def _body(message: Message, place: Place, data: bytes) -> MailPart:
    part = _leaf(message, place, Plan.BODY, data)
    if _ENCRYPTED.search(text_of(data, message)):
        return replace(part, plan=Plan.REFUSED, reason="mail_encrypted")
    if is_binary(data, message):
        return replace(part, plan=Plan.REFUSED, reason="text_undecodable")
    return part


def _read_container_without_parts(message: Message, place: Place, data: bytes) -> MailPart:
    """A multipart without boundaries, or a kind of message that is none to be read (RFC 2046 §5.2.2, §5.2.3)."""
    if message.get_content_maintype() == "multipart" and not message.is_multipart() and not data.strip():
        return _leaf(message, place, Plan.LEFT_OUT, data, reason="multipart_container")
    reason = "bad_mime" if message.get_content_maintype() == "multipart" else "unsupported_type"
    return _leaf(message, place, Plan.REFUSED, data, reason=reason)


def _leaf(
    message: Message,
    place: Place,
    plan: Plan,
    data: bytes,
    *,
    kind: PartKind | None = None,
    packing: Packing | None = None,
    reason: str = "",
) -> MailPart:
    content_type = message.get_content_type()
    text, embedded = "", dict[str, bytes]()
    if plan in {Plan.BODY, Plan.LEFT_OUT} and content_type in {"text/html", "text/plain"}:
        text = text_of(data, message)
        if content_type == "text/html":
            text = with_content_ids(text, location_of(message), place.located)
            text, embedded = without_embedded(text, place.section or "1")
    if kind in {PartKind.TEXT, PartKind.CSV}:
        data = decoded(data, charset_of(message)).encode("utf-8-sig", "replace")  # the worker sees no headers
    return MailPart(
        section=place.section or "1",
        name=file_name(message),
        content_type=content_type,
        plan=plan,
        data=data,
        kind=kind,
        reason=reason,
        content_id=header_text(message, "Content-ID").strip("<> "),
        html=text if content_type == "text/html" else text_to_html(text),
        embedded=embedded,
        text=text if content_type == "text/plain" else "",
        message=place.message,
        packing=packing,
        decoration=kind in PICTURES and place.related and message.get_content_disposition() != "attachment",
    )
