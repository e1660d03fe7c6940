"""What a bounce says: whom the mail did not reach, and why (RFC 3464). Never raises, whatever it is given.

Delays, and reports that the mail arrived, are no failures. A bounce without a machine's part is one, without a name;
an answering machine's note is none (RFC 3834).
"""

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message

from fax_bridge.mail.headers import line

MOST_FAILURES = 200
"""Of one report; a mail of ours has no more recipients than its route."""
MOST_PARTS = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """``recipient`` is empty where it is not told."""

    recipient: str
    detail: str


UNNAMED = Failure("", "the bounce does not say whom it is about")


def read_bounce(mail: bytes) -> tuple[Failure, ...]:
    """The recipients that were not reached; none for what is no failure. ``mail`` may be cut off at its end."""
    try:
        return _read(message_from_bytes(mail, policy=policy.compat32))
    except Exception:  # noqa: BLE001 — the standard library's parser on a stranger's bytes; told as a failure, not lost
        return (UNNAMED,)


def _read(mail: Message) -> tuple[Failure, ...]:
    reports = [part for part, _ in zip(mail.walk(), range(MOST_PARTS), strict=False)]
    status = next((part for part in reports if part.get_content_type() == "message/delivery-status"), None)
    if status is None:
        kind = mail.get_content_type()
        if kind == "multipart/report":
            told = str(mail.get_param("report-type", "")).lower()
            return () if told == "disposition-notification" else (UNNAMED,)
        automatic = str(mail.get("Auto-Submitted", "no")).strip().lower()
        return () if automatic.startswith("auto-replied") else (_plain(mail),)
    groups = [group for group in status.get_payload() if isinstance(group, Message)] if status.is_multipart() else []
    recipients = [group for group in groups if group.get("Action") or group.get("Final-Recipient")]
    if not recipients:
        return (UNNAMED,)
    return tuple(_failure(group) for group in recipients[:MOST_FAILURES] if _action(group) == "failed")


def _action(group: Message) -> str:
    """Without one, a group is read as the worst."""
    return str(group.get("Action", "failed")).split("(")[0].strip().lower()


def _failure(group: Message) -> Failure:
    typed = str(group.get("Original-Recipient") or group.get("Final-Recipient") or "")
    told = (group.get("Status"), str(group.get("Diagnostic-Code") or "").partition(";")[2])
    detail = " ".join(line(str(word), 300) for word in told if word)
    return Failure(_address(typed), detail or "no reason given")


def _address(typed: str) -> str:
    """``rfc822; ayse@example.com`` without its type (RFC 3464 §2.3.2)."""
    return line(typed.partition(";")[2].strip().strip("<>"), 320)


def _plain(mail: Message) -> Failure:
    """qmail and others of its age name the addresses in prose only (their Subject at least is shown)."""
    return Failure(
        line(str(mail.get("X-Failed-Recipients", "")).split(",")[0], 320), line(str(mail.get("Subject", "")), 300)
    )
