"""Which parts LibreOffice converts, and which are none of its: it would print a broken workbook as text."""

import importlib.util

from fax_bridge.documents.job import PartKind
from fax_bridge.errors import DocumentRefused

NOT_INSTALLED = 69
"""The exit status of its process where there is none."""
MADE = "document.pdf"

_OOXML = {PartKind.DOCX, PartKind.XLSX, PartKind.PPTX}
"""These by the extra ``fax-bridge[office]`` where it is installed, which is ten times as fast."""
_STREAMS = {
    PartKind.DOC: ("WordDocument",),
    PartKind.XLS: ("Workbook", "Book"),
    PartKind.PPT: ("PowerPoint Document",),
}
"""What an OLE file of the kind holds ([MS-DOC] §2.1.1, [MS-XLS] §2.1.2, [MS-PPT] §2.1.1)."""
_BEGINNINGS = {
    **dict.fromkeys(_STREAMS, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    **dict.fromkeys((*_OOXML, PartKind.ODT, PartKind.ODS, PartKind.ODP), b"PK\x03\x04"),
    PartKind.RTF: b"{\\rtf",
}


def needs_libreoffice(kind: PartKind) -> bool:
    return kind in _BEGINNINGS and not (kind in _OOXML and importlib.util.find_spec("office2pdf"))


def refuse_what_is_none(kind: PartKind, data: bytes, part: int) -> None:
    """Refused: ``office_password``, ``office_broken``, with the index ``part``."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise DocumentRefused(part, "office_password", "an encrypted package")
    streams = _STREAMS.get(kind, ())
    if not data.startswith(_BEGINNINGS[kind]) or (
        streams and not any(name.encode("utf-16-le") in data for name in streams)
    ):
        raise DocumentRefused(part, "office_broken", f"it is no {kind} file")
