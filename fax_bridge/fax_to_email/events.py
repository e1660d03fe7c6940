"""A stored push is worked through: each element becomes a status of a fax, or a received fax.

What cannot be understood is kept, told to the operator, and costs its neighbours nothing. Every element is
taken in a transaction of its own that may be repeated: a push worked through twice changes nothing.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from ulid import ULID

from fax_bridge.errors import Temporary
from fax_bridge.eventlog import event
from fax_bridge.fax import Instant, PushedFax, PushedStatus
from fax_bridge.faxmax.promises import promises_of
from fax_bridge.faxmax.status import Meaning, fold, line_to_add, meaning_of
from fax_bridge.faxmax.wire import Element, NotUnderstood, read_push
from fax_bridge.mail.alerts import Alerts
from fax_bridge.numbers import digits_or_none
from fax_bridge.settings import Settings
from fax_bridge.store import faxes, outbox, pushes
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

log = structlog.get_logger("events")

PATIENCE = 900_000
"""Milliseconds for which an announced fax may come without its content before the operator is told."""

MOST_TRIES = 10
"""After as many claims that came to nothing a push goes to quarantine, where a person finds it."""


class Events:
    """Handles the queue :data:`pushes.EVENTS`."""

    def __init__(self, settings: Settings, store: Store, alerts: Alerts) -> None:
        self._settings = settings
        self._store = store
        self._alerts = alerts
        self._promises = promises_of(settings)
        self._timezone = ZoneInfo(settings.faxmax.timezone)
        self._own = {fold(word): Meaning(m.result, m.final) for word, m in settings.faxmax.status_map.items()}
        self._numbers = self._account_numbers()

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            body = await pushes.body(conn, lease.id)
        elements: Sequence[Element | NotUnderstood] = ()
        faults: list[str] = []
        failed = False
        try:
            # A received fax makes a body of megabytes, and its parsing is felt by every session on this loop.
            elements = await asyncio.to_thread(read_push, body, self._timezone)
        except NotUnderstood as fault:
            faults.append(str(fault))
        if lease.claims > MOST_TRIES:
            elements, faults = (), [f"it failed {MOST_TRIES} times by a fault of ours, which the log shows"]
        for seq, element in enumerate(elements):
            try:
                odd = await self._take(row, seq, element)
            except Exception:
                # A bug, or the database: the neighbours first, then this push is claimed again.
                log.exception("element failed", push=row.id, element=seq + 1)
                failed = True
                continue
            if odd:
                faults.append(f"element {seq + 1}: {odd}")
        if failed:
            raise Temporary(f"push {lease.id}: not every element could be taken")
        alert = self._alert(row, faults) if faults else None
        await self._store.write(partial(pushes.worked_through, lease=lease, faults=faults, alert=alert))
        if faults:
            event("quarantined", lease.id, why=faults[0], faults=len(faults))

    async def handle_announced(self, lease: Lease, row: Work) -> None:
        """A received fax was announced, and its content never came."""
        alert = self._alerts.mail(
            f"alert-{row.id}",
            "received_without_content",
            about=row.id,
            fax=row.id,
            caller=row.caller_raw,
            called=row.called_raw,
            detail=f"FaxMAX {row.provider_id}",
        )
        await self._store.write(partial(pushes.content_missing, lease=lease, alert=alert))
        event("quarantined", row.id, why="announced without content")

    async def _take(self, row: Work, seq: int, element: Element | NotUnderstood) -> str:
        """Take one element; why it could not be understood, or nothing."""
        if isinstance(element, NotUnderstood):
            return str(element)
        if element.type == "OUTGOING_FAX":
            return await self._take_status(row, seq, element)
        try:
            tiff = await asyncio.to_thread(element.tiff)
        except NotUnderstood as fault:
            return f"received fax {element.id}: {fault}"
        pushed = self._received(element, tiff)
        received_id = await self._store.write(
            partial(pushes.take_received, pushed=pushed, received_id=str(ULID()), push_id=row.id, patience=PATIENCE)
        )
        if received_id:
            event("fax_received", received_id, faxmax=element.id, called=pushed.called_raw, size=len(tiff or b""))
        return ""

    async def _take_status(self, row: Work, seq: int, element: Element) -> str:
        status, known = self._status(element, row.received_at)
        fax_id = await self._store.write(
            partial(faxes.take_status, pushed=status, push_id=row.id, seq=seq, promises=self._promises)
        )
        event("status", fax_id or "-", faxmax=element.id, status=status.word, final=status.final)
        if not known:
            await self._store.write(partial(outbox.put, mail=self._unknown_status(status, row.id)))
        return ""

    def _unknown_status(self, status: PushedStatus, push_id: str) -> outbox.NewMail:
        """The operator is shown a word that no table knows, once: the alert's id is made from the word."""
        line = line_to_add(status.word, status.message)
        word_id = hashlib.sha256(fold(status.word).encode()).hexdigest()[:16]
        told = {"status": status.word, "detail": status.message, "line": line, "push": push_id}
        return self._alerts.mail(f"alert-status-{word_id}", "unknown_status", **told)

    def _status(self, element: Element, received_at: Instant) -> tuple[PushedStatus, bool]:
        meaning = meaning_of(element.status, element.result_message, sent=element.sent_on is not None, own=self._own)
        region = self._settings.numbers.region
        status = PushedStatus(
            provider_id=element.id,
            called=digits_or_none(element.cld, region) or "",
            requested_at=element.requested_on or received_at,
            ours=self._is_ours(element),
            word=element.status,
            message=element.result_message,
            result=meaning.result,
            final=meaning.final,
            pages_sent=element.page_count,
            pages_total=element.total_page_count,
            remote_station=element.remote_station_id,
            tried_count=element.tried_count,
        )
        return status, meaning.known

    def _received(self, element: Element, tiff: bytes | None) -> PushedFax:
        region = self._settings.numbers.region
        called = digits_or_none(element.cld, region) or ""
        return PushedFax(
            provider_id=element.id,
            account=self._numbers.get(called, "default"),
            caller=digits_or_none(element.cli, region) or "",
            caller_raw=element.cli,
            called=called,
            called_raw=element.cld,
            remote_station=element.remote_station_id,
            tiff=tiff,
        )

    def _account_numbers(self) -> dict[str, str]:
        """Which account has which calling number."""
        settings = self._settings.faxmax
        shown = [(sender.cli, sender.account) for sender in self._settings.senders]
        shown += [(settings.account(name).cli, name) for name in settings.account_names]
        region = self._settings.numbers.region
        return {digits: name for cli, name in shown if (digits := digits_or_none(cli, region))}

    def _is_ours(self, element: Element) -> bool:
        """Whether it left with a number of ours; without a number on either side nothing speaks against it."""
        calling = digits_or_none(element.cli, self._settings.numbers.region)
        return calling is None or not self._numbers or calling in self._numbers

    def _alert(self, row: Work, faults: list[str]) -> outbox.NewMail:
        # One an hour: a new form of FaxMAX's pushes must not flood the operator. pushes list shows them all.
        return self._alerts.mail(
            f"alert-push-{row.received_at // 3_600_000}",
            "push_quarantined",
            about=row.id,
            push=row.id,
            detail="\n".join(faults[:20]),
        )
