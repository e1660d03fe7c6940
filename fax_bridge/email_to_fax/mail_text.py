"""The words of a mail: headers, file names and text bodies, in whatever charset and spelling a client wrote them.

Nothing here raises for a bad mail: what cannot be decoded as it says is decoded as what it most likely is.
"""

import codecs
import email.header
import email.utils
import html
import re
from datetime import UTC
from email.message import Message
from email.policy import Compat32

import webencodings

from fax_bridge.documents.direction import runs_to_the_left
from fax_bridge.fax import Instant

_LONGEST_HEADER, _LONGEST_ADDRESS, _LONGEST_PARAMETERS = 100_000, 10_000, 10_000
"""Characters; what stands behind them is not read."""


_SAMPLE = 64 * 1024
"""Bytes of a text by which it is judged."""
_CONTROLS = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
"""Controls that no text has; a bell, backspaces, tabs, form feeds and ISO 2022's escapes are seen in some. NULs are
counted apart: programs of old leave some behind."""


class _Tolerant(Compat32):
    """Headers with raw 8-bit letters, which many clients write, are read as the text that they mean.

    Those with parameters have an end: the library takes time by the square of the parameters' number.
    """

    def header_fetch_parse(self, name: str, value: str) -> str:
        return decoded(value[:_LONGEST_PARAMETERS] if name.lower().startswith("content-") else value)


TOLERANT = _Tolerant()

_SINGLE_BYTE = ("windows-", "iso-8859-", "koi8-", "macintosh", "x-mac-", "ibm866")


def decoded(data: bytes | str, charset: str = "") -> str:
    """Text in the named charset; without one that works UTF-8, else Turkish Windows, which reads any byte.

    A label means what it means on the web (WHATWG Encoding §4.2: ISO 8859-9 is windows-1254). Bytes beyond ASCII
    that are valid UTF-8 are UTF-8, whatever 8-bit charset is claimed for them; so is text that was cut within a letter.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        charset = "utf-16"
    for candidate in _candidates(data, charset.strip().lower()):
        try:
            return data.decode(candidate).removeprefix("\ufeff")
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    damaged = data.decode("utf-8", "replace")
    wrong = damaged.count("\ufffd")
    right = sum(letter > "\x7f" for letter in damaged) - wrong
    return damaged if right > wrong else data.decode("cp1254", "replace")


def _candidates(data: bytes, charset: str) -> list[str]:
    if not charset or charset in {"unknown-8bit", "us-ascii", "ascii", "x-unknown", "default"}:
        return ["utf-8"]
    known = webencodings.lookup(charset)
    if known is None or charset.startswith("utf-"):  # the web's UTF-16 is little-endian and knows no mark
        return [charset, "utf-8"]
    if known.name.startswith(_SINGLE_BYTE) and not data.isascii():
        return ["utf-8", known.codec_info.name]
    return [known.codec_info.name, "utf-8"]


def header_text(message: Message, name: str) -> str:
    """A header as a person reads it: encoded words decoded (RFC 2047), raw 8-bit guessed, one line."""
    raw = message.get(name)
    return "" if raw is None else field_text(raw)


def field_text(raw: object) -> str:
    """The same for a header's value."""
    return _words(str(raw)[:_LONGEST_HEADER])


def file_name(message: Message) -> str:
    """The part's file name (RFC 2231, or the encoded words that many clients write instead), without a path."""
    try:
        name = (message.get_filename() or "")[:_LONGEST_ADDRESS]
    except (ValueError, LookupError, TypeError):  # broken RFC 2231 parameters
        name = ""
    return re.split(r"[/\\]", _words(name))[-1][:200] if name else ""


def sender(message: Message) -> tuple[str, str]:
    """The name and the address of From; empty where there is none."""
    raw = message.get("From")
    try:
        name, address = email.utils.parseaddr(str(raw)[:_LONGEST_ADDRESS]) if raw is not None else ("", "")
    except RecursionError:  # a call for each parenthesis within another
        return "", ""
    return _words(name), printable(address)


def date(text: str) -> Instant | None:
    try:
        when = email.utils.parsedate_to_datetime(text)
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def message_ids(text: str) -> str:
    """Only what looks like message ids (RFC 5322 §3.6.4): it is written into headers of ours."""
    return " ".join(re.findall(r"<[^<>\s]{1,400}>", text))


def printable(text: str) -> str:
    flat = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(flat.split())


def text_of(data: bytes, message: Message) -> str:
    """A text body's words with bare line feeds, without NULs, its lines joined where they only flowed (RFC 3676)."""
    text = decoded(data, charset_of(message)).replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if _parameter(message, "format") == "flowed":
        text = _unflowed(text, joined_words=_parameter(message, "delsp") == "yes")
    return text


def is_binary(data: bytes, message: Message) -> bool:
    """Whether what is called text is none: its control characters are no text's, in whatever charset it is read."""
    sample = decoded(data[:_SAMPLE], charset_of(message))
    controls = len(_CONTROLS.findall(sample))
    return controls > max(8, len(sample) // 50) or sample.count("\0") > max(8, len(sample) // 8)


def text_to_html(text: str) -> str:
    """Plain text with its lines and blanks kept; the empty string where there is nothing to read."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    if not any(line.strip() for line in lines):
        return ""
    shown = [re.sub(r"^ +| {2,}", lambda m: "\u00a0" * len(m[0]), html.escape(line.expandtabs(8))) for line in lines]
    blocks: list[tuple[bool, list[str]]] = [(runs_to_the_left(lines[0]), [])]
    for line, written in zip(lines, shown, strict=True):
        if runs_to_the_left(line, blocks[-1][0]) != blocks[-1][0]:
            blocks.append((not blocks[-1][0], []))
        blocks[-1][1].append(written)
    return "\n".join(_block(written, leftwards=leftwards) for leftwards, written in blocks)


def _block(lines: list[str], *, leftwards: bool) -> str:
    last = "" if lines[-1] else "<br>"  # an empty line at the end has no height of its own
    way = ' dir="rtl"' if leftwards else ""
    return f"<div{way}>" + "<br>\n".join(lines) + last + "</div>"


def _unflowed(text: str, *, joined_words: bool) -> str:
    """RFC 3676 §4: a line that ends in a blank goes on in the next one of the same depth of quotes."""
    lines: list[tuple[int, list[str]]] = []
    flows = False
    for raw in text.split("\n"):
        rest = raw.lstrip(">")
        depth = len(raw) - len(rest)
        rest = rest.removeprefix(" ")
        is_signature = rest == "-- "
        if not (flows and lines[-1][0] == depth and not is_signature):
            lines.append((depth, []))
        flows = rest.endswith(" ") and not is_signature
        lines[-1][1].append(rest[:-1] if flows and joined_words else rest)
    return "\n".join((f"{'>' * depth} " if depth else "") + "".join(line) for depth, line in lines)


def _words(raw: str) -> str:
    return printable("".join(decoded(chunk, charset or "") for chunk, charset in _chunks(raw)))


def _chunks(raw: str) -> list[tuple[bytes | str, str | None]]:
    try:
        return [(chunk, charset) for chunk, charset in email.header.decode_header(raw)]
    except (email.errors.HeaderParseError, ValueError):
        return [(raw, None)]


def charset_of(message: Message) -> str:
    try:
        return str(message.get_content_charset("") or "")
    except (ValueError, LookupError, TypeError):
        return ""


def _parameter(message: Message, name: str) -> str:
    try:
        return str(message.get_param(name, "") or "").strip().lower()
    except (ValueError, LookupError, TypeError):
        return ""
