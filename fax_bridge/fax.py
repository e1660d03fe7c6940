"""The words of the house: what a fax, a push and a mail can be, and which step may follow which.

Frozen values and enumerations only; no input or output happens here. Each state's line says what it
means; :data:`FAX_TRANSITIONS` is the whole law of a fax's life, and ``docs/states.md`` tells it in prose.
Instants are integers: milliseconds since 1970-01-01 UTC, the same on every database.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

Instant = int
"""Milliseconds since the epoch, UTC."""


def now() -> Instant:
    return time.time_ns() // 1_000_000


class FaxState(StrEnum):
    QUEUED = "queued"
    """Committed before the 250; waits for its turn, its document, or its next try."""
    HELD = "held"
    """Waits for a person; expires to ``cancelled`` at a promised time."""
    SUBMITTING = "submitting"
    """The intent to POST is committed; FaxMAX may or may not have it."""
    SUBMITTED = "submitted"
    """FaxMAX gave a fax id and has not told the end yet."""
    UNKNOWN = "unknown"
    """The request left and no readable answer came; waits for a push that fits."""
    DELIVERED = "delivered"
    """The remote machine confirmed the fax."""
    FAILED = "failed"
    """It will not go out; the result class says why."""
    CANCELLED = "cancelled"
    """A person took it back before it was handed to FaxMAX."""
    UNCONFIRMED = "unconfirmed"
    """Handed to FaxMAX, but no final push came until the promised time."""
    UNCERTAIN = "uncertain"
    """An ``unknown`` whose window closed: it may or may not have gone out."""


class ResultClass(StrEnum):
    """Why a fax ended as it did; the operator's and the sender's words hang on this."""

    DELIVERED = "delivered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    NOT_A_FAX = "not_a_fax"
    BAD_NUMBER = "bad_number"
    LINE_FAULT = "line_fault"
    PARTIAL = "partial"
    REFUSED = "refused"
    """FaxMAX refused the fax or its number in its answer."""
    DOCUMENT = "document"
    """The mail could not be made into a document; nothing was handed to FaxMAX."""
    EXPIRED = "expired"
    """It waited in our queue for ``faxmax.queue_lifetime`` and could never be handed over."""
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class MessageState(StrEnum):
    ACCEPTED = "accepted"
    """Committed before the 250; its document is not made yet."""
    READY = "ready"
    """The document is made; its faxes are on their way."""
    ENDED = "ended"
    """All its faxes have ended; the report is due."""
    REPORTED = "reported"
    """The report is in the outbox."""
    CORRECTING = "correcting"
    """A late push changed an end that was reported; the correction is due."""
    CORRECTED = "corrected"
    """The one correction is in the outbox."""


class NoticeKind(StrEnum):
    """A word to a sender before the report."""

    EARLY = "early"
    """One of several faxes failed, and others are still on their way."""
    DELAYED = "delayed"
    """A fax is late, and the sender asked to be told (RFC 3461, NOTIFY=DELAY)."""


class PushState(StrEnum):
    STORED = "stored"
    """The raw body is committed; its elements are not worked through yet."""
    DONE = "done"
    QUARANTINED = "quarantined"
    """Some of it could not be understood; the operator was told, the body is kept."""


class ReceivedState(StrEnum):
    WAITING = "waiting"
    """Announced by a push without content; completed by a later one."""
    RECEIVED = "received"
    """The TIFF is committed."""
    CONVERTED = "converted"
    """The mail with the PDF, or with the original where no PDF could be made, is in the outbox."""
    MAILED = "mailed"
    """All that it goes to has it, or else the fallback mailbox does. A bounce leads back to ``received``."""
    FAILED = "failed"
    """The fallback mailbox does not have it either; the fax is kept here."""


class OutboxState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class DeliveryKind(StrEnum):
    """A received fax on another way than by mail."""

    DIRECTORY = "directory"
    WEBHOOK = "webhook"
    LINK = "link"
    """Kept until its time is over, for whoever has the signed address."""


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up; the fax went to the fallback mailbox, and the operator was told."""


class AccountState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """FaxMAX refused our credentials; the faxes wait until the operator has mended that."""


S = FaxState
FAX_TRANSITIONS: dict[FaxState, frozenset[FaxState]] = {
    S.QUEUED: frozenset({S.HELD, S.SUBMITTING, S.FAILED, S.CANCELLED}),
    S.HELD: frozenset({S.QUEUED, S.CANCELLED, S.FAILED}),
    S.SUBMITTING: frozenset({S.QUEUED, S.SUBMITTED, S.FAILED, S.UNKNOWN}),
    S.SUBMITTED: frozenset({S.DELIVERED, S.FAILED, S.UNCONFIRMED}),
    S.UNKNOWN: frozenset({S.SUBMITTED, S.DELIVERED, S.FAILED, S.UNCERTAIN, S.QUEUED}),
    S.UNCONFIRMED: frozenset({S.DELIVERED, S.FAILED}),
    S.UNCERTAIN: frozenset({S.DELIVERED, S.FAILED}),
    S.DELIVERED: frozenset({S.FAILED}),
    S.FAILED: frozenset({S.DELIVERED}),
    S.CANCELLED: frozenset(),
}
"""From a state to the states that may follow it.

``delivered`` and ``failed`` turn into each other, and the two *reported* ends ``unconfirmed`` and
``uncertain`` into either, only by a later final push; the sender then gets one correction.
"""

FAX_ENDS = frozenset({S.DELIVERED, S.FAILED, S.CANCELLED, S.UNCONFIRMED, S.UNCERTAIN})
"""The states that the sender is told of."""
del S


def may_follow(before: FaxState, after: FaxState) -> bool:
    return after in FAX_TRANSITIONS[before]


class FateKind(StrEnum):
    """What became of one MIME part; every part has exactly one."""

    FAXED = "faxed"
    COVER = "cover"
    INLINED = "inlined"
    LIST = "list"
    """It named the numbers to send to, and is not sent itself."""
    LEFT_OUT = "left_out"
    """It has nothing for paper."""
    SKIPPED = "skipped"
    """It has, but cannot be faxed, and the sender's setting lets the rest go without it."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Fate:
    """The recorded fate of one MIME part.

    ``first_page`` and ``last_page`` count from 1 in the document and are 0 where the part has no pages.
    ``reason`` is a word of the tables in ``templates/email``, empty where none is needed.
    """

    part: str
    """Where the part stands in the mail: ``1``, ``2.1`` …, as IMAP numbers them (RFC 9051 §6.4.5.1)."""
    name: str
    content_type: str
    size: int
    kind: FateKind
    first_page: int = 0
    last_page: int = 0
    reason: str = ""
    detail: str = ""
    boxes: str = ""
    """The symbols that stand as boxes in its pages, by their names, since no font has them."""


class SkipKind(StrEnum):
    """What a mail may go without, where its sender's setting names it; which reasons are of which kind is in
    :mod:`fax_bridge.email_to_fax.skip`."""

    ARCHIVE = "archive"
    OFFICE = "office"
    PASSWORD = "password"  # noqa: S105 — a kind of part
    ENCRYPTED = "encrypted"
    BROKEN = "broken"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNKNOWN = "unknown"


class TargetKind(StrEnum):
    """What can be sent to that is no number. A ``target`` is one of these words, with a dash and an id behind the first
    two."""

    BOOK = "book"
    """A phone book that is kept at FaxMAX."""
    CONTACT = "contact"
    LIST = "list"
    """The distribution list that is attached to the mail."""


class Paper(StrEnum):
    A4 = "A4"
    LETTER = "letter"
    LEGAL = "legal"


PAPER_POINTS: dict[Paper, tuple[float, float]] = {
    Paper.A4: (595.276, 841.89),
    Paper.LETTER: (612.0, 792.0),
    Paper.LEGAL: (612.0, 1008.0),
}
"""Width and height in PDF points (1/72 inch)."""


class Resolution(StrEnum):
    NORMAL = "normal"
    FINE = "fine"
    SUPERFINE = "superfine"


FAX_DPI: dict[Resolution, tuple[float, float]] = {
    Resolution.NORMAL: (204.0, 98.0),
    Resolution.FINE: (204.0, 196.0),
    Resolution.SUPERFINE: (204.0, 391.0),
}
"""Dots per inch across and down; fax pixels are not square (ITU-T T.4 §2: R8 × 3.85, 7.7, 15.4 lines/mm)."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What can be told of a page before it is sent."""

    ink: float
    """The share of the page that is black, 0 to 1. Letters cover 0.02 to 0.1 of it, a photo half."""
    seconds: float
    """How long the page itself takes on the line, an estimate (:mod:`fax_bridge.documents.transmission`)."""

    DARK: ClassVar[float] = 0.4
    """Above it, half of a page or more is black: letters run together, and the machine eats its toner."""
    SLOW: ClassVar[float] = 120.0
    """A page of letters takes half a minute; many machines give a whole call no more than some tens of minutes."""

    @property
    def is_dark(self) -> bool:
        return self.ink > self.DARK

    @property
    def is_slow(self) -> bool:
        return self.seconds > self.SLOW


class Language(StrEnum):
    TR = "tr"
    EN = "en"


class CoverPolicy(StrEnum):
    """When a fax has a cover page. What a person wrote is always faxed: on the cover, or as pages of the document."""

    NEVER = "never"
    """The text becomes pages in front of the attachments."""
    WITH_TEXT = "with_text"
    """Where there are a text and an attachment: the text stands on the cover. A text alone is the document."""
    ALWAYS = "always"
    """A text alone is still the document, and gets a cover without words; so do attachments without a text."""
    ONLY_WITHOUT_ATTACHMENT = "only_without_attachment"
    """A text alone gets a cover without words; beside attachments it becomes pages in front of them."""


@dataclass(frozen=True, slots=True)
class MailDsn:
    """What a sender asked to be told of a whole mail (RFC 3461 §4.3, §4.4); empty where nothing was asked."""

    ret: str = ""
    """``FULL`` or ``HDRS``: how much of the mail a report of failure gives back."""
    envid: str = ""
    """The sender's own id for this sending, in xtext."""


@dataclass(frozen=True, slots=True)
class RcptDsn:
    """What a sender asked to be told of one recipient (RFC 3461 §4.1, §4.2); empty where nothing was asked."""

    notify: str = ""
    """``NEVER``, or of ``SUCCESS``, ``FAILURE`` and ``DELAY`` those that are wanted, with commas."""
    orcpt: str = ""
    """The recipient as the sender wrote it: a type, a semicolon, an address in xtext."""

    @property
    def asks(self) -> bool:
        return bool(self.notify or self.orcpt)


@dataclass(frozen=True, slots=True)
class PushedStatus:
    """One ``OUTGOING_FAX`` element of a push, as understood."""

    provider_id: str
    called: str
    """E.164 digits; empty where the element named none."""
    requested_at: Instant
    ours: bool
    """Whether its calling number or account is one of ours."""
    word: str
    """FaxMAX's literal ``status``."""
    message: str
    """FaxMAX's literal ``result_message``."""
    result: ResultClass | None
    final: bool
    pages_sent: int | None = None
    pages_total: int | None = None
    remote_station: str = ""
    tried_count: int | None = None

    @property
    def words(self) -> str:
        return ": ".join(filter(None, (self.word, self.message)))


@dataclass(frozen=True, slots=True)
class PushedFax:
    """One ``INCOMING_FAX`` element of a push."""

    provider_id: str
    account: str
    caller: str
    """E.164 digits; empty where the caller is absent or no number."""
    caller_raw: str
    called: str
    called_raw: str
    remote_station: str
    tiff: bytes | None
    """``None`` where the element has no content (yet)."""
