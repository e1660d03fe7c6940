"""From what was handed in to the pages that a fax machine would get: the cover in front, one bit a pixel."""

import struct
from dataclasses import dataclass

from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.errors import BridgeError
from fax_bridge.fax import Paper, Resolution

_SIGNATURES = (
    (b"II*\x00", PartKind.TIFF),
    (b"MM\x00*", PartKind.TIFF),
    (b"\xff\xd8\xff", PartKind.JPEG),
    (b"\x89PNG\r\n\x1a\n", PartKind.PNG),
)
_PDF_HEADER_WITHIN = 1024
"""Readers take a PDF whose header stands anywhere in the first 1024 bytes (ISO 32000-1 annex H, note 13)."""
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class FaxPages:
    """Rendered pages, or the reason why there are none."""

    tiff: bytes
    count: int
    fault: str = ""


def kind_of(data: bytes) -> PartKind | None:
    """The kind of a document by its content; ``None`` if FaxMAX could not take it."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    return PartKind.PDF if b"%PDF-" in data[:_PDF_HEADER_WITHIN] else None


async def render(
    documents: Documents,
    document: SourcePart,
    *,
    cover_html: str = "",
    paper: Paper = Paper.A4,
    resolution: Resolution = Resolution.FINE,
) -> FaxPages:
    """The pages as G4 TIFF. Never raises over a document: a fault is a result, as FaxMAX pushes it later.

    The cover is rendered as it came, not cleaned as a mail's body is: FaxMAX renders a whole HTML page, and
    the engine fetches nothing in any case.
    """
    try:
        parts = [document]
        if cover_html:
            cover = await documents.html_to_pdf(cover_html, paper=paper)
            parts.insert(0, SourcePart(kind=PartKind.PDF, name="cover.pdf", data=cover))
        built = await documents.build(parts, paper=paper)
        tiff = await documents.rasterise(built.pdf, resolution=resolution, paper=paper)
    except (BridgeError, OSError) as error:
        return FaxPages(b"", 0, str(error))
    return FaxPages(tiff, sum(built.pages))


def tiff_page_count(tiff: bytes) -> int:
    """How many image directories a TIFF links (TIFF 6.0 §2); what is damaged ends the count, and 0 is possible."""
    order = "<" if tiff[:2] == b"II" else ">"
    seen: set[int] = set()
    try:
        (offset,) = struct.unpack_from(order + "I", tiff, 4)
        while offset and offset not in seen and len(seen) < _MOST_PAGES:
            (entries,) = struct.unpack_from(order + "H", tiff, offset)
            (following,) = struct.unpack_from(order + "I", tiff, offset + 2 + 12 * entries)
            seen.add(offset)
            offset = following
    except struct.error:
        pass
    return len(seen)
