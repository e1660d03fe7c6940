"""Pictures that HTML names by their address on the web, and that came with it under that address (RFC 2557).

So a browser saves a page as one file (``.mht``), and so does Word. The references become ``cid:`` ones.
"""

import html
import re
from collections.abc import Mapping
from email.message import Message
from urllib.parse import urljoin

from fax_bridge.email_to_fax.mail_text import header_text

_SOURCE = re.compile(
    r"""(<img\b[^<>]{0,2000}?\bsrc\s*=\s*)("[^"<>]{1,4000}"|'[^'<>]{1,4000}'|[^\s"'<>]{1,4000})""", re.IGNORECASE
)


def location_of(message: Message) -> str:
    """Its address, without the blanks that a folded header has in it (RFC 2557 §4.4.2)."""
    return "".join(header_text(message, "Content-Location").split())


def content_ids(related: Message, section: str) -> dict[str, str]:
    """By the address of each picture in a ``multipart/related``, its Content-ID; one that has none is given one."""
    found: dict[str, str] = {}
    for number, part in enumerate(related.walk()):
        location = location_of(part) if part.get_content_maintype() == "image" else ""
        if location:
            if not part["Content-ID"]:
                part["Content-ID"] = f"<{section or '0'}-{number}@located>"
            found.setdefault(location, header_text(part, "Content-ID").strip("<> "))
    return found


def with_content_ids(text: str, base: str, known: Mapping[str, str]) -> str:
    """The HTML of the page at ``base``, its pictures named as :func:`content_ids` has them."""

    def named(found: re.Match[str]) -> str:
        address = html.unescape(found[2].strip("\"'")).strip()
        content_id = known.get(address) or known.get(_absolute(base, address))
        return f'{found[1]}"cid:{html.escape(content_id)}"' if content_id else found[0]

    return _SOURCE.sub(named, text) if known else text


def _absolute(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:  # brackets that hold no IPv6 address
        return address
