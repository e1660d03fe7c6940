"""Word, Excel and PowerPoint files (OOXML) become a PDF, by office2pdf where it is installed (``fax-bridge[office]``).

It draws most of what is in them and mostly says what it does not draw; a document of which something is missing is
refused rather than faxed.
"""

import importlib
import io
import zipfile
import zlib
from typing import Any

from fax_bridge.documents import typefaces
from fax_bridge.documents.job import Limits, PartKind
from fax_bridge.documents.letters import Missing, missing, named_letters, named_symbols
from fax_bridge.documents.notdef import draws_boxes
from fax_bridge.documents.office_words import lost_words, text_of
from fax_bridge.errors import DocumentRefused

FORMATS = {PartKind.DOCX: "docx", PartKind.XLSX: "xlsx", PartKind.PPTX: "pptx"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LARGEST = 256 << 20
"""Bytes of all files in the package, unpacked."""


def pdf_of_office(data: bytes, kind: PartKind, limits: Limits) -> tuple[bytes, str]:
    """The PDF, and the symbols that are boxes in it. Refused: ``office_password``, ``office_broken``,
    ``office_incomplete``, ``office_too_large``, ``letters_missing``, ``unsupported_type``, ``too_many_pages``. A sheet
    of a billion cells ends at the limits of the process.
    """
    try:
        office2pdf: Any = importlib.import_module("office2pdf")
    except ImportError as error:
        raise DocumentRefused(0, "unsupported_type", "no converter for Office files is installed") from error
    _refuse_what_is_no_package(data)
    options = office2pdf.ConvertOptions(
        font_paths=[typefaces.DIRECTORY, typefaces.ADDED], last_resort_font_family=typefaces.SANS
    )
    try:
        made = office2pdf.convert_bytes(data, FORMATS[kind], options)
    except office2pdf.UnsupportedEncryptionError as error:
        raise DocumentRefused(0, "office_password", str(error)) from error
    except office2pdf.Office2PdfError as error:
        raise DocumentRefused(0, "office_broken", str(error)) from error
    lost = [warning.message or warning.kind for warning in made.warnings if not _is_about_fonts(warning)]
    if lost:
        raise DocumentRefused(0, "office_incomplete", "; ".join(lost[:5]))
    if missing := lost_words(data, FORMATS[kind], bytes(made.pdf)):
        raise DocumentRefused(0, "office_incomplete", f"{len(missing)} words are missing, {', '.join(missing[:5])}")
    if made.metrics is not None and made.metrics.page_count > limits.pages:
        raise DocumentRefused(0, "too_many_pages", f"{made.metrics.page_count} pages")
    return bytes(made.pdf), _boxes(data, kind, bytes(made.pdf))


def _boxes(data: bytes, kind: PartKind, pdf: bytes) -> str:
    """The converter takes the machine's fonts too, tells of some letters that none has, and of others not; so its pages
    are looked at, and where they show boxes, the file for what they stand for.
    """
    text = text_of(data, FORMATS[kind])
    if text.isascii() or not draws_boxes(pdf):
        return ""
    found = missing(text, typefaces.all_with_machine())
    if found == Missing():  # a font of the machine has them, but not for the converter
        found = missing(text, typefaces.all_files())
    if found.letters or not found.symbols:
        raise DocumentRefused(0, "letters_missing", named_letters(found.letters) if found.letters else "")
    return named_symbols(found.symbols)


def _refuse_what_is_no_package(data: bytes) -> None:
    """A document with a password is an OLE file that holds the package encrypted ([MS-OFFCRYPTO] §2.3)."""
    if data.startswith(_OLE):
        raise DocumentRefused(0, "office_password", "an encrypted package, or a file of an older Office")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            unpacked = sum(entry.file_size for entry in package.infolist())
            damaged = package.testzip() if unpacked <= _LARGEST else None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise DocumentRefused(0, "office_broken", str(error)) from error
    if unpacked > _LARGEST:
        raise DocumentRefused(0, "office_too_large", f"{unpacked} bytes unpacked")
    if damaged is not None:
        raise DocumentRefused(0, "office_broken", f"{damaged} is damaged")


def _is_about_fonts(warning: Any) -> bool:
    """Another typeface changes how a document looks, not what it says; whether letters are lost, the pages tell."""
    return warning.kind == "FallbackUsed" and str(warning.to).startswith(("DejaVu", ".notdef"))
