"""Mail that no person and no program meant as a fax: answers of robots, bounces, and what came round in a circle.

Refused while its client still listens, so that nobody gets a mail about it (RFC 3834 §2, RFC 5321 §6.3). What machines
write of their own accord (``auto-generated``, ``bulk``) is welcome. Only the header is read, and of an in-memory mail
its first part's: a few microseconds for a usual mail.
"""

import re

MOST_HOPS = 100
"""``Received`` fields of a mail that has gone round (RFC 5321 §6.3: no fewer)."""

_LOOKED_AT = 16 * 1024
"""Bytes of the mail in which an invitation's answer shows itself as one."""

_FIELDS = re.compile(
    rb"(?im)^(received|auto-submitted|content-type|content-class|precedence|x-autoreply|x-autorespond"
    rb"|x-ms-exchange-inbox-rules-loop|x-fax-bridge-id)[ \t]*:((?:[^\n]|\n[ \t])*)"
)
_CALENDAR_REPLY = re.compile(
    rb"(?im)^content-type[ \t]*:[ \t]*text/calendar(?:[^\n]|\n[ \t])*\bmethod=\"?(reply|counter)\b"
)
_END = re.compile(rb"\r?\n\r?\n")


def refusal_of(header: bytes, beginning: bytes = b"") -> str | None:
    """The reply that refuses it, or ``None``. ``header`` may have some of the body behind it; ``beginning`` is the
    first bytes of the whole mail, where they are at hand."""
    head = _END.split(header, 1)[0]
    fields: dict[str, list[str]] = {}
    for name, value in _FIELDS.findall(head):
        fields.setdefault(name.decode().lower(), []).append(value.decode("latin-1").strip().lower())
    if len(fields.get("received", ())) > MOST_HOPS:
        return f"550 5.4.6 this mail has gone through more than {MOST_HOPS} servers: it goes round in a circle"
    if "x-fax-bridge-id" in fields:
        return "550 5.4.6 this mail was written by a fax gateway; forward it as an attachment, or in a mail of your own"
    if "x-ms-exchange-inbox-rules-loop" in fields:
        return "550 5.4.6 this mail went round by an inbox rule; take the rule out, or send the mail by hand"
    if what := _answer(fields) or _calendar(fields, beginning):
        return f"550 5.7.1 {what} is not faxed"
    return None


def _answer(fields: dict[str, list[str]]) -> str:
    words = {value.split(";")[0].strip() for value in fields.get("auto-submitted", ())}
    if "auto-replied" in words:
        return "an automatic reply (Auto-Submitted: auto-replied)"
    if {"x-autoreply", "x-autorespond"} & set(fields) or "auto_reply" in fields.get("precedence", ()):
        return "an automatic reply"
    if any(value.startswith("multipart/report") for value in fields.get("content-type", ())):
        return "a delivery or read report (multipart/report)"
    return ""


def _calendar(fields: dict[str, list[str]], beginning: bytes) -> str:
    """An answer to an invitation; one that lies in a forwarded mail is that mail's."""
    said = "an answer to an invitation (text/calendar, method=REPLY)"
    types = fields.get("content-type", ())
    if any("text/calendar" in value and re.search(r"method=\"?(reply|counter)\b", value) for value in types):
        return said
    if not any(value.startswith("multipart/") for value in types):
        return ""
    looked_at = beginning[:_LOOKED_AT]
    found = _CALENDAR_REPLY.search(looked_at) if b"alendar" in looked_at else None
    return said if found and b"message/rfc822" not in looked_at[: found.start()].lower() else ""
