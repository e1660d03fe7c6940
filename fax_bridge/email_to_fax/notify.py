"""Words before the report: one of several faxes failed, or a fax is late. Each is said once, never after the end."""

from collections.abc import Sequence
from functools import partial

from fax_bridge.email_to_fax.report_values import asked_of, audience, dsn_of, is_silent, new_mail, status_of, wishes_of
from fax_bridge.fax import FAX_ENDS, FaxState, Instant, Language, MessageState, NoticeKind, now
from fax_bridge.faxmax.promises import promises_of
from fax_bridge.mail.reports import Notice, OpenFax, ReportFax, notice_mail
from fax_bridge.mail.words import Words
from fax_bridge.report_wishes import is_shown, wants_delay
from fax_bridge.settings import Settings
from fax_bridge.store import messages, notices, outbox
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

STEP = 60_000
"""Milliseconds between looks at a mail whose document is not made yet."""


class Notifier:
    """Handles the queue :data:`notices.NOTICE`."""

    def __init__(self, settings: Settings, store: Store, words: Words) -> None:
        self._settings = settings
        self._store = store
        self._words = words
        self._promises = promises_of(settings)

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            message = await messages.shown(conn, row.message_id)
            faxes = await messages.faxes_of(conn, row.message_id)
        waiting = [one for one in faxes if one.state not in FAX_ENDS]
        kind = NoticeKind(row.kind)
        due = self._due(kind, row.created_at, waiting)
        if waiting and message.state == MessageState.ACCEPTED:  # its header is not read yet
            due = max(due, now() + STEP)
        if waiting and due > now():
            await self._store.write(partial(notices.put_off, lease=lease, due_at=due))
            return
        mail = None
        if waiting and not is_silent(message):
            mail = await self._mail(kind, row.id, message, faxes, waiting)
        # Refused with LeaseLost if a fax ended meanwhile; the next claim looks anew.
        await self._store.write(partial(notices.told, lease=lease, revision=message.revision, mail=mail))

    def _due(self, kind: NoticeKind, created_at: Instant, waiting: Sequence[Work]) -> Instant:
        """A fax that was to wait for its time is not late before it."""
        reports = self._settings.reports
        if kind is NoticeKind.EARLY:
            return created_at + int(reports.early_after * 1000)
        begins = [max(created_at, one.send_at or 0) for one in waiting if any(self._late(one))]
        return min(begins, default=0) + int(reports.delay_after * 1000)

    async def _mail(
        self, kind: NoticeKind, notice_id: str, message: Work, faxes: Sequence[Work], waiting: Sequence[Work]
    ) -> outbox.NewMail | None:
        wishes = wishes_of(message, self._settings)
        ended = [one for one in faxes if one.state in FAX_ENDS]
        failed: tuple[ReportFax, ...] = ()
        status = None
        if kind is NoticeKind.EARLY:
            heard = audience(message, [one for one in ended if one.state == FaxState.FAILED], wishes)
            if not heard.told:
                return None
            failed = heard.faxes
            open_faxes = [
                self._open(message, one, [address for address in seen if address])
                for one in waiting
                if (seen := [a for a, dsn in asked_of(one).items() if is_shown(FaxState.FAILED, dsn, wishes.outcomes)])
            ]
        else:
            # The mail asked for it, so it is for machines too; with the header only, for nothing failed.
            open_faxes = [self._open(message, one, late) for one in waiting if (late := self._late(one))]
            status = await status_of(message, self._store, self._settings, failed=False)
        if not open_faxes:
            return None
        notice = Notice(
            kind=kind,
            message_id=message.id,
            to=wishes.to or (message.mail_from,),
            cc=wishes.cc,
            subject=message.subject,
            accepted_at=message.accepted_at,
            open=tuple(open_faxes),
            failed=failed,
            delivered=sum(one.state == FaxState.DELIVERED for one in ended),
            original_message_id=message.header_message_id,
            references=message.header_references,
            language=Language(message.language),
            timezone=self._settings.reports.timezone,
            status=status,
        )
        content = notice_mail(
            notice,
            self._words,
            sender=self._settings.relay.from_,
            message_id=f"<{notice_id}@{self._settings.smtp.domains[0]}>",
            date=now(),
        )
        return new_mail(message, wishes, self._settings, outbox_id=notice_id, content=content)

    def _late(self, fax: Work) -> list[str]:
        """Its recipients whose sender wants to hear that it is late."""
        return [address for address in fax.recipients if wants_delay(dsn_of(fax, address))]

    def _open(self, message: Work, fax: Work, recipients: Sequence[str]) -> OpenFax:
        return OpenFax(
            fax_id=fax.id,
            number=fax.number,
            recipients=tuple(recipients),
            state=FaxState(fax.state),
            known_by=self._known_by(message, fax),
            detail=fax.detail,
            target=fax.target,
            dsn={address: dsn_of(fax, address) for address in recipients},
        )

    def _known_by(self, message: Work, fax: Work) -> Instant:
        """When its end is known at the latest: what is left of its way, each step at its longest."""
        promises = self._promises
        confirmed = promises.confirm + promises.confirm_page * int(message.pages)
        match FaxState(fax.state):
            case FaxState.SUBMITTED if fax.promised_at:
                known = fax.promised_at
            case FaxState.HELD if fax.due_at:
                known = fax.due_at
            case FaxState.UNKNOWN | FaxState.SUBMITTING:
                known = max(now(), fax.due_at or 0) + promises.unknown + confirmed
            case _:
                known = max(now(), fax.give_up_at) + promises.answer + promises.unknown + confirmed
        return int(known)
