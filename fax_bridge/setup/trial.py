"""``fax-bridge test-fax``: a test page goes the whole way, from a mail to the report, and is followed step by step."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any

from ulid import ULID

from fax_bridge import __version__
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import BridgeError
from fax_bridge.fax import FAX_ENDS, FaxState
from fax_bridge.history import fax_list, fax_show
from fax_bridge.mail.relay import Relay
from fax_bridge.settings import Settings

LOOK = 0.5
"""Seconds between two looks at the fax."""

PAGE = """<html><body style="font-family: Arial; font-size: 14pt">
<h1 style="border: 4px solid black; padding: 12px">fax-bridge {version}</h1>
<p>Test page to +{number}, {at:%Y-%m-%d %H:%M} UTC.</p>
<p style="font-size: 24pt">ğüşıöç ĞÜŞİÖÇ 0123456789</p>
<p style="font-size: 8pt">The smallest line that should be readable: ğüşıöç ĞÜŞİÖÇ 0123456789</p>
<table border="1" cellpadding="20"><tr><td>1</td><td>2</td><td>3</td></tr></table>
</body></html>"""


async def send(settings: Settings, number: str, to: str, server: str | None = None) -> list[str]:
    """Hand the mail in as any mail server does; the ids of the faxes that came of it. ``server`` is ``HOST:PORT``.

    Raises :class:`BridgeError` where it is refused.
    """
    at, domain = datetime.now(UTC), settings.smtp.domains[0]
    async with Documents() as documents:
        page = await documents.html_to_pdf(PAGE.format(version=__version__, number=number.lstrip("+"), at=at))
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = to, f"{number}@{domain}"
    mail["Subject"] = f"fax-bridge test page {ULID()}"  # its own, or a second one would be a repeat of the first
    mail["Date"], mail["Message-ID"] = format_datetime(at), make_msgid(domain=domain)
    mail.set_content("fax-bridge test-fax")
    mail.add_attachment(page, maintype="application", subtype="pdf", filename="test.pdf")
    way_in = Relay.from_url(f"smtp://{server or settings.smtp.listen[0]}", timeout=30)
    delivery = await way_in.send(str(ULID()), to, [f"{number}@{domain}"], mail.as_bytes())
    for reply in (*delivery.refused.values(), *delivery.deferred.values()):
        raise BridgeError(f"The bridge does not take it: {reply}. Look at [[senders]], with this machine's address.")
    return await _faxes_of(settings, str(mail["Subject"]))


async def _faxes_of(settings: Settings, subject: str) -> list[str]:
    """The subject is known once the document is made."""
    for _ in range(120):
        if found := [fax["id"] for fax in await fax_list(settings, 100) if fax["subject"] == subject]:
            return found
        await asyncio.sleep(LOOK)
    raise BridgeError("The mail was accepted, but its document is not made within a minute. Look at the log.")


async def follow(settings: Settings, fax_id: str) -> AsyncIterator[dict[str, Any]]:
    """Each step of the fax as it happens, ``at``, ``state``, ``note``; ends with the fax."""
    seen = 0
    while True:
        found = await fax_show(settings, fax_id)
        if found is None:
            raise BridgeError(f"The fax {fax_id} is not there any more.")
        for step in found["events"][seen:]:
            yield step
        seen = len(found["events"])
        if found["state"] in FAX_ENDS:
            return
        await asyncio.sleep(LOOK)


def is_delivered(step: dict[str, Any]) -> bool:
    return bool(step["state"] == FaxState.DELIVERED)
