"""What a mail is composed from: the values that the two directions hand to :mod:`fax_bridge.mail.compose`.

Texts may be anything that came from outside; they are made harmless where they are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fax_bridge.fax import Fate, FaxState, Instant, Language, NoticeKind, RcptDsn, ResultClass

DEFAULT_ZONE = "Europe/Istanbul"


@dataclass(frozen=True, slots=True)
class ReportFax:
    """One fax of a report. ``number`` and the two page counts are as FaxMAX has them: E.164 digits, and
    ``None`` for what it never said. ``detail`` is FaxMAX's own text, or a reason word of ours. ``recipients`` are the
    addresses that mean it; a number of an attached list has none.
    """

    fax_id: str
    number: str
    recipients: tuple[str, ...]
    state: FaxState
    result: ResultClass | None = None
    provider_id: str = ""
    pages_sent: int | None = None
    pages_total: int | None = None
    attempts: int = 0
    submitted_at: Instant | None = None
    ended_at: Instant | None = None
    remote_station: str = ""
    detail: str = ""
    promised_until: Instant | None = None
    target: str = ""
    """Where ``number`` is empty: ``book-ID``, ``contact-ID`` or ``list``."""
    dsn: Mapping[str, RcptDsn] = field(default_factory=dict)
    """By recipient, what its sender asked to be told."""


@dataclass(frozen=True, slots=True)
class OpenFax:
    """A fax that has not ended, in a word that comes before the report."""

    fax_id: str
    number: str
    recipients: tuple[str, ...]
    state: FaxState
    known_by: Instant
    """When its end is known at the latest."""
    detail: str = ""
    """What FaxMAX said last, if anything."""
    target: str = ""
    """Where ``number`` is empty, as above."""
    dsn: Mapping[str, RcptDsn] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What a report for machines says beside its faxes (RFC 3464 §2.2, RFC 3461 §4.3, §4.4)."""

    mta: str
    """Our own domain."""
    envid: str = ""
    """As the sender gave it, in xtext."""
    headers: bytes = b""
    """The header of the sender's mail, as it came."""
    mail: bytes = b""
    """The whole mail, where that is given back; then ``headers`` is not looked at."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one accepted mail. ``message_id`` is our ULID, ``original_message_id`` the sender's header."""

    message_id: str
    to: tuple[str, ...]
    subject: str
    accepted_at: Instant
    faxes: tuple[ReportFax, ...]
    fates: tuple[Fate, ...] = ()
    original_message_id: str = ""
    references: str = ""
    document_pages: int = 0
    document_sha256: str = ""
    language: Language = Language.TR
    correction: bool = False
    unknown_fields: tuple[str, ...] = ()
    """Header fields that begin with ``X-Fax-`` and were not heeded."""
    without_cover: tuple[str, ...] = ()
    """The numbers (or targets) that went without the cover that the others have."""
    timezone: str = DEFAULT_ZONE
    cc: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences in the reader's language that stand before the parts, as pages that will be hard to read."""
    pictures: tuple[bytes, ...] = ()
    """PNGs of the first pages of the document, as faxed."""
    document: bytes = b""
    """The PDF that goes with the report; empty where none does."""
    status: StatusReport | None = None
    """Makes it a report for machines too."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A word before the report: some of the faxes failed, or some are late. ``failed`` is empty for the latter."""

    kind: NoticeKind
    message_id: str
    to: tuple[str, ...]
    subject: str
    accepted_at: Instant
    open: tuple[OpenFax, ...]
    failed: tuple[ReportFax, ...] = ()
    delivered: int = 0
    original_message_id: str = ""
    references: str = ""
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE
    cc: tuple[str, ...] = ()
    status: StatusReport | None = None


@dataclass(frozen=True, slots=True)
class ReceivedFax:
    """A fax that came in. ``caller`` and ``called`` are E.164 digits or empty; ``caller_raw`` is what FaxMAX wrote.

    Without a ``pdf``, ``problem`` is the reason word and ``problem_detail`` the engine's own words. ``faults``
    are sentences about damaged pages. ``fallback_reason`` says why it goes to the fallback mailbox, if it does.
    """

    fax_id: str
    received_at: Instant
    tiff: bytes
    pdf: bytes | None
    provider_id: str = ""
    caller: str = ""
    caller_raw: str = ""
    called: str = ""
    remote_station: str = ""
    pages: int = 0
    faults: tuple[str, ...] = ()
    picture_png: bytes | None = None
    problem: str = ""
    problem_detail: str = ""
    fallback_reason: str = ""
    account: str = ""
    route: str = ""
    format: str = "pdf"
    """``pdf``, ``tiff`` or ``both``; the TIFF comes too where the PDF is missing or not the whole truth."""
    without_tiff: bool = False
    """The TIFF would have come too, but the mail would have been too large."""
    shape: str = "attachment"
    """``attachment``; ``notice``, the fax is not in the mail; ``link``, it can be fetched from ``links``."""
    too_large: bool = False
    """Why the shape is not the route's own: no mail server would take the mail."""
    links: tuple[tuple[str, str], ...] = ()
    """File name and address."""
    until: Instant | None = None
    """Until when the links work, or the fax of a notice is kept here."""
    subject: str = ""
    file_name: str = ""
    """Both with the tokens of :mod:`fax_bridge.name_tokens`; empty for the templates' own."""
    json_part: bool = False
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE


@dataclass(frozen=True, slots=True)
class Alert:
    """Something the operator should mend, or a sender should know before the report.

    Each ``subject`` has its phrases, which need these ``values``:

    - ``account_paused``: account, detail
    - ``duplicate_held``: fax, number, before, at, until, again
    - ``pages_wait``: pages, until
    - ``push_quarantined``: push, detail
    - ``received_bounced``, ``received_bounced_kept``: fax, recipient, detail
    - ``received_not_handed_over``: fax, target, detail
    - ``received_too_large``: fax, size, until
    - ``received_undeliverable``: fax, detail
    - ``received_without_content``: fax, caller, called, detail
    - ``report_undeliverable``: message, detail
    - ``unknown_status``: status, detail, line, push

    ``detail`` is what the other side said, and may have lines; further values are shown as they are.
    """

    subject: str
    to: str
    values: Mapping[str, str] = field(default_factory=dict)
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE
