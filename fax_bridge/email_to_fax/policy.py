"""Where a sender's faxes may go, and how many.

:func:`destination_refusal` is for the addresses of a mail and for the members of a list alike.
"""

from collections.abc import Iterable, Sequence

from fax_bridge.email_to_fax.admit import Destination
from fax_bridge.email_to_fax.quotas import TOO_MANY
from fax_bridge.email_to_fax.transaction import Transaction
from fax_bridge.numbers import Kind, country_of, kind_of, shown
from fax_bridge.settings import Sender, Settings
from fax_bridge.settings.senders import any_fits
from fax_bridge.store.audit import Line

_SAID = {
    Kind.PREMIUM: "premium-rate numbers",
    Kind.SHARED_COST: "shared-cost numbers",
    Kind.SATELLITE: "satellite and global networks",
    Kind.PERSONAL: "personal numbers and pagers",
    Kind.SHORT: "emergency numbers and short codes",
}


def destination_refusal(settings: Settings, number: str, *, allow: Sequence[str], deny: Sequence[str]) -> str | None:
    """Why no fax may go to this E.164 number: ASCII, fit for an SMTP reply; ``None`` where it may.

    ``allow`` and ``deny`` are the sender's own.
    """
    numbers = settings.numbers
    kind = kind_of(number)
    if kind != Kind.ORDINARY and kind.value not in numbers.costly:
        return f"no fax goes to {shown(number)}: {_SAID[kind]} are not called from here"
    country = country_of(number)
    if _covers(numbers.deny, number, country) or (numbers.allow and not _covers(numbers.allow, number, country)):
        return f"no fax goes to {shown(number)}: this number is not called from here"
    if _covers(deny, number, country) or (allow and not _covers(allow, number, country)):
        return f"no fax of yours may go to {shown(number)}"
    return None


def recipient_refusal(settings: Settings, sender: Sender, transaction: Transaction, to: Destination) -> str | None:
    """The SMTP reply that refuses this one more recipient, or ``None``.

    A phone book's numbers are FaxMAX's, and not known here: who may write there may send to them.
    """
    why = destination_refusal(settings, to.number, allow=sender.allow, deny=sender.deny) if to.number else None
    if why:
        return f"550 5.7.1 {why}"
    numbers = {one.number or one.target for one in transaction.recipients} | {to.number or to.target}
    if sender.max_recipients and len(numbers) > sender.max_recipients:
        return TOO_MANY.format(limit=sender.max_recipients)
    return None


def accepted_line(settings: Settings, sender: Sender, transaction: Transaction, client: str, message_id: str) -> Line:
    """The audit log's line for a mail; its recipients are added when they are known."""
    keep = int(settings.retention.audit * 1000)
    proven = [f"as {transaction.peer.user}"] if transaction.peer.user else []
    proven += [
        f"by certificate {name}" for name in transaction.peer.certificates if any_fits(sender.certificates, name)
    ]
    proven += ["by DMARC"] if sender.dmarc else []
    right = ", ".join([f'senders "{sender.label}"', f"from {client}", *proven])
    detail = "preview" if any(one.preview for one in transaction.recipients) else ""
    return Line("accepted", (transaction.mail_from or "").lower(), right, message_id, keep, detail=detail)


def _covers(ranges: Iterable[str], number: str, country: str) -> bool:
    return any(one in ("*", country) if not one.isdigit() else number.startswith(one) for one in ranges)
