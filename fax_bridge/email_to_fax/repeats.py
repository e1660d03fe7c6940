"""Is this the same mail again? A client that never heard our 250 sends it once more, and must get no second fax.

The same: envelope sender, number, Message-ID, and all bytes but the trace headers, which each hop adds anew
(RFC 5321 §4.4). Without a Message-ID only the very same bytes from the same client count.
"""

import hashlib
import re

MAX_HEADER = 256 * 1024
"""Bytes of header that are looked through; a mail with a longer one is compared whole."""

_BEGINNING = 32 * 1024

_TRACE = re.compile(
    rb"(?i)(received|return-path|delivered-to|x-original-to|authentication-results|arc-[a-z-]+|dkim-signature):"
)
_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(<[^<>\r\n]{1,900}>)")


class MailDigest:
    """Fed with the mail's bytes in any pieces; then :meth:`key` for each number."""

    def __init__(self) -> None:
        self._header = bytearray()
        """Empty again where it is too long to be looked through: then it is digested with the body."""
        self._body = hashlib.sha256()
        self._in_header = True
        self._beginning = b""
        """Of a header that is too long to be looked through whole."""
        self._mail: bytes | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        if not self._in_header:
            self._body.update(data)
            return
        self._header += data
        end = self._header.find(b"\r\n\r\n")
        if 0 <= end <= MAX_HEADER:
            self._in_header = False
            self._body.update(bytes(self._header[end + 2 :]))
            del self._header[end + 2 :]
        elif len(self._header) > MAX_HEADER:
            self._in_header = False
            self._body.update(self._header)
            self._beginning = bytes(self._header[:_BEGINNING])
            self._header.clear()

    @property
    def header(self) -> bytes:
        """The header as it came; of one without an end in sight its beginning, with what may be body behind it."""
        return bytes(self._header) or self._beginning

    @property
    def message_id(self) -> str:
        """With its angle brackets; empty where there is none."""
        found = _MESSAGE_ID.search(self.header)
        return found[1].decode("ascii", "replace") if found else ""

    def key(self, *, mail_from: str, number: str, client: str) -> str:
        """64 hexadecimal digits, equal for a repeat. To be asked when all has been fed."""
        if self._mail is None:
            self._mail = self._of_mail(client)
        return _digest(self._mail, mail_from.lower().encode("utf-8", "surrogateescape"), number.encode()).hex()

    def _of_mail(self, client: str) -> bytes:
        header = bytes(self._header)
        if found := _MESSAGE_ID.search(header):
            return _digest(b"id", found[1], b"".join(_kept(header)), self._body.digest())
        return _digest(b"bytes", client.encode(), header, self._body.digest())


def _digest(*parts: bytes) -> bytes:
    """Each part with its length, so that no two lists of parts are one text."""
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def _kept(header: bytes) -> list[bytes]:
    """The header's fields, with their folded lines, without the trace."""
    fields = re.split(rb"\r\n(?![ \t])", header)
    return [field for field in fields if not _TRACE.match(field)]
