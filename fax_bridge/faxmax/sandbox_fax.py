"""What the sandbox knows of a fax, the steps of its life, and how both look in a push.

The names and the order of a push's fields are those of the API page. Its values are not documented: the words
of ``status`` and ``result_message`` here are a guess, chosen to be plain.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fax_bridge.documents.worker import PartKind
from fax_bridge.faxmax import sandbox_fates as fates
from fax_bridge.faxmax.sandbox_fates import NumberFate
from fax_bridge.faxmax.sandbox_request import SendFax
from fax_bridge.faxmax.sandbox_settings import SandboxSettings

Element = dict[str, Any]
"""One element of the array that a push carries."""

_ISTANBUL = ZoneInfo("Europe/Istanbul")


def istanbul_now() -> datetime:
    return datetime.now(_ISTANBUL)


def written(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else None


@dataclass(frozen=True, slots=True)
class FaxFile:
    name: str
    kind: PartKind
    data: bytes = field(repr=False)
    sha256: str


@dataclass(frozen=True, slots=True)
class Order:
    """What one request asked for; all its faxes share it."""

    call: SendFax
    file: FaxFile
    requested_on: datetime = field(default_factory=istanbul_now)
    request_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        return len(self.file.data) + 2 * len(self.call.cover_html)


@dataclass(frozen=True, slots=True)
class Step:
    """One moment in the life of a fax that FaxMAX tells of."""

    status: str
    result: str = ""
    tries: int = 0
    holds_back: int | None = None
    """How many of the pages have not gone through; ``None``: the machines never came to speak."""

    @property
    def delivers(self) -> bool:
        return self.holds_back == 0


QUEUED = Step("QUEUED")
LOST = Step("LOST")
"""Read and then forgotten; no push ever says so."""
UNREADABLE = Step("FAILED", "Belge okunamadı (DOCUMENT)")
_SENDING = Step("SENDING", tries=1)
_DELIVERED = (_SENDING, Step("DELIVERED", "OK", 1, holds_back=0))


def _after_second_try(result: str) -> tuple[Step, ...]:
    """FaxMAX tries again by itself, so the same result is first an interim one."""
    return (_SENDING, Step("QUEUED", result, 1), Step("SENDING", tries=2), Step("FAILED", result, 2))


_STEPS: dict[NumberFate, tuple[Step, ...]] = {
    fates.BUSY: _after_second_try("BUSY"),
    fates.NO_ANSWER: _after_second_try("NO_ANSWER"),
    fates.PARTIAL: (_SENDING, Step("FAILED", "PARTIAL", 1, holds_back=1)),
    fates.NOT_A_FAX: (_SENDING, Step("FAILED", "NOT_A_FAX", 1)),
}


def steps_of(fate: NumberFate) -> tuple[Step, ...]:
    """The steps that follow :data:`QUEUED` once the pages are rendered."""
    return _STEPS.get(fate, _DELIVERED)


@dataclass(frozen=True, slots=True)
class OutgoingFax:
    """A fax at one moment of its life; the next moment is another value."""

    fax_id: str
    phone: str
    api_id: str | None
    fate: NumberFate
    order: Order
    step: Step = QUEUED
    pages: int = 0
    """Rendered pages; 0 until they are."""
    tried_on: datetime | None = None
    sent_on: datetime | None = None

    @property
    def is_delivered(self) -> bool:
        return self.sent_on is not None

    @property
    def pages_through(self) -> int:
        held_back = self.step.holds_back
        return 0 if held_back is None else self.pages - held_back


@dataclass(frozen=True, slots=True)
class IncomingFax:
    cli: str
    cld: str
    tiff: bytes = field(repr=False)
    pages: int
    remote_station_id: str = ""
    fax_id: str = field(default_factory=lambda: str(uuid4()))
    received_on: datetime = field(default_factory=istanbul_now)


def outgoing_element(fax: OutgoingFax, account: SandboxSettings) -> Element:
    spoke = fax.step.holds_back is not None
    return {
        "type": "OUTGOING_FAX",
        "id": fax.fax_id,
        "account_id": account.account_id,
        "account_name": account.account_name,
        "cli": fax.order.call.cli,
        "cld": fax.phone,
        "status": fax.step.status,
        "requested_on": written(fax.order.requested_on),
        "result_message": fax.step.result,
        "page_count": fax.pages_through,
        "total_page_count": fax.pages,
        **_session(f"+{fax.phone}" if spoke else "", spoke=spoke),
        "sent_on": written(fax.sent_on),
        "queued_on": written(fax.order.requested_on),
        "tried_on": written(fax.tried_on),
        "tried_count": fax.step.tries,
    }


def incoming_element(fax: IncomingFax, account: SandboxSettings) -> Element:
    return {
        "type": "INCOMING_FAX",
        "id": fax.fax_id,
        "account_id": account.account_id,
        "account_name": account.account_name,
        "cli": fax.cli,
        "cld": fax.cld,
        "status": "RECEIVED",
        "requested_on": written(fax.received_on),
        "result_message": "OK",
        "page_count": fax.pages,
        "total_page_count": fax.pages,
        **_session(fax.remote_station_id, spoke=True),
        "content": base64.b64encode(fax.tiff).decode("ascii"),
    }


def _session(remote_station_id: str, *, spoke: bool) -> Element:
    """What two fax machines agreed on, if they came to speak: V.17 at its full speed, T.6 with ECM."""
    return {
        "ecm_used": spoke,
        "has_t38": spoke,
        "remote_station_id": remote_station_id,
        "fax_encoding": "T.6" if spoke else "",
        "transfer_rate": 14400 if spoke else 0,
    }
