"""A message saved from Outlook (``.msg``) as a MIME message; python-oxmsg reads it."""

from typing import cast

from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.domain import constants
from oxmsg.properties import Properties
from oxmsg.storage import Storage

from fax_bridge.documents.entity import UNREADABLE, Attached, entity
from fax_bridge.documents.rtf import wording_of_packed

_EMBEDDED = "__substg1.0_3701000D"
"""PidTagAttachDataObject: a message inside an attachment is a storage of this name ([MS-OXMSG] §2.2.2)."""
_EMBEDDED_HEADER = 24
"""Bytes before the properties of a message in a message; the outermost one has 32 (§2.4.1.2)."""


class _Embedded(Message):
    """oxmsg expects the outermost message's header everywhere."""

    @property
    def properties(self) -> Properties:
        return Properties(self._storage, properties_header_offset=_EMBEDDED_HEADER)


def unpack(data: bytes, *, most: int) -> bytes:
    return _entity(Message.load(data))


def _entity(message: Message) -> bytes:
    bodies = []
    if plain := message.body:
        bodies.append(("text/plain", "utf-8", plain.rstrip("\0").encode("utf-8", "replace")))
    if html := _html(message) or _rich(message, otherwise=bool(bodies)):
        bodies.append(html)
    return entity(bodies, [_attached(attachment) for attachment in message.attachments], _headers(message))


def _html(message: Message) -> tuple[str, str, bytes] | None:
    """As bytes in their own charset, which oxmsg would decode strictly."""
    if raw := message.properties.binary_prop_value(constants.PID_HTML):
        return "text/html", message.properties.body_encoding, raw.rstrip(b"\0")
    if text := message.properties.str_prop_value(constants.PID_BODY_HTML):
        return "text/html", "utf-8", text.rstrip("\0").encode("utf-8", "replace")
    return None


def _rich(message: Message, *, otherwise: bool) -> tuple[str, str, bytes] | None:
    """What the RTF wording holds where there is no HTML; its words are needed only where there are no plain ones."""
    packed = message.properties.binary_prop_value(constants.PID_RTF_COMPRESSED)
    if not packed:
        return None
    try:
        wording = wording_of_packed(packed)
    except Exception:
        if otherwise:
            return None
        raise
    if otherwise and wording.content_type != "text/html":
        return None
    return wording.content_type, "utf-8", wording.data


def _headers(message: Message) -> dict[str, str]:
    sent = message.sent_date
    found = {
        "From": message.sender or "",
        "To": ", ".join(filter(None, (recipient.name or recipient.email_address for recipient in message.recipients))),
        "Date": sent.strftime("%a, %d %b %Y %H:%M:%S +0000") if sent else "",
        "Subject": message.subject,
    }
    return {name: value for name, value in found.items() if value}


def _attached(attachment: Attachment) -> Attached:
    name = attachment.file_name or attachment.properties.str_prop_value(constants.PID_ATTACH_FILENAME) or ""
    data = attachment.file_bytes
    if data is not None:
        content_id = attachment.properties.str_prop_value(constants.PID_ATTACH_CONTENT_ID) or ""
        return Attached(name, data, attachment.mime_type or "", content_id)
    storage = cast("Storage", attachment._storage)  # noqa: SLF001 — oxmsg has no public way to a message in a message
    for inner in storage.storages:
        if inner.name == _EMBEDDED:
            return Attached(name or "message", _entity(_Embedded(inner)), "message/rfc822")
    return Attached(name, b"", UNREADABLE)  # a link to a file on the sender's machine, or an object of OLE
