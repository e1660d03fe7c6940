"""Pictures that are written into HTML: taken out, so that they pass the gate that all pictures pass."""

import base64
import io
import time

import pytest
from PIL import Image

from fax_bridge.documents.embedded import without_embedded
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused


def png(width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


PICTURE = png()
WRITTEN = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize(
    "html",
    [
        f'<img src="data:image/png;base64,{WRITTEN}">',
        f"<IMG alt=x SRC = 'DATA:image/png;charset=utf-8;BASE64,{WRITTEN}'>",
        f"<img src=data:image/png;base64,{WRITTEN.rstrip('=')} width=3>",
        f'<img src="data:image/jpeg;base64,{WRITTEN.replace("+", "%2B").replace("/", "%2F")}">',
    ],
)
def test_a_picture_is_taken_out_however_it_is_written(html: str) -> None:
    """RFC 2397; what it is called is not what it is."""
    found, pictures = without_embedded(html, "1.2")
    assert pictures == {"1.2-1@embedded": PICTURE}
    assert "cid:1.2-1@embedded" in found
    assert "data:" not in found.lower()


@pytest.mark.parametrize(
    "html",
    [
        '<img src="data:image/svg+xml;base64,PHN2Zy8+">',
        '<img src="data:text/html,<script>x</script>">',
        '<img src="data:image/png;base64,AAAA">',
        '<img src="data:image/png;base64,!!!">',
        '<p>data:image/png</p><img src="https://h/p.png">',
        "<p>metin</p>",
    ],
)
def test_what_is_no_picture_stays_for_the_cleaner_to_drop(html: str) -> None:
    """Nothing else gets through this gate."""
    assert without_embedded(html, "1") == (html, {})


def test_endless_openings_cost_no_time() -> None:
    """A pattern that looks back from each of them would take hours."""
    began = time.monotonic()
    without_embedded("<img src=data:image/png" * 200_000 + "<img " * 200_000, "1")
    assert time.monotonic() - began < 5


async def test_a_bomb_in_the_html_is_refused_as_one_beside_it_is(documents: Documents) -> None:
    """30,000 by 30,000 pixels in 110 kB: the engine would have taken 3.6 GB for it."""
    bomb = base64.b64encode(png(30_000, 30_000))
    with pytest.raises(DocumentRefused) as refused:
        await documents.build([SourcePart(PartKind.HTML, "", b'<p>x<img src="data:image/png;base64,' + bomb + b'">')])
    assert refused.value.reason == "image_too_large"
