"""A MIME entity written from the parts of a mail that came in another form than MIME."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import encoders
from email.header import Header
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
UNREADABLE = "application/x-unreadable"
"""The type of an attachment whose content cannot be had: it has to be refused, not to vanish."""


@dataclass(frozen=True, slots=True)
class Attached:
    name: str
    data: bytes
    content_type: str = ""
    content_id: str = ""


def entity(
    bodies: Sequence[tuple[str, str, bytes]], attachments: Sequence[Attached], headers: Mapping[str, str]
) -> bytes:
    """``bodies`` are the wordings of one text as (type, charset, bytes), the richest last (RFC 2046 §5.1.4)."""
    root = MIMEMultipart("mixed")
    for name, value in headers.items():
        root[name] = Header(" ".join(value.split()), "utf-8").encode()
    if bodies:
        wordings = MIMEMultipart("alternative")
        for content_type, charset, data in bodies:
            wordings.attach(_part(content_type, data, charset))
        root.attach(wordings)
    for attached in attachments:
        root.attach(_attachment(attached))
    return root.as_bytes()


def _attachment(attached: Attached) -> Message:
    if attached.content_type == "message/rfc822":  # in base64, against RFC 2046 §5.2.1, so that no byte changes
        part = _part("application/octet-stream", attached.data)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", f"{attached.name}.eml"))
        return part
    content_type = attached.content_type if _TYPE.fullmatch(attached.content_type) else "application/octet-stream"
    part = _part(content_type, attached.data)
    # A picture with a Content-ID belongs into the text: whether it is shown there is seen later.
    part.add_header(
        "Content-Disposition",
        "inline" if attached.content_id else "attachment",
        filename=("utf-8", "", " ".join(attached.name.split()) or "attachment"),
    )
    if attached.content_id:
        part["Content-ID"] = f"<{''.join(attached.content_id.split())}>"
    return part


def _part(content_type: str, data: bytes, charset: str = "") -> Message:
    maintype, _, subtype = content_type.partition("/")
    part = MIMEBase(maintype, subtype)
    if charset:
        part.set_param("charset", charset)
    part.set_payload(data)
    encoders.encode_base64(part)
    return part
