"""A queued fax is handed to FaxMAX: intent committed, POST, outcome committed. And its promised times are kept.

Between intent and outcome a crash leaves ``submitting`` behind, which nobody ever sends again blindly.
"""

import asyncio
import hashlib
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from ulid import ULID

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.cover import Cover, with_cover_page
from fax_bridge.email_to_fax.options import NO_COVER
from fax_bridge.errors import DocumentRefused, Verdict
from fax_bridge.eventlog import event
from fax_bridge.fax import FaxState, Language, Paper, Resolution, ResultClass, TargetKind, now
from fax_bridge.faxmax.breaker import Breaker
from fax_bridge.faxmax.client import Client, Failed, Outcome
from fax_bridge.faxmax.promises import promises_of
from fax_bridge.faxmax.wire import Accepted, AcceptedBook, SendRequest
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.outcome import told_of
from fax_bridge.mail.words import Words
from fax_bridge.numbers import read_number
from fax_bridge.quiet_hours import Schedule
from fax_bridge.settings import Account, Settings
from fax_bridge.store import accounts, books, faxes, outbox
from fax_bridge.store.lease import Lease, LeaseLost, backoff, finish
from fax_bridge.store.limits import AccountLimits, Limit
from fax_bridge.store.rate import Rate
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work

log = structlog.get_logger("submit")


def fingerprint(account: Account) -> str:
    """Changes when the credentials do, and tells nothing of them."""
    text = "\0".join([account.url, *(f"{key}={value}" for key, value in sorted(account.credentials().items()))])
    return hashlib.sha256(text.encode()).hexdigest()


def limits_of(settings: Settings) -> AccountLimits:
    """What each account takes, by its settings."""
    accounts = {name: settings.faxmax.account(name) for name in settings.faxmax.account_names}
    return AccountLimits(
        {
            name: Limit(account.max_concurrent, Rate(account.max_per_minute) if account.max_per_minute else None)
            for name, account in accounts.items()
        }
    )


OUTAGE_MS = 1000
"""Until the next look at a fax that was claimed when only a probe might go."""


async def to_its_end(fax_id: str, write: Coroutine[Any, Any, None]) -> None:
    """Once the answer is here it is written down, also when we are told to stop meanwhile, or lost the lease."""
    written = asyncio.create_task(write, name=f"outcome {fax_id}")
    try:
        await asyncio.shield(written)
    except asyncio.CancelledError:
        written.add_done_callback(partial(_told, fax_id))  # nobody waits for it any more
        raise


def _told(fax_id: str, written: "asyncio.Task[None]") -> None:
    """What became of an outcome whose handler was ended before it was on disk."""
    if written.cancelled():
        log.warning("outcome not written", id=fax_id)
    elif isinstance(fault := written.exception(), LeaseLost):
        log.warning("lease lost", queue=faxes.SUBMIT.name, row=str(fault))
    elif fault:
        log.error("outcome not written", id=fax_id, exc_info=fault)


class Submitter:
    """Handles the queues :data:`faxes.SUBMIT` and :data:`faxes.PROMISED`."""

    def __init__(self, settings: Settings, store: Store, documents: Documents, words: Words, alerts: Alerts) -> None:
        self.limits = limits_of(settings)
        self._settings = settings
        self._store = store
        self._documents = documents
        self._words = words
        self._alerts = alerts
        self._promises = promises_of(settings)
        self._accounts = {name: settings.faxmax.account(name) for name in settings.faxmax.account_names}
        codes = frozenset(settings.faxmax.auth_error_codes)
        self._breakers = {name: Breaker() for name in self._accounts}
        self._clients = {name: Client(account, codes) for name, account in self._accounts.items()}

    @property
    def _schedule(self) -> Schedule:
        """Asked for each time: a reload may change the quiet hours."""
        return self._settings.schedule

    def outages(self) -> dict[str, bool]:
        """By account, whether FaxMAX is taken to be out of reach."""
        return {name: breaker.is_open for name, breaker in self._breakers.items()}

    async def open_accounts(self) -> set[str]:
        """The accounts that may be served now: neither paused nor in an outage."""
        async with self._store.read() as conn:
            active = await faxes.open_accounts(conn)
        clock = asyncio.get_running_loop().time()
        return {name for name in active if name in self._breakers and self._breakers[name].allows(clock)}

    async def handle_queued(self, lease: Lease, row: Work) -> None:
        if row.give_up_at <= now():
            result = ResultClass.EXPIRED
            await self._store.write(partial(faxes.failed, lease=lease, result=result, detail=row.detail))
            event("ended", row.id, state="failed", result=result)
            return
        if self._schedule.earliest(row.number, row.send_at, at := now()) > at:
            await self._store.write(partial(self._put_off, lease=lease, account=row.account))
            return
        breaker = self._breakers[row.account]
        if not breaker.begin(asyncio.get_running_loop().time()):
            await self._store.write(partial(self._unsent, lease=lease, account=row.account, delay_ms=OUTAGE_MS))
            return
        try:
            request = await self._request(row)
            attempt = await self._store.write(partial(faxes.submitting, lease=lease, schedule=self._schedule))
            outcome = await self._clients[row.account].send(request)
        except DocumentRefused as refusal:  # of the cover: its template may have been changed meanwhile
            breaker.abandoned()
            await self._store.write(partial(self._unshowable, lease=lease, account=row.account, refusal=refusal))
            event("ended", row.id, state="failed", result=ResultClass.DOCUMENT, detail=refusal.reason)
            return
        except faxes.NotYet:  # the quiet hours began meanwhile
            breaker.abandoned()
            await self._store.write(partial(self._put_off, lease=lease, account=row.account))
            return
        except BaseException:
            breaker.abandoned()
            raise
        try:
            await to_its_end(row.id, self._write(row, attempt, outcome))
        finally:
            self._learn(row.account, breaker, outcome)

    async def handle_promised(self, lease: Lease, row: Work) -> None:
        """The time by which something should have been heard of this fax has come."""
        on_unknown = self._settings.faxmax.on_unknown
        state = await self._store.write(
            partial(
                faxes.promise_due,
                lease=lease,
                on_unknown=on_unknown,
                promises=self._promises,
                schedule=self._schedule,
            )
        )
        event("unknown" if state == FaxState.UNKNOWN else "ended", row.id, state=state)

    def _learn(self, account: str, breaker: Breaker, outcome: Outcome) -> None:
        """Out of reach counts towards an outage; an answer, whatever it says, ends one."""
        if isinstance(outcome, Failed) and outcome.verdict == Verdict.RETRY and outcome.retry_after is None:
            if breaker.failed(asyncio.get_running_loop().time()):
                event("outage", account=account, detail=outcome.detail)
        elif breaker.succeeded():
            event("resumed", account=account, why="FaxMAX answers again")

    async def _request(self, row: Work) -> SendRequest:
        async with self._store.read() as conn:
            mail = await faxes.to_submit(conn, row.id)
        account = self._accounts[row.account]
        options = mail.options | (row.options or {})  # its own address has the first word
        kind, _, kept_id = row.target.partition("-") if not row.number else ("", "", "")
        paper = Paper(mail.options.get("paper_size") or account.paper_size)  # that its pages are laid out for
        resolution = Resolution(options.get("resolution") or account.resolution)
        document, html = await self._drawn(account, mail, resolution, paper), None
        if mail.cover and options.get("cover") not in NO_COVER:
            language, zone = Language(mail.language), self._settings.reports.timezone
            to = told_of(row.number, row.target, self._words, language)
            cover = Cover(mail.cover, to, mail.accepted_at, language, zone)
            if account.cover == "page":
                document = await with_cover_page(
                    cover,
                    document,
                    pages=mail.pages,
                    words=self._words,
                    documents=self._documents,
                    paper=paper,
                    dots=resolution if account.document == "raster" else None,
                )
            else:
                html = cover.html(self._words, mail.pages + 1)
        cli = options.get("cli") or account.cli
        return SendRequest(
            request_id=str(uuid4()),
            api_id=row.id,
            number=row.number,
            document=document,
            file_name=f"fax-{row.id}.pdf",
            cover_html=html,
            cli=read_number(cli, self._settings.numbers.region) if cli else "",
            paper_size=paper,
            resolution=account.superfine if resolution == Resolution.SUPERFINE else resolution,
            phone_book=kept_id if kind == TargetKind.BOOK else "",
            contact=kept_id if kind == TargetKind.CONTACT else "",
        )

    async def _drawn(self, account: Account, mail: Any, resolution: Resolution, paper: Paper) -> bytes:
        """The document, as the dots of its fax where the account wants those and they are not drawn already."""
        document: bytes = mail.pdf
        if account.document == "raster" and mail.options.get("rastered") != resolution:
            return (await self._documents.raster_pdf(document, resolution=resolution, paper=paper)).pdf
        return document

    async def _write(self, row: Work, attempt: int, outcome: Outcome) -> None:
        """FaxMAX will not say it again: a database that is away is waited for, as long as a fax may be unknown."""
        record = partial(self._record, row=row, attempt=attempt, outcome=outcome)
        await self._store.write_at_last(record, within=self._promises.unknown / 1000)
        facts: dict[str, Any] = {"number": f"+{row.number}" if row.number else row.target, "attempt": attempt}
        if isinstance(outcome, Accepted):
            event("submitted", row.id, faxmax=outcome.fax_id, **facts)
        elif isinstance(outcome, AcceptedBook):
            rejected = {"rejected": len(outcome.rejected)} if outcome.rejected else {}
            event("submitted", row.id, faxmax=list(outcome.fax_ids), **rejected, **facts)
        else:
            words = {Verdict.RETRY: "retry", Verdict.UNKNOWN: "unknown", Verdict.PAUSE: "paused"}
            event(words.get(outcome.verdict, "ended"), row.id, detail=outcome.detail, **facts)  # type: ignore[arg-type]  # the dict's values are Words

    async def _record(self, tx: Tx, *, row: Work, attempt: int, outcome: Outcome) -> None:
        match outcome:
            case Accepted(fax_id, request_id):
                await faxes.accepted(
                    tx,
                    fax_id=row.id,
                    attempt=attempt,
                    provider_id=fax_id,
                    request_id=request_id,
                    promises=self._promises,
                )
            case AcceptedBook():
                await books.accepted(
                    tx,
                    fax_id=row.id,
                    attempt=attempt,
                    fax_ids=outcome.fax_ids,
                    rejected=outcome.rejected,
                    unaccounted=outcome.unaccounted,
                    request_id=outcome.request_id,
                    promises=self._promises,
                )
            case Failed(Verdict.REFUSED, detail):
                await faxes.refused(tx, fax_id=row.id, attempt=attempt, detail=detail, promises=self._promises)
            case Failed(Verdict.RETRY, detail, after):
                limits = self._settings.faxmax
                # A server may ask for more patience than ours, never for less: "Retry-After: 0" would be a hot loop.
                wait = max(backoff(attempt, limits.retry_first, limits.retry_longest), int((after or 0) * 1000))
                await self._retried(tx, row.id, attempt, wait, detail)
            case Failed(Verdict.PAUSE, detail):
                await self._retried(tx, row.id, attempt, 0, detail)
                await self._pause(tx, row.account, detail)
            case Failed(_, detail):
                await faxes.lost(tx, fax_id=row.id, attempt=attempt, detail=detail, promises=self._promises)

    async def _retried(self, tx: Tx, fax_id: str, attempt: int, delay_ms: int, detail: str) -> None:
        await faxes.retried(
            tx,
            fax_id=fax_id,
            attempt=attempt,
            delay_ms=delay_ms,
            detail=detail,
            promises=self._promises,
            schedule=self._schedule,
        )

    async def _put_off(self, tx: Tx, *, lease: Lease, account: str) -> None:
        """The same for a fax that was claimed before its time."""
        await faxes.put_off(tx, lease=lease, schedule=self._schedule)
        await self.limits.put_back(tx, account)

    async def _unshowable(self, tx: Tx, *, lease: Lease, account: str, refusal: DocumentRefused) -> None:
        detail = ": ".join(filter(None, (refusal.reason, refusal.detail)))
        await faxes.failed(tx, lease=lease, result=ResultClass.DOCUMENT, detail=detail)
        await self.limits.put_back(tx, account)

    async def _unsent(self, tx: Tx, *, lease: Lease, account: str, delay_ms: int) -> None:
        """Back into the queue before anything was sent, and its place in the account's rate with it."""
        await finish(tx, lease, due_at=now() + delay_ms)
        await self.limits.put_back(tx, account)

    async def _pause(self, tx: Tx, name: str, detail: str) -> None:
        """FaxMAX refuses the credentials: no fax of this account goes until the operator has mended that."""
        if await accounts.pause(tx, name, reason=detail, fingerprint=fingerprint(self._accounts[name])):
            await outbox.put(tx, self._alerts.mail(f"alert-{ULID()}", "account_paused", account=name, detail=detail))
