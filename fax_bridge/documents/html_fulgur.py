"""The HTML engine for machines that plutoprint has no wheel for: fulgur, which never fetches by its nature.

It lays out a little worse (borders and blank paragraphs of Outlook's mails), and tells the number of pages
only after the work; the limits of the worker hold the rest.
"""

import importlib
import re
import struct
import sys
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fax_bridge.documents import typefaces
from fax_bridge.documents.pdfium import opened

# By name, since a type checker finds the package only on the machines that need it.
_fulgur: Any = importlib.import_module("pyfulgur")

_MM_PER_POINT = 25.4 / 72
_PIXELS_PER_POINT = 96 / 72
_IMAGE = re.compile(r"<img\b[^>]*?\bsrc\s*=\s*[\"']?cid:([^\s\"'>]+)[^>]*>", re.IGNORECASE)
_SIZE = re.compile(r"\b(width|height)\s*=\s*[\"']?(\d+)(?![\d%])", re.IGNORECASE)


def fonts() -> tuple[Path, ...]:
    """Without an administrator's: fulgur takes a letter from no font that the page did not name."""
    return tuple(typefaces.files())


def draw(
    html: str, size: tuple[float, float], margin: float, style: str, images: Mapping[str, bytes], most_pages: int
) -> tuple[int, bytes]:
    """The number of pages and the PDF; it is empty when there are more than ``most_pages``."""
    assets = _fulgur.AssetBundle()
    for path in fonts():
        assets.add_font_file(path)
    assets.add_css(style)
    for name, image in images.items():
        assets.add_image(f"cid:{name}", image)
    engine = _fulgur.Engine(
        page_size=_fulgur.PageSize.custom(*(points * _MM_PER_POINT for points in size)),
        margin=_fulgur.Margin.uniform(margin),
        assets=assets,
    )
    pdf: bytes = engine.render_html(_sized(html, images, (size[0] - 2 * margin) * _PIXELS_PER_POINT))
    with opened(pdf, most_pages=sys.maxsize) as document:
        pages = len(document)
    return pages, pdf if pages <= most_pages else b""


def _sized(html: str, images: Mapping[str, bytes], widest: float) -> str:
    """Every picture with both its measures: fulgur leaves out one that lacks either."""

    def sized(found: re.Match[str]) -> str:
        name = found[1] if found[1] in images else urllib.parse.unquote(found[1])
        if name not in images:
            return found[0]
        image = images[name]
        natural_width, natural_height = struct.unpack_from(">II", image, 16)  # the PNG's IHDR
        given = {side.lower(): int(value) for side, value in _SIZE.findall(found[0])}
        width = given.get("width") or given.get("height", natural_height) * natural_width / natural_height
        height = given.get("height") or width * natural_height / natural_width
        shrink = min(1.0, widest / width)
        return f'<img src="cid:{name}" width="{width * shrink:.0f}" height="{height * shrink:.0f}">'

    return _IMAGE.sub(sized, html)
