"""Header lines that are right byte by byte, whatever stands in the values from outside.

``EmailMessage`` builds our bodies but not these: refolding a header, CPython 3.11 turns a Message-ID longer than
a line into an encoded word, which ends the thread in every mail reader, and drops blanks between encoded words.
"""

import re
import textwrap
import unicodedata
from base64 import b64encode
from collections.abc import Iterable
from email.message import EmailMessage
from hashlib import sha256

_MOST_REFERENCES = 20
_ENCODED_BYTES = 39
"""Bytes in an encoded word, so that ``Subject: `` and the word fit into 76 characters (RFC 2047 §2)."""

_JOINERS = "\u200c\u200d"
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,500}>")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(
    rf"(?:{_ATOM}(?:\.{_ATOM})*|\"(?:[^\"\\\x00-\x1f\x7f-\U0010ffff]|\\[\x20-\x7e])*\")@(?:{_ATOM}(?:\.{_ATOM})*|\[[0-9A-Za-z.:]+\])"
)


def line(text: str, limit: int = 200) -> str:
    """One printable line of at most ``limit`` characters.

    Controls, line separators and signs that turn the direction of writing are gone: nothing from outside
    can begin a header, fake a line of a report, or read backwards.
    """
    kept = " ".join("".join(map(_letter, text[: 4 * limit + 200])).split())
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def _letter(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cs":
            return "\ufffd"
        case "Cf" if character not in _JOINERS:
            return ""
        case _:
            return character


def is_address(text: str) -> bool:
    """Whether it can stand in To and From as it is (RFC 5322 §3.4.1, without comments, folds and non-ASCII)."""
    return len(text) <= 320 and _ADDRESS.fullmatch(text) is not None


def unstructured(name: str, text: str) -> str:
    """A header of free text, folded (RFC 5322 §2.2.3) and encoded where it must be."""
    text = line(text)
    if not _is_plain(text):
        return f"{name}: {_encoded(text)}"
    folded = textwrap.wrap(f"{name}: {text}", 76, break_long_words=False, break_on_hyphens=False)
    return "\r\n ".join(folded) if text else f"{name}: "


def mailboxes(name: str, boxes: Iterable[tuple[str, str]]) -> str:
    """An address header of (display name, address); who cannot be written there gets the mail all the same,
    by the envelope, and an empty group stands in (RFC 5322 §3.4).
    """
    written = [_mailbox(line(shown, 80), address) for shown, address in boxes if is_address(address)]
    return f"{name}: " + (",\r\n ".join(written) or "undisclosed-recipients:;")


def message_ids(name: str, ids: Iterable[str]) -> str:
    """A header of Message-IDs, one on each line; empty if there is none. Of very many the first and the last stay."""
    found = list(dict.fromkeys(found for text in ids for found in _MESSAGE_ID.findall(text)))
    if len(found) > _MOST_REFERENCES:
        found = [found[0], *found[1 - _MOST_REFERENCES :]]
    return f"{name}: " + "\r\n ".join(found) if found else ""


def assembled(headers: Iterable[str], body: EmailMessage, seed: str) -> bytes:
    """The whole mail."""
    bound(body, seed)
    head = "".join(f"{header}\r\n" for header in headers if header)
    return head.encode("ascii") + body.as_bytes()


def bound(body: EmailMessage, seed: str) -> None:
    """Set the boundaries from ``seed``, so that the same mail is the same bytes; ``=_`` cannot stand in base64 or
    quoted-printable, which is all that our bodies use (RFC 2045 §6.7).
    """
    for number, part in enumerate(body.walk()):
        if part.is_multipart():
            part.set_boundary("=_" + sha256(f"{seed} {number}".encode()).hexdigest()[:40])


def _mailbox(shown: str, address: str) -> str:
    if not shown:
        return address
    if not _is_plain(shown):
        return f"{_encoded(shown)}\r\n <{address}>"
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _is_plain(text: str) -> bool:
    return text.isascii() and "=?" not in text


def _encoded(text: str) -> str:
    """RFC 2047 encoded words, each of whole characters (§5)."""
    chunks = [b""]
    for character in text:
        encoded = character.encode()
        if len(chunks[-1]) + len(encoded) > _ENCODED_BYTES:
            chunks.append(b"")
        chunks[-1] += encoded
    return "\r\n ".join(f"=?utf-8?b?{b64encode(chunk).decode()}?=" for chunk in chunks)
