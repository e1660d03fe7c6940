"""Tokens that name a received fax to whoever holds them: the address that its bounces come to, and its links.

A token is the fax's id, which of its mails or files, the end of its life, and an HMAC over these, in base32 letters:
mail servers may change the case of a local part. Nobody without the key can make one or change one, and nothing has to
be looked up to know a false one.
"""

import hmac
from base64 import b32decode, b32encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from ulid import ULID

from fax_bridge.fax import Instant

Purpose = Literal["bounce", "link"]
_MAC_BYTES: dict[Purpose, int] = {"bounce": 10, "link": 20}
"""A bounce's token has to fit, with ``bounce+``, into the 64 octets of a local part (RFC 5321 §4.5.3.1.1). 80 bits
cannot be guessed over SMTP, and who guessed one would bring a copy of a fax to its own site's fallback mailbox."""
_BODY_BYTES = 16 + 2 + 4


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says. ``index`` counts the mails or the files of the fax; ``until`` is of whole seconds."""

    received_id: str
    index: int
    until: Instant


class SignedTokens:
    """Made and read with one key of :mod:`fax_bridge.store.keys`."""

    def __init__(self, key: bytes) -> None:
        self._keys = {purpose: hmac.digest(key, purpose.encode(), "sha256") for purpose in _MAC_BYTES}

    def make(self, purpose: Purpose, claim: Claim) -> str:
        body = ULID.from_str(claim.received_id).bytes + claim.index.to_bytes(2, "big")
        body += (claim.until // 1000).to_bytes(4, "big")
        return b32encode(body + self._mac(purpose, body)).decode().rstrip("=").lower()

    def read(self, purpose: Purpose, token: str, at: Instant) -> Claim | None:
        """``None`` for what we did not make, or whose life is over at ``at``."""
        try:
            raw = b32decode(token.upper() + "=" * (-len(token) % 8))
        except ValueError:  # binascii.Error is one
            return None
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        claim = Claim(
            str(ULID.from_bytes(body[:16])), int.from_bytes(body[16:18], "big"), int.from_bytes(body[18:], "big") * 1000
        )
        return claim if at < claim.until else None

    def _mac(self, purpose: Purpose, body: bytes) -> bytes:
        return hmac.new(self._keys[purpose], body, sha256).digest()[: _MAC_BYTES[purpose]]
