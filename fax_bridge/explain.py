"""``fax-bridge explain``: what a mail would become, told and shown; nothing is sent and no settings are needed."""

import email.utils
from dataclasses import asdict, dataclass
from typing import Any

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.cover import cover_html
from fax_bridge.email_to_fax.document import Prepared, Unfaxable, prepare
from fax_bridge.email_to_fax.mail_text import TOLERANT, header_text
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.fax import Language, Paper, Resolution, now
from fax_bridge.mail.words import Words
from fax_bridge.numbers import BadNumber, read_number, shown


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
    recipients = [_recipient(address, region) for address in to or _addressed(content, region)]
    made = await prepare(mail, Documents(), paper=paper)
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
            timezone="Europe/Istanbul",
        )
    facts = {
        "subject": mail.subject,
        "from": email.utils.formataddr((mail.from_name, mail.from_address)),
        "recipients": recipients,
        "options": {"paper_size": paper, "resolution": resolution, "language": language},
        "faxed": isinstance(made, Prepared),
        "refused": {"reason": made.reason, "detail": made.detail} if isinstance(made, Unfaxable) else None,
        "parts": [asdict(fate) for fate in made.fates],
        "pages": made.pages if isinstance(made, Prepared) else 0,
        "sha256": made.sha256 if isinstance(made, Prepared) else None,
        "cover": cover is not None,
    }
    return Explanation(facts, made.pdf if isinstance(made, Prepared) else None, cover)


def _recipient(address: str, region: str) -> dict[str, str]:
    try:
        number = read_number(address.rpartition("@")[0] or address, region)
    except BadNumber as fault:
        return {"address": address, "number": "", "shown": "", "fault": str(fault)}
    return {"address": address, "number": number, "shown": shown(number), "fault": ""}


def _addressed(content: bytes, region: str) -> list[str]:
    root = email.message_from_bytes(content.split(b"\r\n\r\n", 1)[0].split(b"\n\n", 1)[0] + b"\n\n", policy=TOLERANT)
    fields = [header_text(root, name) for name in ("To", "Cc")]
    addresses = [address for _, address in email.utils.getaddresses(fields) if "@" in address]
    return [address for address in addresses if not _recipient(address, region)["fault"]]
