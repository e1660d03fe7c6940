"""What goes into the worker process and what comes out: the frozen values both sides speak, and their JSON.

Large bytes travel as files beside the request (``0``, ``1`` … in, ``out`` out); a value holds their names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fax_bridge.documents.fault import Fault, FaultKind
from fax_bridge.fax import PageFacts

REQUEST = "request.json"
REPLY = "reply.json"
IN_HAND = "in-hand"
"""Holds the index of the part that the worker has in hand, so that its death can be laid to one part."""
OUTPUT = "out"
STDERR = "stderr"

UNSHOWABLE = re.compile("[\\0\\ud800-\\udfff]")
"""NULs and lone surrogates: text that holds one cannot be written as UTF-8, or is refused whole by the engine."""


class PartKind(StrEnum):
    PDF = "pdf"
    JPEG = "jpeg"
    PNG = "png"
    TIFF = "tiff"
    TEXT = "text"
    CSV = "csv"
    HTML = "html"
    GIF = "gif"
    BMP = "bmp"
    WEBP = "webp"
    AVIF = "avif"
    HEIF = "heif"
    DOCX = "docx"
    XLSX = "xlsx"
    PPTX = "pptx"
    DOC = "doc"
    XLS = "xls"
    PPT = "ppt"
    RTF = "rtf"
    ODT = "odt"
    ODS = "ods"
    ODP = "odp"


class Packing(StrEnum):
    """Parts of a mail that hold a mail's parts in another form than MIME."""

    TNEF = "tnef"
    """``winmail.dat``, as Outlook sends rich text ([MS-OXTNEF])."""
    OUTLOOK = "outlook"
    """A message saved from Outlook, ``.msg`` ([MS-OXMSG])."""
    ZIP = "zip"
    CMS = "cms"
    """S/MIME in one piece: opaque signed, encrypted or compressed (RFC 8551 §3)."""


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One part of a mail to be made into pages. ``name`` is for messages only."""

    kind: PartKind
    name: str
    data: bytes
    images: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Content id without its angle brackets → picture, for HTML only (RFC 2392)."""
    decoration: bool = False
    """To be left out, without pages: a picture as small as a signature's, a text that shows only such."""


@dataclass(frozen=True, slots=True)
class Built:
    pdf: bytes
    pages: tuple[int, ...]
    """Pages of each part, in order; their sum is the page count of ``pdf``."""
    left_out: tuple[str, ...] = ()
    """Why a part has no pages: ``tracking_pixel``, ``inline_picture_unreferenced``, ``text_for_cover``; else empty.

    Where all parts are left out ``pdf`` is empty.
    """
    boxes: tuple[str, ...] = ()
    """Of each part, the symbols that stand as boxes in its pages, since no font has them; mostly empty."""
    facts: tuple[PageFacts, ...] = ()
    """Of the first pages (:data:`fax_bridge.documents.build.MEASURED`), in order; empty where nobody asked."""


@dataclass(frozen=True, slots=True)
class Rastered:
    pdf: bytes
    facts: tuple[PageFacts, ...]
    """Of all pages, by the very bits that are sent."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    html: str
    quoted: bool
    """Whether a quoted mail was there and was cut."""
    signature: bool
    """The same for a signature."""
    cut_pictures: Mapping[str, str]
    """The Content-IDs of the pictures in them, and in which: ``quoted`` or ``signature``."""


@dataclass(frozen=True, slots=True)
class TiffPage:
    """A page of a received fax as it stands in the PDF, after it was turned upright."""

    number: int
    """From 1."""
    width_px: int
    height_px: int
    x_dpi: float
    y_dpi: float
    width_mm: float
    height_mm: float
    lines_unreadable: int
    """Lines of the page that are lost and left white."""
    fault: str
    """Sentences in English; empty where the page is sound."""


@dataclass(frozen=True, slots=True)
class ConvertedFax:
    pdf: bytes
    pages: tuple[TiffPage, ...]
    faults: tuple[Fault, ...]
    """What is wrong with the whole file or one of its pages."""

    @classmethod
    def of_reply(cls, pdf: bytes, result: Mapping[str, Any]) -> "ConvertedFax":
        """From the JSON that the worker wrote: ``pages`` and ``faults``, a dictionary of its fields for each."""
        pages = tuple(TiffPage(**page) for page in result["pages"])
        faults = tuple(Fault(**{**fault, "kind": FaultKind(fault["kind"])}) for fault in result["faults"])
        return cls(pdf, pages, faults)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may cost. The measured needs are a quarter of these or less."""

    wall_seconds: float = 60.0
    cpu_seconds: int = 30
    memory_bytes: int = 1 << 30
    output_bytes: int = 256 << 20
    open_files: int = 64
    pages: int = 500
    image_pixels: int = 100_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A job as the worker sees it: its directory, its limits, its arguments."""

    directory: Path
    limits: Limits

    def blob(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def take_in_hand(self, part: int) -> None:
        (self.directory / IN_HAND).write_text(str(part))
