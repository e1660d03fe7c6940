"""Parts that hold others in a form of their own (winmail.dat, .msg, S/MIME) give way to what they hold.

The worker unpacks, because the parsers can crash and hang; what comes back is MIME and is read as such.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from fax_bridge.documents.worker import Documents, Packing
from fax_bridge.email_to_fax.mail_part import MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.mime_tree import MAX_FORWARDS
from fax_bridge.email_to_fax.read import MAX_PARTS, placed, read_unpacked
from fax_bridge.errors import DocumentRefused

_WORDINGS = {"text/plain", "text/html", "text/rtf"}


async def unpacked(mail: ReadMail, documents: Documents) -> ReadMail:
    """The mail without packed parts: each is replaced by its parts, or refused. Raises :class:`Temporary`."""
    for _ in range(MAX_FORWARDS):
        if not any(part.plan == Plan.PACKED for part in mail.parts):
            return mail
        mail = await _once(mail, documents)
    return replace(mail, parts=tuple(_refused(part, "nested_too_deep") for part in mail.parts))


async def _once(mail: ReadMail, documents: Documents) -> ReadMail:
    parts: list[MailPart] = []
    letterheads = dict(mail.letterheads)
    for part in mail.parts:
        if part.plan != Plan.PACKED or part.packing is None:
            parts.append(part)
            continue
        try:
            entity = await documents.unpack(part.data, part.packing)
        except DocumentRefused as refusal:
            parts.append(replace(part, plan=Plan.REFUSED, reason=refusal.reason, detail=refusal.detail))
            continue
        if not entity.strip():
            parts.append(replace(part, plan=Plan.LEFT_OUT, reason="signature_part"))
            continue
        held, heads = await asyncio.to_thread(partial(read_unpacked, part, entity, unzip=mail.unzip))
        letterheads |= heads
        parts += _one_wording(held, parts) if part.packing == Packing.TNEF else held
    if len(parts) > MAX_PARTS:
        parts[MAX_PARTS:] = [replace(parts[MAX_PARTS], plan=Plan.REFUSED, reason="bad_mime")]
    return replace(mail, parts=placed(parts), letterheads=letterheads)


def _one_wording(held: list[MailPart], before: list[MailPart]) -> Iterable[MailPart]:
    """Outlook sends the text of a mail twice, plain beside winmail.dat and rich inside; HTML wins as ever.

    A text in RTF that holds more than words is left out where there is another wording, and else laid out by
    LibreOffice, or refuses the mail.
    """
    message = held[0].message if held else ""
    outside = [n for n, part in enumerate(before) if part.plan == Plan.BODY and part.message == message and part.html]
    inside = [part for part in held if part.plan == Plan.BODY and part.message == message]
    rich = any(part.content_type == "text/html" for part in inside)
    if rich and all(before[number].content_type == "text/plain" for number in outside):
        for number in outside:
            before[number] = replace(before[number], plan=Plan.LEFT_OUT, reason="alternative_not_used")
        outside = []
    for part in held:
        is_wording = part.message == message and part.content_type in _WORDINGS and not part.name
        if is_wording and outside and part.plan in {Plan.BODY, Plan.SOURCE, Plan.REFUSED}:
            yield replace(part, plan=Plan.LEFT_OUT, reason="alternative_not_used")
        elif is_wording and part.plan == Plan.REFUSED:  # RTF that could not be unpacked
            yield replace(part, reason="packed_broken")
        else:
            yield part


def _refused(part: MailPart, reason: str) -> MailPart:
    return replace(part, plan=Plan.REFUSED, reason=reason) if part.plan == Plan.PACKED else part
