"""A mail as bytes becomes its parts, each with a plan: body, page source, inline picture, left out, refused.

Every MIME part gets exactly one plan, so that nothing is dropped in silence. Only reading happens here; what a
part really becomes is known once the document is built (:mod:`fax_bridge.email_to_fax.document`).
"""

import email
import email.header
import email.utils
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.message import Message
from email.policy import Compat32
from enum import StrEnum
from urllib.parse import unquote

from fax_bridge.documents.worker import PartKind
from fax_bridge.fax import Instant

MAX_PARTS = 1000
MAX_HEADER = 256 * 1024
MAX_DEPTH = 50
"""Nesting beyond this is no mail of a person's; the parser itself is recursive only in memory."""


class _Tolerant(Compat32):
    """Headers with raw 8-bit letters, which many clients write, are read as the text that they mean."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        return _decoded(value, None)


TOLERANT = _Tolerant()


class Plan(StrEnum):
    BODY = "body"
    SOURCE = "source"
    PICTURE = "picture"
    """Referenced by ``cid:`` from the HTML body (RFC 2392)."""
    LEFT_OUT = "left_out"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class MailPart:
    section: str
    """``1``, ``2.1`` …, as IMAP numbers parts (RFC 9051 §6.4.5.1)."""
    name: str
    content_type: str
    plan: Plan
    data: bytes
    kind: PartKind | None = None
    reason: str = ""
    content_id: str = ""
    html: str = ""
    """The wording of a text part as HTML, not yet cleaned, be it used or not."""


@dataclass(frozen=True, slots=True)
class ReadMail:
    subject: str
    message_id: str
    references: str
    from_name: str
    from_address: str
    date: Instant | None
    parts: tuple[MailPart, ...]
    fax_fields: tuple[tuple[str, str], ...] = ()
    """The header fields that begin with ``X-Fax-``: the name in small letters, the value as :func:`header_text`."""

    @property
    def body(self) -> str:
        """HTML of the body parts, not yet cleaned; empty where there is none."""
        return "\n<br>\n".join(part.html for part in self.parts if part.plan == Plan.BODY and part.html)

    @property
    def pictures(self) -> Mapping[str, bytes]:
        """By their Content-ID, the pictures that the body may show."""
        return {part.content_id: part.data for part in self.parts if part.plan == Plan.PICTURE}

    def showing(self, content_ids: set[str]) -> "ReadMail":
        """The same, once it is known which pictures the body really shows: the others are pages of their own."""
        return replace(
            self,
            parts=tuple(
                replace(part, plan=Plan.SOURCE)
                if part.plan == Plan.PICTURE and part.content_id not in content_ids
                else part
                for part in self.parts
            ),
        )

    def in_plain_words(self) -> "ReadMail":
        """The same with the plain wording, for an HTML one in which nothing can be read."""
        swapped = []
        for part in self.parts:
            if part.plan == Plan.BODY and part.content_type == "text/html":
                swapped.append(replace(part, plan=Plan.LEFT_OUT, reason="html_empty"))
            elif part.reason == "alternative_not_used" and part.content_type == "text/plain":
                swapped.append(replace(part, plan=Plan.BODY, reason=""))
            else:
                swapped.append(part)
        return replace(self, parts=tuple(swapped))


def read_mail(content: bytes) -> ReadMail:
    """Read a mail (RFC 5322, RFC 2045–2049). Never raises: what is odd becomes a refused part."""
    try:
        return _read(email.message_from_bytes(content, policy=TOLERANT))
    except RecursionError:  # the parser itself goes down one level for each of the mail
        part = MailPart("1", "", "message/rfc822", Plan.REFUSED, content, reason="bad_mime")
        header = email.message_from_bytes(content[:MAX_HEADER].partition(b"\r\n\r\n")[0], policy=TOLERANT)
        return replace(_read(header), parts=(part,))


def _read(root: Message) -> ReadMail:
    parts = list(_leaves(root, "", 0))
    body = "".join(part.html for part in parts if part.plan == Plan.BODY)
    name, address = _from(root)
    return ReadMail(
        subject=header_text(root, "Subject"),
        message_id=_message_ids(header_text(root, "Message-ID"))[:500],
        references=_message_ids(header_text(root, "References") or header_text(root, "In-Reply-To"))[:4000],
        from_name=name,
        from_address=address,
        date=_date(header_text(root, "Date")),
        parts=tuple(_placed(part, body) for part in parts),
        fax_fields=tuple((k.lower(), _text(v)) for k, v in root.items() if k.lower().startswith("x-fax-")),
    )


def header_text(message: Message, name: str) -> str:
    """A header as a person reads it: encoded words decoded (RFC 2047), raw 8-bit guessed, one line."""
    raw = message.get(name)
    return "" if raw is None else _text(raw)


def _text(raw: object) -> str:
    return _printable("".join(_decoded(chunk, charset) for chunk, charset in _chunks(raw)))


# --- from the tree to its leaves ---------------------------------------------------------------------


def _leaves(message: Message, section: str, depth: int) -> Iterator[MailPart]:
    """The parts that hold content, in the order of the mail."""
    if depth > MAX_DEPTH:
        yield _leaf(message, section, Plan.REFUSED, b"", reason="bad_mime")
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        children = [child for child in message.get_payload() if isinstance(child, Message)]
        chosen = _chosen_alternative(children) if message.get_content_subtype() == "alternative" else None
        for index, child in enumerate(children[:MAX_PARTS], 1):
            below = f"{section}.{index}".lstrip(".")
            if chosen is not None and child is not chosen:
                yield from _not_chosen(child, below)
            else:
                yield from _leaves(child, below, depth + 1)
        if len(children) > MAX_PARTS:
            yield _leaf(message, section or "1", Plan.REFUSED, b"", reason="bad_mime")
    else:
        yield _read_leaf(message, section or "1")


def _chosen_alternative(children: list[Message]) -> Message | None:
    """The HTML wording, which may stand inside a multipart/related; else the last (RFC 2046 §5.1.4)."""
    for child in reversed(children):
        if any(part.get_content_type() == "text/html" for part in child.walk()):
            return child
    return children[-1] if children else None


def _not_chosen(message: Message, section: str) -> Iterator[MailPart]:
    """The other wordings of an alternative say the same again; what is attached inside one is still read."""
    for index, part in enumerate(part for part in message.walk() if not part.is_multipart()):
        below = section if not index else f"{section}.{index + 1}"
        if part.get_content_type() in {"text/plain", "text/html", "text/enriched", "text/rtf", "text/x-amp-html"}:
            yield _leaf(part, below, Plan.LEFT_OUT, _payload(part), reason="alternative_not_used")
        else:
            yield _read_leaf(part, below)


def _read_leaf(message: Message, section: str) -> MailPart:
    if message.is_multipart() or message.get_content_maintype() in {"multipart", "message"}:
        return _leaf(message, section, Plan.REFUSED, b"", reason="unsupported_type")
    data = _payload(message)
    content_type = message.get_content_type()
    attached = message.get_content_disposition() == "attachment" or bool(_file_name(message))
    if content_type in {"text/plain", "text/html"} and not attached:
        return _leaf(message, section, Plan.BODY, data)
    if content_type in _NOTHING_TO_FAX:
        return _leaf(message, section, Plan.LEFT_OUT, data, reason=_NOTHING_TO_FAX[content_type])
    kind = _kind(content_type, data)
    if kind is None:
        return _leaf(message, section, Plan.REFUSED, data, reason="unsupported_type")
    return _leaf(message, section, Plan.SOURCE, data, kind=kind)


def _leaf(
    message: Message, section: str, plan: Plan, data: bytes, *, kind: PartKind | None = None, reason: str = ""
) -> MailPart:
    content_type = message.get_content_type()
    content_id = header_text(message, "Content-ID").strip("<> ")
    charset = str(message.get_content_charset("") or "")
    html_text = ""
    if content_type == "text/html":
        html_text = _decoded(data, charset)
    elif content_type == "text/plain":
        html_text = text_to_html(_decoded(data, charset))
    if kind == PartKind.TEXT:
        data = _decoded(data, charset).encode("utf-8-sig")  # the worker sees no headers: the charset is settled here
    return MailPart(section, _file_name(message), content_type, plan, data, kind, reason, content_id, html_text)


def _placed(part: MailPart, body: str) -> MailPart:
    """A picture that the body seems to show; whether it really does is known once the body is cleaned."""
    pictures = {PartKind.JPEG, PartKind.PNG}
    if (
        part.plan == Plan.SOURCE
        and part.content_id
        and part.kind in pictures
        and f"cid:{part.content_id}" in unquote(body)
    ):
        return replace(part, plan=Plan.PICTURE)
    return part


_NOTHING_TO_FAX = {
    "application/pkcs7-signature": "signature_part",
    "application/x-pkcs7-signature": "signature_part",
    "application/pgp-signature": "signature_part",
    "text/calendar": "calendar_part",
}
"""Parts that say nothing a person would want on paper: signatures of the mail, the invitation beside its text."""

_MAGIC = (
    (b"%PDF-", PartKind.PDF),
    (b"\xff\xd8\xff", PartKind.JPEG),
    (b"\x89PNG\r\n\x1a\n", PartKind.PNG),
    (b"II*\x00", PartKind.TIFF),
    (b"MM\x00*", PartKind.TIFF),
)


def _kind(content_type: str, data: bytes) -> PartKind | None:
    """What it is: by its first bytes, since the declared type is often wrong; text by what is declared."""
    for magic, kind in _MAGIC:
        if data.startswith(magic) or (kind == PartKind.PDF and magic in data[:1024]):
            return kind
    match content_type:
        case "text/plain" | "text/csv" | "text/tab-separated-values":
            return PartKind.TEXT
        case "text/html":
            return PartKind.HTML
        case "application/pdf":  # no PDF by its bytes: the worker says so in words
            return PartKind.PDF
        case "image/jpeg" | "image/jpg" | "image/pjpeg":
            return PartKind.JPEG
        case "image/png":
            return PartKind.PNG
        case "image/tiff":
            return PartKind.TIFF
    return None


def _payload(message: Message) -> bytes:
    data = message.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


# --- text -------------------------------------------------------------------------------------------


def text_to_html(text: str) -> str:
    """Plain text with its lines and blanks kept; the empty string where there is nothing to read."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    if not any(line.strip() for line in lines):
        return ""
    shown = (re.sub(r"^ +| {2,}", lambda m: "\u00a0" * len(m[0]), html.escape(line.expandtabs(8))) for line in lines)
    return "<div>" + "<br>\n".join(shown) + "</div>"


def _decoded(data: bytes | str, charset: str | None) -> str:
    """Text in the named charset; without one that works UTF-8, else Turkish Windows, which reads any byte."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    for candidate in (charset, "utf-8"):
        if candidate and candidate not in {"unknown-8bit", "us-ascii", "ascii"}:
            try:
                return data.decode(candidate)
            except (LookupError, UnicodeDecodeError, ValueError):
                continue
    return data.decode("cp1254", "replace")


def _chunks(raw: object) -> list[tuple[bytes | str, str | None]]:
    try:
        return [(chunk, charset) for chunk, charset in email.header.decode_header(raw)]  # type: ignore[arg-type]  # typeshed knows no Header here
    except (email.errors.HeaderParseError, ValueError):
        return [(str(raw), None)]


def _file_name(message: Message) -> str:
    """The part's file name (RFC 2231, or the encoded words that many clients write instead), without a path."""
    try:
        name = message.get_filename() or ""
    except (ValueError, LookupError, TypeError):  # broken RFC 2231 parameters
        name = ""
    decoded = "".join(_decoded(chunk, charset) for chunk, charset in _chunks(name)) if name else ""
    return _printable(re.split(r"[/\\]", decoded)[-1])[:200]


def _from(message: Message) -> tuple[str, str]:
    raw = message.get("From")
    name, address = email.utils.parseaddr(str(raw)) if raw is not None else ("", "")
    return _printable("".join(_decoded(chunk, charset) for chunk, charset in _chunks(name))), _printable(address)


def _date(text: str) -> Instant | None:
    try:
        when = email.utils.parsedate_to_datetime(text)
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _message_ids(text: str) -> str:
    """Only what looks like message ids (RFC 5322 §3.6.4): it is written into headers of ours."""
    return " ".join(re.findall(r"<[^<>\s]{1,400}>", text))


def _printable(text: str) -> str:
    flat = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(flat.split())
