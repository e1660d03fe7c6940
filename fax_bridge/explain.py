"""``fax-bridge explain``: what a mail would become, told and shown; nothing is sent and no settings are needed.

A document that is given instead of a mail is explained as the mail that holds nothing else.
"""

import email.utils
import re
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.cover import Cover
from fax_bridge.email_to_fax.distribution_list import divided, lines_of
from fax_bridge.email_to_fax.document import CoverRule, Prepared, Unfaxable, prepare, without_cover
from fax_bridge.email_to_fax.mail_part import MailPart
from fax_bridge.email_to_fax.mail_text import TOLERANT, header_text
from fax_bridge.email_to_fax.options import (
    NO_COVER,
    FaxOptions,
    LocalPart,
    OptionFault,
    cover_of_document,
    cover_policy,
    read_address,
    read_header,
    read_subject,
    unknown_fields,
)
from fax_bridge.email_to_fax.part_kind import kind_by_bytes, kind_of, packing_of
from fax_bridge.email_to_fax.preview import Drawn, drawn
from fax_bridge.email_to_fax.preview_address import preview_of
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.send_time import DAY_MS, Clock
from fax_bridge.fax import CoverPolicy, Instant, Language, Paper, Resolution, now
from fax_bridge.mail.page_warnings import page_warnings
from fax_bridge.mail.words import Words
from fax_bridge.numbers import BadNumber, read_number, shown
from fax_bridge.wall_clock import at_zone

ZONE = "Europe/Istanbul"
_HEADER = re.compile(rb"\s*(?:From [^\n]*\n)?[!-9;-~]{1,80}[ \t]*:")
"""A mail's first line (RFC 5322 §2.2), perhaps behind that of a mailbox file."""
_UNTYPED = "application/octet-stream"
WITHIN = 30 * DAY_MS
"""The defaults of ``reports.timezone`` and ``faxmax.send_at_within``."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """``facts`` is the JSON; ``pdf`` and ``cover`` are what FaxMAX would get, ``None`` where there is none."""

    facts: dict[str, Any]
    pdf: bytes | None
    cover: str | None
    drawn: Drawn | None
    """All pages as pictures, where that was asked for."""


async def explain(content: bytes, to: list[str], *, draw: bool = False, name: str = "") -> Explanation:
    """``to``: envelope recipients; without any, the addresses of To and Cc that could be numbers are taken.

    ``name`` is the file's, for a document. Raises :class:`Temporary` where this machine is at fault.
    """
    async with Documents() as documents:
        return await explain_with(documents, content, to, draw=draw, name=name)


async def explain_with(
    documents: Documents,
    content: bytes,
    to: list[str],
    *,
    draw: bool = False,
    name: str = "",
    region: str = "TR",
    language: Language = Language.TR,
) -> Explanation:
    """The same for many mails, one after the other."""
    content = _mail_of(content, name)
    mail = read_mail(content)
    asked = FaxOptions()
    paper, resolution = Paper.A4, Resolution.FINE
    lists: list[MailPart] = []
    recipients = [_recipient(address, region) for address in to or _addressed(content, region)]
    made: Prepared | Unfaxable
    try:
        subject, of_subject = read_subject(mail.subject, _clock())
        asked = of_subject.over(read_header(mail.fax_fields, _clock()))
        mail, lists = divided(replace(mail, subject=subject))
        recipients += [_recipient(line.text, region) for part in lists for line in lines_of(part.data)]
        covers = [one["options"].get("cover") for one in recipients]
        rule = CoverRule(cover_policy(cover_of_document(covers, asked.cover), CoverPolicy.WITH_TEXT))
        resolution = asked.resolution or Resolution.FINE
        paper = _paper(recipients, asked)
        made = await prepare(mail, documents, paper=paper, resolution=resolution, cover=rule)
        if isinstance(made, Prepared) and all((one or asked.cover) in NO_COVER for one in covers or [None]):
            made = without_cover(made)
    except OptionFault as fault:
        made = Unfaxable(fault.reason, fault.written, ())
    cover = None
    if isinstance(made, Prepared) and made.cover_body is not None:
        first = next((r["shown"] for r in recipients if r["shown"]), shown("902162222525"))
        parts = {"body": made.cover_body, "subject": mail.subject, "from_name": mail.from_name}
        parts |= {"from_address": mail.from_address}
        cover = Cover(parts, first, mail.date or now(), language, ZONE).html(Words(), made.pages + 1)
    facts = {
        "subject": mail.subject,
        "from": email.utils.formataddr((mail.from_name, mail.from_address)),
        "recipients": recipients,
        "options": {
            "paper_size": paper,
            "resolution": resolution,
            "cover": asked.cover,
            "cli": asked.cli,
            "language": language,
            "send_at": _when(asked.send_at),
        },
        "unknown_fields": unknown_fields(mail.fax_fields),
        "faxed": isinstance(made, Prepared),
        "refused": {"reason": made.reason, "detail": made.detail} if isinstance(made, Unfaxable) else None,
        "parts": [asdict(fate) for fate in made.fates],
        "pages": made.pages if isinstance(made, Prepared) else 0,
        "sha256": made.sha256 if isinstance(made, Prepared) else None,
        "cover": cover is not None,
        "page_facts": [asdict(page) for page in made.facts] if isinstance(made, Prepared) else [],
        "warnings": page_warnings(made.facts, Words(), language) if isinstance(made, Prepared) else (),
    }
    if not isinstance(made, Prepared):
        return Explanation(facts, None, None, None)
    seen = await drawn(documents, pdf=made.pdf, pages=made.pages, cover=cover, paper=paper) if draw else None
    return Explanation(facts, made.pdf, cover, seen)


def _mail_of(content: bytes, name: str) -> bytes:
    """The content itself, or a mail around it where it does not begin as a mail does and is a document."""
    if kind_by_bytes(content) is None:
        known = kind_of(_UNTYPED, name, content) or packing_of(_UNTYPED, name, content)
        if known is None or _HEADER.match(content):
            return content
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = name
    mail.add_attachment(content, "application", "octet-stream", filename=name)
    return mail.as_bytes()


def _clock() -> Clock:
    return Clock(ZoneInfo(ZONE), now(), WITHIN)


def _when(at: Instant | None) -> str | None:
    return at_zone(at, ZoneInfo(ZONE)).isoformat(timespec="minutes") if at is not None else None


def _recipient(address: str, region: str) -> dict[str, Any]:
    told: dict[str, Any] = dict.fromkeys(("number", "target", "shown", "fault"), "")
    told |= {"address": address, "send_at": None, "options": {}}
    _, spelled = preview_of(address.rpartition("@")[0] or address)
    try:
        local = LocalPart.read(spelled)
        number = "" if local.target else read_number(local.number, region)
        asked = read_address(local, _clock())
    except (BadNumber, OptionFault) as fault:
        return told | {"fault": str(fault)}
    meant = {"number": number, "target": local.target, "shown": shown(number) or local.target}
    return told | meant | {"send_at": _when(asked.send_at), "options": asked.kept()}


def _paper(recipients: list[dict[str, Any]], asked: FaxOptions) -> Paper:
    of_address = next((paper for one in recipients if (paper := one["options"].get("paper_size"))), None)
    return Paper(of_address or asked.paper or Paper.A4)


def _addressed(content: bytes, region: str) -> list[str]:
    root = email.message_from_bytes(content.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0] + b"\n\n", policy=TOLERANT)
    fields = [header_text(root, name) for name in ("To", "Cc")]
    addresses = [address for _, address in email.utils.getaddresses(fields) if "@" in address]
    return [address for address in addresses if not _recipient(address, region)["fault"]]
