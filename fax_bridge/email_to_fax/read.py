"""A mail as bytes becomes its parts, each with a plan: body, page source, inline picture, left out, refused.

Every MIME part that holds content gets exactly one plan, so that nothing is dropped in silence. Only reading
happens here; what a part really becomes is known once it is unpacked (:mod:`fax_bridge.email_to_fax.unpack`)
and the document is built (:mod:`fax_bridge.email_to_fax.document`).
"""

import email
import html
import re
from collections.abc import Sequence
from dataclasses import replace
from email.message import Message
from urllib.parse import unquote

from fax_bridge.documents.worker import Packing, PartKind
from fax_bridge.email_to_fax.mail_part import MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.mail_text import (
    TOLERANT,
    date,
    field_text,
    header_text,
    message_ids,
    sender,
)
from fax_bridge.email_to_fax.mime_tree import Place, entity, forwarded
from fax_bridge.email_to_fax.own_mail import answers_ours, is_reply, without_ours
from fax_bridge.email_to_fax.part_kind import PICTURES

MAX_PARTS = 1000
MAX_HEADER = 256 * 1024
MAX_COMPARISONS = 50_000_000
"""Some four seconds. A mail of 50 MB may still hold seventy multiparts."""
_MULTIPART = re.compile(rb"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_MACHINE_NAMED = re.compile(
    r"(?:image\d{3,}|Outlook-\w+|ATT\d{5,}|inline-image-?\d*)\.(?:png|jpe?g|gif|bmp)", re.IGNORECASE
)
"""Names that mail programs give to the pictures of a text or a signature; people and scanners name otherwise."""


class _Costly(Exception):
    """Reading it would take longer than any mail of a person's is worth."""


def read_mail(
    content: bytes,
    *,
    cut_quoted: bool = True,
    cut_threads: bool = False,
    cut_signature: bool = False,
    unzip: bool = False,
) -> ReadMail:
    """Read a mail (RFC 5322, RFC 2045–2049). Never raises: what is odd becomes a refused part.

    ``cut_quoted``: what a reply to a mail of ours gives back of it is not to be faxed; ``cut_threads``: nor what any
    other reply quotes. ``unzip``: the files in a zip file are parts too; else it is refused.
    """
    letterheads: dict[str, str] = {}
    try:
        _refuse_costly(content)
        root = email.message_from_bytes(content, policy=TOLERANT)
        parts = _read(root, Place(unzip=unzip), letterheads)
    except (RecursionError, _Costly):  # the parser itself goes down one level for each of the mail
        root = email.message_from_bytes(content[:MAX_HEADER].partition(b"\r\n\r\n")[0], policy=TOLERANT)
        parts = (MailPart("1", "", "message/rfc822", Plan.REFUSED, content, reason="bad_mime"),)
    name, address = sender(root)
    answers = cut_quoted and answers_ours(root)
    return ReadMail(
        subject=header_text(root, "Subject"),
        message_id=message_ids(header_text(root, "Message-ID"))[:500],
        references=message_ids(header_text(root, "References") or header_text(root, "In-Reply-To"))[:4000],
        from_name=name,
        from_address=address,
        date=date(header_text(root, "Date")),
        parts=without_ours(parts) if answers else tuple(parts),
        letterheads=letterheads,
        answers_ours=answers,
        cuts_threads=cut_threads and not answers and is_reply(root),
        cuts_signature=cut_signature,
        unzip=unzip,
        fax_fields=tuple((k.lower(), field_text(v)) for k, v in root.items() if k.lower().startswith("x-fax-")),
        auto_submitted=header_text(root, "Auto-Submitted").partition(";")[0].strip().lower()[:40],
    )


def _refuse_costly(content: bytes) -> None:
    """The parser compares each line with the boundary of each multipart that is open around it."""
    if content.count(b"\n") * len(_MULTIPART.findall(content)) > MAX_COMPARISONS:
        raise _Costly


def read_unpacked(part: MailPart, content: bytes, *, unzip: bool) -> tuple[list[MailPart], dict[str, str]]:
    """What a packed part held, as a MIME entity, becomes parts in its place; and the letterheads of messages in it.

    An Outlook message is one of its own, as a forwarded mail is; the others are content of the mail they came in.
    A zip file in a zip file is never opened.
    """
    letterheads: dict[str, str] = {}
    place = Place(part.section, part.message, depth=1, unzip=unzip and part.packing != Packing.ZIP)
    try:
        _refuse_costly(content)
        root = email.message_from_bytes(content, policy=TOLERANT)
        if part.packing == Packing.OUTLOOK:
            return list(forwarded(root, place, letterheads)), letterheads
        return list(entity(root, place, letterheads)), letterheads
    except (RecursionError, _Costly):
        return [replace(part, plan=Plan.REFUSED, reason="bad_mime")], {}


def placed(parts: Sequence[MailPart]) -> tuple[MailPart, ...]:
    """Pictures that a body seems to show, and those that look like a signature's; the worker has the last word."""
    bodies: dict[str, str] = {}
    for part in parts:
        if part.plan == Plan.BODY:
            bodies[part.message] = bodies.get(part.message, "") + unquote(html.unescape(part.html))
    found = [_placed(part, bodies.get(part.message, "")) for part in parts]
    inside = {part.data for part in found if part.plan == Plan.PICTURE or part.decoration}
    shown = {(part.message, _stem(part)) for part in found if part.kind in {PartKind.PDF, PartKind.HTML}}
    return tuple(
        replace(part, decoration=True)
        if part.plan == Plan.SOURCE and part.data in inside
        else replace(part, plan=Plan.LEFT_OUT, reason="invoice_data")
        if part.reason == "xml_invoice" and (part.message, _stem(part)) in shown
        else part
        for part in found
    )


def _stem(part: MailPart) -> str:
    """``INV1`` of ``INV1.xml`` and of ``INV1.pdf``, which are one invoice: as data, and as a page."""
    return part.name.rpartition(".")[0].lower()


def _placed(part: MailPart, body: str) -> MailPart:
    if part.plan != Plan.SOURCE or part.kind not in PICTURES:
        return part
    if part.content_id and f"cid:{part.content_id}" in body:
        return replace(part, plan=Plan.PICTURE, decoration=False)
    return replace(part, decoration=part.decoration or bool(_MACHINE_NAMED.fullmatch(part.name)))


def _read(root: Message, place: Place, letterheads: dict[str, str]) -> tuple[MailPart, ...]:
    parts: list[MailPart] = []
    for part in entity(root, place, letterheads):
        if len(parts) == MAX_PARTS:
            parts.append(replace(part, plan=Plan.REFUSED, reason="bad_mime"))
            break
        parts.append(part)
    return placed(parts)
