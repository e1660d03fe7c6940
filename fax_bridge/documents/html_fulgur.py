"""The HTML engine for machines that plutoprint has no wheel for: fulgur, which never fetches by its nature.

It lays out a little worse (borders and blank paragraphs of Outlook's mails), and tells the number of pages
only after the work; the limits of the worker hold the rest.
"""

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from fax_bridge.documents import typefaces
from fax_bridge.documents.pdfium import opened

# By name, since a type checker finds the package only on the machines that need it.
_fulgur: Any = importlib.import_module("pyfulgur")

_MM_PER_POINT = 25.4 / 72


def draw(
    html: str, size: tuple[float, float], margin: float, style: str, images: Mapping[str, bytes], most_pages: int
) -> tuple[int, bytes]:
    """The number of pages and the PDF; it is empty when there are more than ``most_pages``."""
    assets = _fulgur.AssetBundle()
    for path in typefaces.files():
        assets.add_font_file(path)
    assets.add_css(style)
    for name, image in images.items():
        assets.add_image(f"cid:{name}", image)
    engine = _fulgur.Engine(
        page_size=_fulgur.PageSize.custom(*(points * _MM_PER_POINT for points in size)),
        margin=_fulgur.Margin.uniform(margin),
        assets=assets,
    )
    pdf: bytes = engine.render_html(html)
    with opened(pdf, most_pages=sys.maxsize) as document:
        pages = len(document)
    return pages, pdf if pages <= most_pages else b""
