"""``fax-bridge explain``: what a mail would become, told and shown; nothing is sent and no settings are needed."""

import email.utils
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.cover import cover_html
from fax_bridge.email_to_fax.document import Prepared, Unfaxable, prepare
from fax_bridge.email_to_fax.mail_text import TOLERANT, header_text
from fax_bridge.email_to_fax.options import LocalPart, OptionFault, read_address, read_header
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.send_time import DAY_MS, Clock
from fax_bridge.fax import Instant, Language, Paper, Resolution, now
from fax_bridge.mail.page_warnings import page_warnings
from fax_bridge.mail.words import Words
from fax_bridge.numbers import BadNumber, read_number, shown
from fax_bridge.wall_clock import at_zone

ZONE = "Europe/Istanbul"
WITHIN = 30 * DAY_MS
"""The defaults of ``reports.timezone`` and ``faxmax.send_at_within``."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """``facts`` is the JSON; ``pdf`` and ``cover`` are what FaxMAX would get, ``None`` where there is none."""

    facts: dict[str, Any]
    pdf: bytes | None
    cover: str | None


async def explain(
    content: bytes, to: list[str], *, region: str = "TR", language: Language = Language.TR
) -> Explanation:
    """``to``: envelope recipients; without any, the addresses of To and Cc that could be numbers are taken."""
    mail = read_mail(content)
    paper, resolution = Paper.A4, Resolution.FINE
    send_at = None
    recipients = [_recipient(address, region) for address in to or _addressed(content, region)]
    made: Prepared | Unfaxable
    try:
        send_at = read_header(mail.fax_fields, _clock()).send_at
        async with Documents() as documents:
            made = await prepare(mail, documents, paper=paper, resolution=resolution)
    except OptionFault as fault:
        made = Unfaxable(fault.reason, fault.written, ())
    cover = None
    if isinstance(made, Prepared) and made.cover_body is not None:
        number = next((r["number"] for r in recipients if r["number"]), "902162222525")
        parts = {"body": made.cover_body, "subject": mail.subject, "from_name": mail.from_name}
        cover = cover_html(
            parts | {"from_address": mail.from_address},
            words=Words(),
            number=number,
            pages=made.pages,
            at=mail.date or now(),
            language=language,
            timezone=ZONE,
        )
    facts = {
        "subject": mail.subject,
        "from": email.utils.formataddr((mail.from_name, mail.from_address)),
        "recipients": recipients,
        "options": {"paper_size": paper, "resolution": resolution, "language": language, "send_at": _when(send_at)},
        "faxed": isinstance(made, Prepared),
        "refused": {"reason": made.reason, "detail": made.detail} if isinstance(made, Unfaxable) else None,
        "parts": [asdict(fate) for fate in made.fates],
        "pages": made.pages if isinstance(made, Prepared) else 0,
        "sha256": made.sha256 if isinstance(made, Prepared) else None,
        "cover": cover is not None,
        "page_facts": [asdict(page) for page in made.facts] if isinstance(made, Prepared) else [],
        "warnings": page_warnings(made.facts, Words(), language) if isinstance(made, Prepared) else (),
    }
    return Explanation(facts, made.pdf if isinstance(made, Prepared) else None, cover)


def _clock() -> Clock:
    return Clock(ZoneInfo(ZONE), now(), WITHIN)


def _when(at: Instant | None) -> str | None:
    return at_zone(at, ZoneInfo(ZONE)).isoformat(timespec="minutes") if at is not None else None


def _recipient(address: str, region: str) -> dict[str, Any]:
    local = LocalPart.read(address.rpartition("@")[0] or address)
    try:
        number = read_number(local.number, region)
        send_at = _when(read_address(local, _clock()).send_at)
    except (BadNumber, OptionFault) as fault:
        return {"address": address, "number": "", "shown": "", "send_at": None, "fault": str(fault)}
    return {"address": address, "number": number, "shown": shown(number), "send_at": send_at, "fault": ""}


def _addressed(content: bytes, region: str) -> list[str]:
    root = email.message_from_bytes(content.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0] + b"\n\n", policy=TOLERANT)
    fields = [header_text(root, name) for name in ("To", "Cc")]
    addresses = [address for _, address in email.utils.getaddresses(fields) if "@" in address]
    return [address for address in addresses if not _recipient(address, region)["fault"]]
