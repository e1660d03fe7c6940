"""A strict reader of ``multipart/report`` and ``message/delivery-status``, written from RFC 6522 and RFC 3464.

It takes the bytes of a mail, knows which fields there are, which are required, in which group, and how often, and
refuses everything else. It shares nothing with what writes them.
"""

import re
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Any

ATOM = r"[!#$%&'*+/0-9=?A-Z^_`a-z{|}~.-]+"
TYPED = re.compile(rf"{ATOM} ?; ?[ -~]+")
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
ACTIONS = {"failed", "delayed", "delivered", "relayed", "expanded"}
CLASSES = {"delivered": "2", "relayed": "2", "expanded": "2", "delayed": "4", "failed": "45"}

PER_MESSAGE = {
    "original-envelope-id": "text",
    "reporting-mta": "typed",
    "dsn-gateway": "typed",
    "received-from-mta": "typed",
    "arrival-date": "date",
}
PER_RECIPIENT = {
    "original-recipient": "typed",
    "final-recipient": "typed",
    "action": "action",
    "status": "status",
    "remote-mta": "typed",
    "diagnostic-code": "typed",
    "last-attempt-date": "date",
    "final-log-id": "text",
    "will-retry-until": "date",
}
Group = dict[str, str]


class NotAReport(AssertionError):
    """The mail breaks a rule; the words say which."""


@dataclass(frozen=True)
class DeliveryReport:
    mail: EmailMessage
    message: Group
    recipients: list[Group] = field(default_factory=list)
    returned: "MIMEPart[Any, Any] | None" = None
    """The third part, if there is one."""

    def of(self, address: str) -> Group:
        (found,) = [one for one in self.recipients if one["final-recipient"].lower().endswith(address.lower())]
        return found


def read_report(content: bytes) -> DeliveryReport:
    """Raises :class:`NotAReport`."""
    mail = BytesParser(policy=policy.default).parsebytes(content)
    assert isinstance(mail, EmailMessage)
    if any(part.defects for part in mail.walk()):
        raise NotAReport("the mail has defects")
    if mail.get_content_type() != "multipart/report" or mail["content-type"].params.get("report-type") != (
        "delivery-status"
    ):
        raise NotAReport("RFC 6522 §3: multipart/report with report-type=delivery-status")
    parts = list(mail.iter_parts())
    if len(parts) not in (2, 3):
        raise NotAReport("RFC 6522 §3: two or three parts")
    if parts[0].get_content_maintype() not in ("text", "multipart"):
        raise NotAReport("RFC 6522 §3: the first part is for people")
    if parts[1].get_content_type() != "message/delivery-status":
        raise NotAReport("RFC 3464 §2: the second part is message/delivery-status")
    if parts[1].get("content-transfer-encoding", "7bit").lower() != "7bit":
        raise NotAReport("RFC 3464 §2: seven bits, unencoded")
    if len(parts) == 3 and parts[2].get_content_type() not in ("message/rfc822", "text/rfc822-headers"):
        raise NotAReport("RFC 6522 §3: the third part is the mail or its header")
    groups = [_fields(text) for text in re.split(r"\r\n\r\n", _raw_status(content, mail).strip("\r\n"))]
    _check(groups[0], PER_MESSAGE, required={"reporting-mta"})
    if len(groups) < 2:
        raise NotAReport("RFC 3464 §2.1: at least one recipient")
    for group in groups[1:]:
        _check(group, PER_RECIPIENT, required={"final-recipient", "action", "status"})
        if group["status"][0] not in CLASSES[group["action"]]:
            raise NotAReport(f"RFC 3464 §2.3.4: {group['action']} with {group['status']}")
        if "will-retry-until" in group and group["action"] != "delayed":
            raise NotAReport("RFC 3464 §2.3.9: Will-Retry-Until is for delayed only")
    return DeliveryReport(mail, groups[0], groups[1:], parts[2] if len(parts) == 3 else None)


def _raw_status(content: bytes, mail: EmailMessage) -> str:
    """The second part as it stands in the mail, before any parser touched it."""
    boundary = mail.get_boundary()
    assert boundary is not None
    pieces = content.split(f"--{boundary}".encode())
    _, _, body = pieces[2].partition(b"\r\n\r\n")
    if not body.isascii():
        raise NotAReport("RFC 3464 §2: ASCII only")
    if max(len(line) for line in body.split(b"\r\n")) > 998:
        raise NotAReport("RFC 5322 §2.1.1: a line is too long")
    return body.decode("ascii")


def _fields(text: str) -> Group:
    found: Group = {}
    for line in re.sub(r"\r\n[ \t]+", " ", text).split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[!-9;-~]+", name):
            raise NotAReport(f"no field: {line!r}")
        if name.lower() in found:
            raise NotAReport(f"{name} is there twice")
        if re.search(r"[^ -~\t]", value) or not value.strip():
            raise NotAReport(f"{name} holds {value!r}")
        found[name.lower()] = value.strip()
    return found


def _check(group: Group, known: dict[str, str], required: set[str]) -> None:
    if missing := required - group.keys():
        raise NotAReport(f"missing: {missing}")
    for name, value in group.items():
        if name.startswith("x-"):
            continue
        if name not in known:
            raise NotAReport(f"{name} does not belong here")
        kind = known[name]
        if kind == "typed" and not TYPED.fullmatch(value):
            raise NotAReport(f"{name}: {value!r} is no TYPE; VALUE")
        if kind == "action" and value not in ACTIONS:
            raise NotAReport(f"Action: {value}")
        if kind == "status" and not STATUS.fullmatch(value):
            raise NotAReport(f"Status: {value}")
        if kind == "date" and parsedate_to_datetime(value).tzinfo is None:
            raise NotAReport(f"{name}: {value} has no zone")
