"""A report that machines understand: ``multipart/report`` with a ``message/delivery-status`` (RFC 6522, RFC 3464).

Written byte by byte, because ``email`` folds fields that must stay whole. A fax that was only handed to FaxMAX is
never ``delivered``; that word is for what the remote machine confirmed.
"""

import quopri
import re
import textwrap
import unicodedata
from collections.abc import Iterable
from email.message import EmailMessage
from hashlib import sha256
from itertools import count

from fax_bridge.fax import FaxState, Instant, RcptDsn, ResultClass
from fax_bridge.mail.frame import rfc_date
from fax_bridge.mail.headers import bound, line
from fax_bridge.mail.letters import OpenFax, ReportFax, StatusReport
from fax_bridge.mail.outcome import OPTION_REASONS
from fax_bridge.mail.shown import Shown
from fax_bridge.report_wishes import SUCCESS

STATUSES: dict[ResultClass | None, str] = {
    ResultClass.BUSY: "4.4.1",
    ResultClass.NO_ANSWER: "4.4.1",
    ResultClass.NOT_A_FAX: "5.1.2",
    ResultClass.BAD_NUMBER: "5.1.1",
    ResultClass.LINE_FAULT: "4.4.2",
    ResultClass.PARTIAL: "4.4.2",
    ResultClass.REFUSED: "5.7.1",
    ResultClass.DOCUMENT: "5.6.3",
    ResultClass.EXPIRED: "4.4.7",
    ResultClass.CANCELLED: "5.0.0",
    ResultClass.UNKNOWN: "5.0.0",
    ResultClass.DELIVERED: "5.0.0",
    None: "5.0.0",
}
"""The enhanced code (RFC 3463 §3) of a fax that ``failed``: not answered, no fax machine there, no such number, broken
off, refused, no conversion possible, too late. 4 means that the same mail may well go through at another time."""

REASON_STATUSES = {
    "too_many_pages": "5.3.4",
    "image_too_large": "5.3.4",
    "html_too_large": "5.3.4",
    "office_too_large": "5.3.4",
    "zip_too_large": "5.3.4",
    "mail_encrypted": "5.7.5",
    "page_limit": "5.3.4",
    "page_quota": "5.3.4",
    "recipient_limit": "5.7.1",
    "fax_limit": "5.7.1",
    "cli_not_allowed": "5.7.1",
    **dict.fromkeys(OPTION_REASONS - {"cli_not_allowed"}, "5.5.4"),
}
"""Reasons of a document that was not made for which there is a better code (RFC 3463 §3.4, §3.6, §3.8)."""

OURS = frozenset({ResultClass.DOCUMENT, ResultClass.EXPIRED, ResultClass.CANCELLED})
"""Failures that FaxMAX had no part in: the diagnostic code is one of ours."""

_ENCODED = re.compile(r"\+([0-9A-F]{2})")
_MANY = re.compile(r'"?(?:list|(?:book|contact)-[\w-]+)[+@"]', re.IGNORECASE)
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9-]+")
_LONGEST = 900
"""Letters of a field; a line may have 998 (RFC 5322 §2.1.1)."""


def action_and_status(fax: ReportFax, recipient: str) -> tuple[str, str]:
    """``Action`` and ``Status`` of a fax that has ended (RFC 3464 §2.3.3, §2.3.4)."""
    match fax.state:
        case FaxState.DELIVERED:
            return "delivered", "2.0.0"
        case FaxState.UNCONFIRMED:
            # Handed over and no more. "relayed" is for those who asked for success; to others it would be silence.
            asked = fax.dsn.get(recipient, RcptDsn()).notify.split(",")
            return ("relayed", "2.0.0") if SUCCESS in asked else ("failed", "4.4.7")
        case FaxState.UNCERTAIN:
            return "failed", "4.4.2"
        case FaxState.CANCELLED:
            return "failed", STATUSES[ResultClass.CANCELLED]
        case _:
            reason = fax.detail.partition(":")[0]
            of_document = REASON_STATUSES.get(reason) if fax.result is ResultClass.DOCUMENT else None
            return "failed", of_document or STATUSES[fax.result]


def report_mail(headers: Iterable[str], human: EmailMessage, status: StatusReport, fields: bytes, seed: str) -> bytes:
    """The whole mail: what people read, what machines read, what is given back of the sender's mail (RFC 6522 §3)."""
    bound(human, seed)
    parts = [human.as_bytes(), b"Content-Type: message/delivery-status\r\n\r\n" + fields, *_returned(status)]
    boundary = _boundary(seed, parts)
    head = "".join(f"{header}\r\n" for header in headers if header)
    kind = f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"\r\n\r\n'
    opening = f"--{boundary}\r\n".encode()
    body = b"".join(opening + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return (head + "MIME-Version: 1.0\r\n" + kind).encode("ascii") + body


def status_fields(
    status: StatusReport, accepted_at: Instant, faxes: Iterable[ReportFax | OpenFax], shown: Shown
) -> bytes:
    """The ``message/delivery-status``: a group of fields of the mail, and one of each recipient (RFC 3464 §2.1)."""
    groups = [_per_message(status, accepted_at, shown)]
    groups += [
        _per_recipient(fax, recipient, shown)
        for fax in faxes
        for recipient in fax.recipients or (f"{fax.number}@{status.mta}",)  # of an attached list
    ]
    return "\r\n".join("".join(f"{one}\r\n" for one in group if one) for group in groups).encode("ascii")


def _per_message(status: StatusReport, accepted_at: Instant, shown: Shown) -> list[str]:
    return [
        _field("Original-Envelope-Id", _decoded(status.envid)),
        _field("Reporting-MTA", f"dns; {_printable(status.mta)}"),
        _field("Arrival-Date", rfc_date(shown, accepted_at)),
    ]


def _per_recipient(fax: ReportFax | OpenFax, recipient: str, shown: Shown) -> list[str]:
    return _ended(fax, recipient, shown) if isinstance(fax, ReportFax) else _late(fax, recipient, shown)


def _ended(fax: ReportFax, recipient: str, shown: Shown) -> list[str]:
    action, code = action_and_status(fax, recipient)
    group = [
        *_whom(fax, recipient),
        _field("Action", action),
        _field("Status", code),
        _field("Diagnostic-Code", _diagnostic(fax)),
    ]
    if fax.ended_at is not None:
        group.append(_field("Last-Attempt-Date", rfc_date(shown, fax.ended_at)))
    return [
        *group,
        _field("Final-Log-ID", _printable(fax.fax_id)),
        _field("X-Fax-Bridge-FaxMAX-Id", _printable(fax.provider_id)),
        _field("X-Fax-Bridge-State", fax.state),
        _field("X-Fax-Bridge-Result", fax.result or ""),
        _field("X-Fax-Bridge-Pages-Sent", "" if fax.pages_sent is None else str(fax.pages_sent)),
        _field("X-Fax-Bridge-Attempts", str(fax.attempts or "")),
        _field("X-Fax-Bridge-Remote-Station", _ascii(fax.remote_station)),
    ]


def _late(fax: OpenFax, recipient: str, shown: Shown) -> list[str]:
    return [
        *_whom(fax, recipient),
        _field("Action", "delayed"),
        _field("Status", "4.4.0"),
        _field("Diagnostic-Code", f"x-faxmax; {_ascii(fax.detail)}" if fax.detail else ""),
        _field("Final-Log-ID", _printable(fax.fax_id)),
        _field("Will-Retry-Until", rfc_date(shown, fax.known_by)),
        _field("X-Fax-Bridge-State", fax.state),
    ]


def _whom(fax: ReportFax | OpenFax, recipient: str) -> list[str]:
    """``Original-Recipient`` only where the sender named one, with its type; ``Final-Recipient`` as RCPT had it, but of
    an address that means many (``list@``, ``book-7@``) each of its numbers, or they could not be told apart."""
    kind, _, original = fax.dsn.get(recipient, RcptDsn()).orcpt.partition(";")
    named = bool(_ADDRESS_TYPE.fullmatch(kind)) and bool(original)
    is_own = _is_printable(recipient) and not (fax.number and _MANY.match(recipient))
    address = recipient if is_own else f"{fax.number}@{recipient.rpartition('@')[2]}"
    return [
        _field("Original-Recipient", f"{kind}; {_decoded(original)}" if named else ""),
        _field("Final-Recipient", f"rfc822; {_printable(address)}"),
    ]


def _diagnostic(fax: ReportFax) -> str:
    """What was said of the failure, by whom: FaxMAX, or ourselves (RFC 3464 §2.3.6)."""
    if fax.state is FaxState.DELIVERED:
        return ""
    ours = fax.result in OURS or fax.state in (FaxState.CANCELLED, FaxState.UNCERTAIN)
    word = str(fax.result or fax.state)
    detail = _ascii(fax.detail)
    return f"{'x-fax-bridge' if ours else 'x-faxmax'}; {word}" + (f" ({detail})" if detail else "")


def _returned(status: StatusReport) -> list[bytes]:
    """The mail itself, or its header. A header beyond ASCII goes in quoted-printable."""
    if status.mail:
        return [b"Content-Type: message/rfc822\r\n\r\n" + status.mail]
    if not status.headers:
        return []
    headers = status.headers.rstrip(b"\r\n") + b"\r\n"
    if fits_seven_bits(headers):
        return [b"Content-Type: text/rfc822-headers\r\n\r\n" + headers]
    encoded = quopri.encodestring(headers.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    about = b"Content-Type: text/rfc822-headers; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return [about + encoded]


def fits_seven_bits(content: bytes) -> bool:
    """Whether any relay takes it as it is: ASCII, CRLF only, no NUL, lines that are not too long (RFC 5322 §2.1.1)."""
    lines = content.split(b"\r\n")
    return content.isascii() and not any(
        b"\r" in one or b"\n" in one or b"\0" in one or len(one) > 998 for one in lines
    )


# --- fields ------------------------------------------------------------------------------------------


def _field(name: str, value: str) -> str:
    """One field, folded where it is long; empty where there is nothing to say."""
    if not value:
        return ""
    folded = textwrap.wrap(f"{name}: {value[:_LONGEST]}", 76, break_long_words=False, break_on_hyphens=False)
    return "\r\n ".join(folded)


def _decoded(xtext: str) -> str:
    """What xtext stands for (RFC 3461 §4): printable ASCII, or it is left as it was given."""
    decoded = _ENCODED.sub(lambda found: chr(int(found[1], 16)), xtext)
    return decoded if _is_printable(decoded) and decoded == decoded.strip() else _printable(xtext)


def _is_printable(text: str) -> bool:
    return bool(text) and all(" " <= character <= "~" for character in text)


def _printable(text: str) -> str:
    return "".join(character if "!" <= character <= "~" else "?" for character in text)


def _ascii(text: str) -> str:
    """Without accents: fields hold ASCII, and ``mesgul`` is read more easily than an encoded word."""
    plain = unicodedata.normalize("NFKD", line(text, 300).replace("ı", "i"))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    # Parentheses would be comments, and a comment has to be closed (RFC 5322 §3.2.2).
    return "".join(c if " " <= c <= "~" and c not in "()\\" else "?" for c in kept).strip()


def _boundary(seed: str, parts: Iterable[bytes]) -> str:
    """One that stands in none of the parts; the same for the same mail."""
    for number in count():
        boundary = "=_" + sha256(f"{seed} report {number}".encode()).hexdigest()[:40]
        if not any(boundary.encode() in part for part in parts):
            return boundary
    raise AssertionError("unreachable")
