"""``winmail.dat``: what Outlook packs a mail's rich text and its attachments into, as MIME.

tnefparse does the reading. It passes over what it does not understand and only logs it, so its log is listened
to; and it can turn in a ring over a damaged file, which the worker's limits end.
"""

import logging
import struct

from tnefparse import TNEF, codepage, properties
from tnefparse.tnef import TNEFAttachment

from fax_bridge.documents.entity import UNREADABLE, Attached, entity
from fax_bridge.documents.rtf import wording_of_packed
from fax_bridge.errors import DocumentRefused

codepage.CODEPAGE_MAP.update(
    {20127: "cp1254", 28591: "cp1252", 28599: "cp1254", 1200: "utf-16-le", 50220: "iso2022_jp", 54936: "gb18030"}
    | {28590 + part: f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 13, 15)}
)
"""Windows' numbers of charsets (learn.microsoft.com, Code Page Identifiers) that tnefparse reads as Western."""

_ATTRIBUTE = struct.Struct("<BII")
"""Level, id and length; the content and a checksum of two bytes follow ([MS-OXTNEF] §2.1.3)."""
_HEADER, _CHECKSUM, _PADDING = 6, 2, 16


class _Complaints(logging.Handler):
    """What the parser passed over; a checksum that is wrong is nothing, many programs write it so."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "hecksum" not in record.getMessage() and "Version" not in record.getMessage():
            self.texts.append(record.getMessage())


def unpack(data: bytes, *, most: int) -> bytes:
    """The mail's body and attachments. Refused: ``packed_broken``."""
    _refuse_cut_off(data)
    complaints = _Complaints()
    log = logging.getLogger("tnefparse")
    log.addHandler(complaints)
    log.propagate = False
    try:
        found = TNEF(data, do_checksum=False)
    finally:
        log.removeHandler(complaints)
    if complaints.texts:
        raise DocumentRefused(0, "packed_broken", complaints.texts[0])
    return _entity(found, {})


def _refuse_cut_off(data: bytes) -> None:
    """The attributes must fill the file; the parser takes what is left of the last one for the whole of it."""
    position = _HEADER
    while position + _ATTRIBUTE.size + _CHECKSUM <= len(data):
        level, _, length = _ATTRIBUTE.unpack_from(data, position)
        if level not in {1, 2}:
            break
        position += _ATTRIBUTE.size + length + _CHECKSUM
    if position > len(data) or len(data) - position > _PADDING:
        raise DocumentRefused(0, "packed_broken", "winmail.dat is cut off")


def _entity(found: TNEF, headers: dict[str, str]) -> bytes:
    bodies = []
    if found._rtfbody:  # noqa: SLF001 — the property unpacks it, and raises where another wording would do
        bodies.append(_rich(found, bytes(found._rtfbody)))  # noqa: SLF001
    for content_type, body in (("text/plain", found.body), ("text/html", found.htmlbody)):
        if body:
            bodies.append((content_type, *_encoded(body, found.codepage or "")))
    attachments = [_attached(attachment, found.codepage or "cp1254") for attachment in found.attachments]
    return entity(bodies, attachments, headers)


def _rich(found: TNEF, packed: bytes) -> tuple[str, str, bytes]:
    """The RTF wording, which is needed only where there is no HTML, and for its words only where there are no plain
    ones."""
    if found.htmlbody:
        return "text/rtf", "", packed
    try:
        wording = wording_of_packed(packed)
    except Exception:  # noqa: BLE001 — the mail may have another wording, outside of this one too
        return "text/rtf", "", packed
    if wording.content_type == "text/plain" and found.body:
        return "text/rtf", "", packed
    return wording.content_type, "utf-8", wording.data


def _attached(attachment: TNEFAttachment, charset: str) -> Attached:
    values = {value.name: value.data for value in attachment.mapi_attrs}
    short = attachment._name  # noqa: SLF001 — the property decodes it as UTF-8, which it hardly ever is
    name = _text(values.get(properties.MAPI_ATTACH_LONG_FILENAME) or short, charset)
    if hasattr(attachment, "embed"):
        subject = _text(_property(attachment.embed, properties.MAPI_SUBJECT), charset)
        return Attached(name or "message", _entity(attachment.embed, {"Subject": subject}), "message/rfc822")
    data = attachment.data if isinstance(attachment.data, bytes) else None
    if data is None:
        return Attached(name, b"", UNREADABLE)
    return Attached(
        name,
        data,
        _text(values.get(properties.MAPI_ATTACH_MIME_TAG), charset),
        _text(values.get(properties.MAPI_ATTACH_CONTENT_ID), charset),
    )


def _property(found: TNEF, name: int) -> object:
    return next((value.data for value in found.mapiprops if value.name == name), "")


def _encoded(body: str | bytes, charset: str) -> tuple[str, bytes]:
    return (charset, body.rstrip(b"\0")) if isinstance(body, bytes) else ("utf-8", body.rstrip("\0").encode())


def _text(value: object, charset: str) -> str:
    if isinstance(value, bytes):
        value = value.decode(charset, "replace")
    return value.strip("\0 ") if isinstance(value, str) else ""
