"""Pictures that are written into HTML (RFC 2397) become pictures beside it, so that they pass the same gate as others.

The HTML engine decodes ``data:`` addresses by itself, bombs among them; the cleaner therefore drops them all.
"""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

_PICTURE = re.compile(
    r"""(<img\b[^<>]{0,2000}?\bsrc\s*=\s*["']?\s*)data:image/[\w.+-]{1,30}((?:;[\w=.+-]{1,40}){0,5}),([^"'>\s]*)""",
    re.IGNORECASE,
)
_KNOWN = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
_MOST = 100
_LARGEST = 16 << 20
"""Bytes of one picture."""


def without_embedded(html: str, prefix: str) -> tuple[str, dict[str, bytes]]:
    """The HTML with ``cid:`` references instead, and the pictures by their Content-ID.

    ``prefix`` keeps the ids of several texts apart. What is no picture that can be shown stays as it is, and is
    dropped later.
    """
    pictures: dict[str, bytes] = {}

    def replaced(found: re.Match[str]) -> str:
        data = _decoded(found[3], is_base64=found[2].lower().endswith(";base64"))
        webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
        if len(pictures) >= _MOST or len(data) > _LARGEST or not (data.startswith(_KNOWN) or webp):
            return found[0]
        name = f"{prefix}-{len(pictures) + 1}@embedded"
        pictures[name] = data
        return f"{found[1]}cid:{name}"

    return (_PICTURE.sub(replaced, html), pictures) if "data:image" in html.lower() else (html, pictures)


def _decoded(written: str, *, is_base64: bool) -> bytes:
    data = unquote_to_bytes(written)
    if not is_base64:
        return data
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return b""
