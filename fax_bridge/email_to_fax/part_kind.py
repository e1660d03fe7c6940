"""What a part is and whether it has anything to fax: by its first bytes, then by its type, then by its name.

The declared type comes late because clients often have it wrong; plain text has no first bytes, so for text it
is all there is.
"""

import re

from fax_bridge.documents.worker import Packing, PartKind

PICTURES = frozenset(
    {PartKind.JPEG, PartKind.PNG, PartKind.GIF, PartKind.BMP, PartKind.WEBP, PartKind.AVIF, PartKind.HEIF}
)

_MAGIC = (
    (b"%PDF-", PartKind.PDF),
    (b"\xff\xd8\xff", PartKind.JPEG),
    (b"\x89PNG\r\n\x1a\n", PartKind.PNG),
    (b"II*\x00", PartKind.TIFF),
    (b"MM\x00*", PartKind.TIFF),
    (b"GIF87a", PartKind.GIF),
    (b"GIF89a", PartKind.GIF),
    (b"{\\rtf", PartKind.RTF),
)
_BMP = re.compile(rb"BM.{4}\0\0\0\0.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
"""Two letters prove little: the header's length and its reserved words (BITMAPFILEHEADER) do."""
_FTYP = re.compile(rb".{4}ftyp(.{4}.{4}(?:.{4}){0,12})", re.DOTALL)
_AVIF, _HEIF = (b"avif", b"avis"), (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_PDF_WITHIN = 1024
"""ISO 32000-1 annex H, implementation note 13: junk may stand before the header."""

_TYPES = {
    "application/pdf": PartKind.PDF,
    "application/x-pdf": PartKind.PDF,
    "image/jpeg": PartKind.JPEG,
    "image/jpg": PartKind.JPEG,
    "image/pjpeg": PartKind.JPEG,
    "image/png": PartKind.PNG,
    "image/tiff": PartKind.TIFF,
    "image/gif": PartKind.GIF,
    "image/bmp": PartKind.BMP,
    "image/x-ms-bmp": PartKind.BMP,
    "image/webp": PartKind.WEBP,
    "image/avif": PartKind.AVIF,
    "image/heic": PartKind.HEIF,
    "image/heif": PartKind.HEIF,
    "text/html": PartKind.HTML,
    "text/csv": PartKind.CSV,
    "text/comma-separated-values": PartKind.CSV,
    "text/tab-separated-values": PartKind.CSV,
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_TYPES |= {
    f"{_OFFICE}wordprocessingml.document": PartKind.DOCX,
    f"{_OFFICE}spreadsheetml.sheet": PartKind.XLSX,
    f"{_OFFICE}presentationml.presentation": PartKind.PPTX,
    "application/vnd.ms-word.document.macroenabled.12": PartKind.DOCX,
    "application/vnd.ms-excel.sheet.macroenabled.12": PartKind.XLSX,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": PartKind.PPTX,
    "application/msword": PartKind.DOC,
    "application/vnd.ms-excel": PartKind.XLS,
    "application/vnd.ms-powerpoint": PartKind.PPT,
    "application/vnd.oasis.opendocument.text": PartKind.ODT,
    "application/vnd.oasis.opendocument.spreadsheet": PartKind.ODS,
    "application/vnd.oasis.opendocument.presentation": PartKind.ODP,
}
_TODAY = {PartKind.DOC: PartKind.DOCX, PartKind.XLS: PartKind.XLSX, PartKind.PPT: PartKind.PPTX}
"""The kinds of Office before 2007, and what became of them."""
_NAMES = {
    "doc": PartKind.DOC,
    "xls": PartKind.XLS,
    "ppt": PartKind.PPT,
    "odt": PartKind.ODT,
    "ods": PartKind.ODS,
    "odp": PartKind.ODP,
    "docx": PartKind.DOCX,
    "docm": PartKind.DOCX,
    "xlsx": PartKind.XLSX,
    "xlsm": PartKind.XLSX,
    "pptx": PartKind.PPTX,
    "pptm": PartKind.PPTX,
    "pdf": PartKind.PDF,
    "htm": PartKind.HTML,
    "html": PartKind.HTML,
    "txt": PartKind.TEXT,
    "log": PartKind.TEXT,
    "csv": PartKind.CSV,
    "tsv": PartKind.CSV,
}
_NOT_PLAIN = {"text/rtf", "text/richtext", "text/enriched"}
"""Text by name, but full of control words that would be faxed as they stand."""

_NOTHING_TO_FAX = {
    "application/pkcs7-signature": "signature_part",
    "application/x-pkcs7-signature": "signature_part",
    "application/pgp-signature": "signature_part",
    "application/pgp-keys": "signature_part",
    "text/calendar": "calendar_part",
    "application/ics": "calendar_part",
    "text/vcard": "contact_card",
    "text/x-vcard": "contact_card",
    "text/directory": "contact_card",
    "application/applefile": "resource_fork",
    "application/x-mso": "office_side_data",
    "image/x-wmz": "office_side_data",
    "image/x-emz": "office_side_data",
}
_NOTHING_BY_NAME = {
    "p7s": "signature_part",
    "ics": "calendar_part",
    "vcf": "contact_card",
    "mso": "office_side_data",
    "wmz": "office_side_data",
    "emz": "office_side_data",
}
"""Parts that say nothing a person would want on paper: signatures of the mail, the invitation beside its text."""

_PACKED = {
    "application/ms-tnef": Packing.TNEF,
    "application/vnd.ms-tnef": Packing.TNEF,
    "application/vnd.ms-outlook": Packing.OUTLOOK,
    "application/pkcs7-mime": Packing.CMS,
    "application/x-pkcs7-mime": Packing.CMS,
}
_PACKED |= dict.fromkeys(("application/zip", "application/x-zip-compressed", "application/x-zip"), Packing.ZIP)
_PACKED_NAMES = {"msg": Packing.OUTLOOK, "p7m": Packing.CMS, "zip": Packing.ZIP}
_TNEF, _OLE = b"\x78\x9f\x3e\x22", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def reason_to_leave_out(content_type: str, name: str) -> str:
    """Empty for a part that is to be faxed."""
    return _NOTHING_TO_FAX.get(content_type) or _NOTHING_BY_NAME.get(_ending(name), "")


def packing_of(content_type: str, name: str, data: bytes) -> Packing | None:
    """How a part is packed that holds others; ``None`` for one that does not."""
    if data.startswith(_TNEF):
        return Packing.TNEF
    if _ending(name) in _NAMES:  # Office's files are zip files, and called so by some programs
        return None
    packed = _PACKED.get(content_type) or _PACKED_NAMES.get(_ending(name))
    if (packed == Packing.OUTLOOK and not data.startswith(_OLE)) or (
        packed == Packing.ZIP and not data.startswith(b"PK")
    ):
        return None
    return packed


def kind_of(content_type: str, name: str, data: bytes) -> PartKind | None:
    """``None`` for what nothing here can turn into pages."""
    found = kind_by_bytes(data, loosely=not content_type.startswith("text/"))
    if found is not None:
        return found
    if content_type.startswith("text/") and content_type not in _TYPES | dict.fromkeys(_NOT_PLAIN):
        return _NAMES.get(_ending(name), PartKind.TEXT)
    if content_type in _NOT_PLAIN:
        return None
    declared, named = _TYPES.get(content_type), _NAMES.get(_ending(name))
    if declared is None or declared in _TODAY or declared in _TODAY.values():
        declared = named or declared  # Windows calls every CSV file one of Excel's: there the name knows
    return _office_kind(declared, data) if declared in _TODAY else declared


def _office_kind(declared: PartKind, data: bytes) -> PartKind:
    """What bears the name of an old Office file: one of today's, or the HTML or text that business programs write."""
    if data.startswith(b"PK"):
        return _TODAY[declared]
    if data.startswith(_OLE) or b"\0" in data:
        return declared
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return PartKind.HTML
    return PartKind.CSV if declared == PartKind.XLS else PartKind.TEXT


def kind_by_bytes(data: bytes, *, loosely: bool = False) -> PartKind | None:
    """What the first bytes prove; ``loosely`` also takes a PDF behind some junk."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return PartKind.WEBP
    if _BMP.match(data):
        return PartKind.BMP
    if boxes := _FTYP.match(data[:64]):
        brands = boxes[1]
        return PartKind.AVIF if brands.startswith(_AVIF) else PartKind.HEIF if brands.startswith(_HEIF) else None
    return PartKind.PDF if loosely and b"%PDF-" in data[:_PDF_WITHIN] else None


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""
