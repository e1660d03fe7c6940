"""The bytes of a MIME part behind its transfer encoding (RFC 2045 §6), as whole as the mail brought them.

The standard library gives up base64 whose length is odd, and ends it at the first padding; here nothing that
can be read is lost, since half a document must never pass for the whole.
"""

import base64
import copy
import re
from email.message import Message

_JUNK = re.compile(rb"[^A-Za-z0-9+/=]+")
_LINE = re.compile(rb"[A-Za-z0-9+/]{4,}={0,2}")


def payload(message: Message, encoded: str | None = None) -> bytes:
    """The decoded content, of the part itself or ``encoded`` as it says; empty for one that holds other parts."""
    encoded_in_base64 = is_base64(message)
    if encoded_in_base64:
        message = copy.copy(message)
        del message["Content-Transfer-Encoding"]  # so that the library gives the bytes as they came
        if encoded is not None:
            message.set_payload(encoded)
    data = message.get_payload(decode=True)
    if not isinstance(data, bytes):
        return b""
    return _base64(data) if encoded_in_base64 else data


def is_base64(message: Message) -> bool:
    return str(message.get("Content-Transfer-Encoding", "")).strip().lower() == "base64"


def _base64(raw: bytes) -> bytes:
    if raw.lstrip().startswith((b"%PDF-", b"\x89PNG", b"\xff\xd8\xff")):
        return raw  # the header says base64 and the sender's program forgot to encode
    pieces = []
    rest = raw
    while rest:
        encoded, padding, rest = rest.partition(b"=")
        pieces.append(_decoded(encoded))
        rest = rest.lstrip(b"=") if padding else b""
        following = rest.split(b"\n", 2)[:2]
        # What comes after the padding goes on only where whole lines of base64 do: a mailing list adds its own words.
        if not all(_LINE.fullmatch(line.strip()) for line in following if line.strip()):
            break
    return b"".join(pieces)


def _decoded(encoded: bytes) -> bytes:
    clean = _JUNK.sub(b"", encoded)
    clean = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean  # six bits are no byte
    return base64.b64decode(clean + b"=" * (-len(clean) % 4))
