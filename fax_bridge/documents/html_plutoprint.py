"""The default HTML engine, PlutoBook behind plutoprint, with its door to files and network walled up."""

import io
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import plutoprint

from fax_bridge.documents import typefaces

_TOO_WIDE = 1.35
"""PlutoBook shrinks the whole document when anything is wider than the page: text of 11 pt would stand at 8."""
_WRAPPED = """
* { white-space: normal !important; max-width: 100% !important; }
pre { white-space: pre-wrap !important; }
table, td, th, col, div { width: auto !important; min-width: 0 !important; }
"""
_BROKEN = _WRAPPED + "td, th, p, div { overflow-wrap: anywhere !important; }"
_NARROWER = (_WRAPPED, _BROKEN)
"""Tried in turn until the document fits: first its widths are forgotten and its lines may wrap, then words may break.
The rows and columns of a table always stay. A layout costs some 20 ms."""

plutoprint.plutobook_set_fontconfig_path(typefaces.fontconfig_directory())


class _HandedIn(plutoprint.ResourceFetcher):
    """Serves the pictures of the mail and nothing else. Without it the engine opens any file and any address."""

    def __init__(self, images: Mapping[str, bytes]) -> None:
        super().__init__()
        self._images = images

    def fetch_url(self, url: str) -> plutoprint.ResourceData:
        scheme, _, name = url.partition(":")
        if scheme.lower() == "cid":
            image = self._images.get(name) or self._images.get(urllib.parse.unquote(name))
            if image is not None:
                return plutoprint.ResourceData(image, "image/png")
        raise ValueError(f"nothing is fetched: {url[:200]}")


def fonts() -> tuple[Path, ...]:
    """Where it finds letters, an administrator's fonts among them."""
    return typefaces.all_files()


def draw(
    html: str, size: tuple[float, float], margin: float, style: str, images: Mapping[str, bytes], most_pages: int
) -> tuple[int, bytes]:
    """The number of pages and the PDF; it is empty when there are none or more than ``most_pages``."""
    book = _laid_out(html, size, margin, style, images)
    for narrower in _NARROWER:
        if _shrunk(book) <= _TOO_WIDE:
            break
        other = _laid_out(html, size, margin, style + narrower, images)
        book = other if _shrunk(other) < _shrunk(book) else book
    pages = book.get_page_count()
    if not 0 < pages <= most_pages:
        return pages, b""
    out = io.BytesIO()
    book.write_to_pdf_stream(out)
    return pages, out.getvalue()


def _shrunk(book: plutoprint.Book) -> float:
    """How many times smaller than asked for everything would be drawn."""
    return float(book.get_document_width() / max(book.get_viewport_width(), 1))


def _laid_out(
    html: str, size: tuple[float, float], margin: float, style: str, images: Mapping[str, bytes]
) -> plutoprint.Book:
    book = plutoprint.Book(plutoprint.PageSize(*size), plutoprint.PageMargins(margin, margin, margin, margin))
    book.custom_resource_fetcher = _HandedIn(images)
    book.load_html(html, user_style=style)
    return book
