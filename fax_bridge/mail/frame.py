"""What every mail of ours has around its words: sender, marks for robots, text beside HTML, Date and Message-ID."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from fax_bridge.fax import Instant
from fax_bridge.mail.headers import assembled, is_address, line, message_ids, unstructured
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Rendered


def parsed(sender: str) -> tuple[str, str]:
    """Display name and address of a From header's value. Raises :class:`ValueError` where it holds no address."""
    name, address = parseaddr(line(sender, 400))
    if not is_address(address):
        raise ValueError(f"{sender!r} holds no mail address")
    return name, address


def automatic(kind: str, our_id: str) -> list[str]:
    """What keeps robots from answering robots (RFC 3834 §5; the X- header is Exchange's), and our own mark."""
    return [f"Auto-Submitted: {kind}", "X-Auto-Response-Suppress: All", unstructured("X-Fax-Bridge-Id", our_id)]


def alternatives(rendered: Rendered) -> EmailMessage:
    """Text and HTML in quoted-printable: seven bits, so that any server takes it, and short lines."""
    body = EmailMessage(policy=SMTP)
    body.set_content(rendered.text, cte="quoted-printable")
    body.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return body


def dated(shown: Shown, message_id: str, date: Instant) -> list[str]:
    """Date and Message-ID. Raises :class:`ValueError` where the id does not stand in angle brackets."""
    own = message_ids("Message-ID", [message_id])
    if not own:
        raise ValueError(f"{message_id!r} is no Message-ID in angle brackets")
    return [f"Date: {rfc_date(shown, date)}", own]


def rfc_date(shown: Shown, at: Instant) -> str:
    """As RFC 5322 §3.3 writes it, in the reader's zone."""
    return format_datetime(shown.local(at).replace(microsecond=0))


def framed(headers: list[str], body: EmailMessage, shown: Shown, message_id: str, date: Instant) -> bytes:
    """The whole mail."""
    first = dated(shown, message_id, date)
    return assembled([*first, *headers], body, first[-1])
