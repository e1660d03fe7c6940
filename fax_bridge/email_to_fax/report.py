"""All faxes of a mail have ended: the one report to its sender goes into the outbox, and later one correction."""

from collections.abc import Sequence
from functools import partial

import structlog

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.options import NO_COVER
from fax_bridge.email_to_fax.report_values import Audience, audience, new_mail, status_of, wishes_of
from fax_bridge.errors import BridgeError
from fax_bridge.eventlog import event
from fax_bridge.fax import FaxState, Language, MessageState, Paper, Resolution, now
from fax_bridge.mail.page_warnings import page_warnings
from fax_bridge.mail.reports import Report, report_mail
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store import messages, outbox
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

log = structlog.get_logger("report")

MOST_PICTURES = 10
MOST_ATTACHED = 10_000_000
"""Bytes of a document that is attached; many mail servers take no larger mail than 15 MB once it is base64."""


class Reporter:
    """Handles the queue :data:`messages.REPORT`."""

    def __init__(self, settings: Settings, store: Store, documents: Documents, words: Words) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._words = words

    async def handle(self, lease: Lease, row: Work) -> None:
        correction = row.state == MessageState.CORRECTING
        async with self._store.read() as conn:
            faxes = await messages.faxes_of(conn, lease.id)
            told_before = correction and await outbox.is_known(conn, f"report-{lease.id}")
        wishes = wishes_of(row, self._settings)
        heard = audience(row, faxes, wishes, correction=told_before)
        mail = None
        if heard.told:
            outbox_id = f"{'correction' if correction else 'report'}-{row.id}"
            content = await self._content(
                row, heard, outbox_id, correction=told_before, without_cover=_without_cover(row, faxes)
            )
            mail = new_mail(row, wishes, self._settings, outbox_id=outbox_id, content=content)
        # Refused with LeaseLost if a fax moved since ``row`` was read; the next claim writes the report anew.
        await self._store.write(
            partial(messages.reported, lease=lease, revision=row.revision, correction=correction, mail=mail)
        )
        silent = {} if mail else {"told": False}
        for one in faxes:
            event(
                "ended", one.id, state=one.state, result=one.result, message=lease.id, correction=correction, **silent
            )

    async def _content(
        self, row: Work, heard: Audience, outbox_id: str, *, correction: bool, without_cover: tuple[str, ...]
    ) -> bytes:
        settings = self._settings.reports
        language = Language(row.language)
        failed = any(fax.state is not FaxState.DELIVERED for fax in heard.faxes)
        pictures, document, notes = await self._shown_document(row, language, failed=failed)
        machine = heard.asked or settings.format == "dsn"
        wishes = wishes_of(row, self._settings)
        report = Report(
            message_id=row.id,
            to=wishes.to or (row.mail_from,),
            cc=wishes.cc,
            subject=row.subject,
            original_message_id=row.header_message_id,
            references=row.header_references,
            accepted_at=row.accepted_at,
            document_pages=row.pages,
            document_sha256=row.sha256,
            fates=messages.fates_of(row),
            faxes=heard.faxes,
            language=language,
            correction=correction,
            timezone=settings.timezone,
            notes=(*page_warnings(messages.page_facts_of(row), self._words, language), *notes),
            pictures=pictures,
            document=document,
            unknown_fields=tuple(row.options.get("unknown_fields", ())),
            without_cover=without_cover,
            status=await status_of(row, self._store, self._settings, failed=failed) if machine else None,
        )
        return report_mail(
            report,
            self._words,
            sender=self._settings.relay.from_,
            message_id=f"<{outbox_id}@{self._settings.smtp.domains[0]}>",
            date=now(),
        )

    async def _shown_document(
        self, row: Work, language: Language, *, failed: bool
    ) -> tuple[tuple[bytes, ...], bytes, tuple[str, ...]]:
        """The pictures, the PDF to attach, and what has to be said about it. A document that is gone has none."""
        settings = self._settings.reports
        wanted = {"never": 0, "first": 1, "on_failure": MOST_PICTURES * failed, "always": MOST_PICTURES}
        pages = wanted[settings.pictures]
        attach = settings.attach_document == "always" or (settings.attach_document == "on_failure" and failed)
        if not row.pages or not (pages or attach):
            return (), b"", ()
        async with self._store.read() as conn:
            pdf = await messages.document_of(conn, row.id)
        pictures = await self._pictures(row, pdf, pages) if pdf and pages else ()
        if not attach:
            return pictures, b"", ()
        if len(pdf) > MOST_ATTACHED:
            size = Shown(language, settings.timezone).size(len(pdf))
            return pictures, b"", (self._words.phrase(language, "attached.too_large", size=size),)
        return pictures, pdf, ()

    async def _pictures(self, row: Work, pdf: bytes, pages: int) -> tuple[bytes, ...]:
        """A report without pictures is better than none, or a late one."""
        account = self._settings.faxmax.account_or_default(row.account)
        resolution = Resolution(row.options.get("resolution") or account.resolution)
        paper = Paper(row.options.get("paper_size") or account.paper_size)
        try:
            return await self._documents.fax_pictures(pdf, pages=pages, resolution=resolution, paper=paper)
        except BridgeError as fault:
            log.warning("no pictures for a report", message=row.id, why=str(fault))
            return ()


def _without_cover(row: Work, faxes: Sequence[Work]) -> tuple[str, ...]:
    """There is a cover, and these were to go without it."""
    if not row.cover:
        return ()
    asked = ((one, (one.options or {}).get("cover") or row.options.get("cover")) for one in faxes)
    return tuple(one.number or one.target for one, cover in asked if cover in NO_COVER)
