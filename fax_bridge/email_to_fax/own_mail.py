"""A mail that answers one of ours: what it gives back of ours is not to be faxed a second time.

A reply to a received fax goes to its caller, who wrote it; a reply to a report carries the report. A mail that is
passed on is no answer: there the original is the point of it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from email.message import Message

from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan
from fax_bridge.email_to_fax.mail_text import header_text, message_ids

_OURS = re.compile(r"<(?:received|fallback|report|correction|early|delayed)-[0-9A-HJKMNP-TV-Z]{26}@[^<>]+>")
"""The Message-IDs of reports and received faxes: a word of ours and a ULID."""
_PASSED_ON = re.compile(r"\s*(?:fwd?|wg|i\u0307?lt|tr|rv|doorst)\s*:", re.IGNORECASE)
_FILE = re.compile(r"(?:fax|faks)-\S+-\d{8}-\d{4}\.(?:pdf|tif|csv)")
_PICTURE = re.compile(r"page-\d+@fax-bridge")

_ORIGINAL = re.compile(r"\s*-{2,}\s*[^-\n]{4,40}\s*-{2,}\s*")
_LETTERHEAD = re.compile(r"\s*\*?(?:From|Kimden|Gönderen)\s*:\*?\s*\S.*")
_LETTERHEAD_GOES_ON = re.compile(
    r"\s*\*?(?:Sent|Date|To|Gönderme|Gönderilme|Gönderildi|Tarih|Kime)\b[^:\n]{0,20}:\*?.*"
)


def answers_ours(root: Message) -> bool:
    """Whether it is a reply to a report or a received fax of ours, and not one that is passed on (RFC 5322 §3.6.4)."""
    asked = message_ids(header_text(root, "In-Reply-To")) or message_ids(header_text(root, "References"))
    last = asked.split(" ")[-1] if asked else ""
    return bool(_OURS.fullmatch(last)) and not _PASSED_ON.match(header_text(root, "Subject").casefold())


def is_reply(root: Message) -> bool:
    """Whether it answers a mail, whosever, and is not one that is passed on."""
    asked = header_text(root, "In-Reply-To") or header_text(root, "References")
    return bool(message_ids(asked)) and not _PASSED_ON.match(header_text(root, "Subject").casefold())


def without_ours(parts: Sequence[MailPart]) -> tuple[MailPart, ...]:
    """Our PDF and our picture, which some programs attach to the answer, are left out."""
    return tuple(
        replace(part, plan=Plan.LEFT_OUT, reason="quoted_original")
        if part.message == TOP
        and part.plan in {Plan.SOURCE, Plan.PICTURE}
        and (_FILE.fullmatch(part.name) or _PICTURE.fullmatch(part.content_id))
        else part
        for part in parts
    )


def without_quoted(text: str) -> tuple[str, bool]:
    """A plain text without the mail that it answers, and whether there was one.

    Lines that begin with ``>`` go, with the line that introduces them; from an "Original Message" mark or a
    letterhead of Outlook's on, everything does.
    """
    lines = text.split("\n")
    end = next((number for number in range(len(lines)) if _begins_original(lines, number)), len(lines))
    kept: list[str] = []
    for line in lines[:end]:
        if line.startswith(">"):
            _drop_attribution(kept)
        kept.append(line)
    answer = [line for line in kept if not line.startswith(">")]
    return "\n".join(answer), len(answer) < len(lines)


def begins_quotation(lines: Sequence[str], number: int) -> bool:
    """Whether the mail that is answered begins in this line, be it with the words that introduce it."""
    if lines[number].startswith(">") or _begins_original(lines, number):
        return True
    following = next((line for line in lines[number + 1 : number + 4] if line.strip()), "")
    if not following.startswith(">"):
        return False
    words = lines[number].strip()
    return words.endswith(":") and ("@" in words or (number > 0 and "@" in lines[number - 1]))


def _begins_original(lines: Sequence[str], number: int) -> bool:
    following = lines[number + 1 : number + 3]
    if _ORIGINAL.fullmatch(lines[number]):
        return any(_LETTERHEAD.fullmatch(line) for line in following)
    return bool(_LETTERHEAD.fullmatch(lines[number])) and any(map(_LETTERHEAD_GOES_ON.fullmatch, following))


def _drop_attribution(kept: list[str]) -> None:
    """Take back "On … wrote:", of one line or two, that stands before the first line of a quotation."""
    if kept and kept[-1].startswith(">"):
        return
    while kept and not kept[-1].strip():
        kept.pop()
    for lines in (1, 2):
        words = " ".join(kept[-lines:]).strip()
        if len(kept) >= lines and words.endswith(":") and "@" in words:
            del kept[-lines:]
            return
