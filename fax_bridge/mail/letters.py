"""What a mail is composed from: the values that the two directions hand to :mod:`fax_bridge.mail.compose`.

Texts may be anything that came from outside; they are made harmless where they are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fax_bridge.fax import Fate, FaxState, Instant, Language, ResultClass

DEFAULT_ZONE = "Europe/Istanbul"


@dataclass(frozen=True, slots=True)
class ReportFax:
    """One fax of a report. ``number`` and the two page counts are as FaxMAX has them: E.164 digits, and
    ``None`` for what it never said. ``detail`` is FaxMAX's own text, or a reason word of ours.
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


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one accepted mail. ``message_id`` is our ULID, ``original_message_id`` the sender's header."""

    message_id: str
    to: str
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
    timezone: str = DEFAULT_ZONE


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
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE


@dataclass(frozen=True, slots=True)
class Alert:
    """Something the operator should mend, or a sender should know before the report.

    Each ``subject`` has its phrases, which need these ``values``:

    - ``account_paused``: account, detail
    - ``duplicate_held``: fax, number, before, at, until
    - ``pages_wait``: pages, until
    - ``push_quarantined``: push, detail
    - ``received_undeliverable``: fax, detail
    - ``received_without_content``: fax, caller, called, detail
    - ``report_undeliverable``: message, detail
    - ``unknown_status``: status, detail, line

    ``detail`` is what the other side said, and may have lines; further values are shown as they are.
    """

    subject: str
    to: str
    values: Mapping[str, str] = field(default_factory=dict)
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE
