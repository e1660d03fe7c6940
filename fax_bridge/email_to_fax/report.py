"""All faxes of a mail have ended: the one report to its sender goes into the outbox, and later one correction."""

from collections.abc import Sequence
from functools import partial

from fax_bridge.email_to_fax.options import NO_COVER
from fax_bridge.eventlog import event
from fax_bridge.fax import FaxState, Language, MessageState, ResultClass, now
from fax_bridge.mail.compose import Report, ReportFax, report_mail
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store import messages, outbox
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work


class Reporter:
    """Handles the queue :data:`messages.REPORT`."""

    def __init__(self, settings: Settings, store: Store, words: Words) -> None:
        self._settings = settings
        self._store = store
        self._words = words

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            faxes = await messages.faxes_of(conn, lease.id)
        correction = row.state == MessageState.CORRECTING
        mail = self._mail(row, [self._fax(one) for one in faxes], correction, _without_cover(row, faxes))
        # Refused with LeaseLost if a fax moved since ``row`` was read; the next claim writes the report anew.
        await self._store.write(
            partial(messages.reported, lease=lease, revision=row.revision, correction=correction, mail=mail)
        )
        for one in faxes:
            event("ended", one.id, state=one.state, result=one.result, message=lease.id, correction=correction)

    def _mail(
        self, row: Work, faxes: list[ReportFax], correction: bool, without_cover: tuple[str, ...]
    ) -> outbox.NewMail:
        report = Report(
            message_id=row.id,
            to=row.mail_from,
            subject=row.subject,
            original_message_id=row.header_message_id,
            references=row.header_references,
            accepted_at=row.accepted_at,
            document_pages=row.pages,
            document_sha256=row.sha256,
            fates=messages.fates_of(row),
            faxes=tuple(faxes),
            language=Language(row.language),
            correction=correction,
            unknown_fields=tuple(row.options.get("unknown_fields", ())),
            without_cover=without_cover,
            timezone=self._settings.reports.timezone,
        )
        outbox_id = f"{'correction' if correction else 'report'}-{row.id}"
        at = now()
        content = report_mail(
            report,
            self._words,
            sender=self._settings.relay.from_,
            message_id=f"<{outbox_id}@{self._settings.smtp.domains[0]}>",
            date=at,
        )
        return outbox.NewMail(
            id=outbox_id,
            kind="report",
            about=row.id,
            mail_from="",
            recipients=(row.mail_from,),
            content=content,
            give_up_at=at + int(self._settings.relay.queue_lifetime * 1000),
        )

    def _fax(self, row: Work) -> ReportFax:
        return ReportFax(
            fax_id=row.id,
            number=row.number,
            recipients=tuple(row.recipients),
            state=FaxState(row.state),
            result=ResultClass(row.result) if row.result else None,
            provider_id=row.provider_id or "",
            pages_sent=row.pages_sent,
            pages_total=row.pages_total,
            attempts=max(row.tried_count or 0, row.attempts),
            submitted_at=row.submitted_at,
            ended_at=row.ended_at,
            remote_station=row.remote_station,
            detail=row.detail,
            promised_until=row.promised_at,
            target=row.target,
        )


def _without_cover(row: Work, faxes: Sequence[Work]) -> tuple[str, ...]:
    """There is a cover, and these were to go without it."""
    if not row.cover:
        return ()
    asked = ((one, (one.options or {}).get("cover") or row.options.get("cover")) for one in faxes)
    return tuple(one.number or one.target for one, cover in asked if cover in NO_COVER)
