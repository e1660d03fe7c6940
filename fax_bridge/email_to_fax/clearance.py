"""The document is made: may its faxes go now? Asked in the transaction that would make them due.

Its pages are known only here. Over a limit of pages the faxes wait for their turn, and their sender is told; what never
fits is refused with a report. A fax that looks like one before it is held, and its sender is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fax_bridge.email_to_fax.quotas import Quotas
from fax_bridge.fax import Instant, Language, now
from fax_bridge.mail.compose import Alert, alert_mail
from fax_bridge.mail.outcome import told_of
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store import audit, duplicates, faxes, messages, outbox
from fax_bridge.store.quota import Levels, OverLimit
from fax_bridge.store.tx import Tx
from fax_bridge.store.worker import Work

PAGE_QUOTA, FAX_LIMIT = "page_quota", "fax_limit"
"""The reasons' words, in the tables of ``templates/email``."""

TOLD_AFTER_MS = 600_000
"""A wait that is shorter is not worth a mail."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of one mail."""

    pages: int
    sha256: str
    again: bool = False
    """Its sender says that all of its faxes are meant, whatever went before."""


class Clearance:
    def __init__(self, settings: Settings, words: Words) -> None:
        self._settings = settings
        self._words = words
        self._quotas = Quotas(settings)

    def of(self, row: Work, made: Made) -> messages.Clearance:
        """For :func:`fax_bridge.store.messages.prepared`, which raises :class:`NotCleared` then."""
        return partial(self._clear, row=row, made=made)

    async def add_listed(self, tx: Tx, row: Work, numbers: Sequence[str], *, asked: bool) -> None:
        """The faxes of an attached list are faxes like those of the addresses; ``numbers`` are not among these.

        ``asked``: there is one to ``list@``, which was counted when the mail came and becomes the first of them.
        Raises :class:`NotCleared`.
        """
        charges = [one for one in self._quotas.charges(row.mail_from, row.client, numbers) if one.per_fax]
        levels = await Levels.of(tx, {one.limit: None for one in charges})
        try:
            levels.take([(one.limit, one.units(numbers if one.number else numbers[asked:])) for one in charges])
        except OverLimit as over:
            raise NotCleared(FAX_LIMIT, f"{len(numbers)} / {over.limit.most}") from None
        await levels.write(tx)

    async def _clear(self, tx: Tx, *, row: Work, made: Made) -> Instant | None:
        await self._hold_duplicates(tx, row, made)
        numbers = await messages.queued_numbers(tx, row.id)
        line = audit.Line("document", row.mail_from.lower(), "", row.id, int(self._settings.retention.audit * 1000),
                          tuple(numbers), made.sha256, f"{made.pages} pages")  # fmt: skip
        await audit.record(tx, line)
        charges = self._quotas.pages(row.mail_from, row.client, numbers)
        if not charges or not numbers:
            return None
        levels = await Levels.of(tx, {one.limit: None for one in charges})
        try:
            ready_at = levels.reserve([(one.limit, one.units(numbers) * made.pages) for one in charges])
        except OverLimit as over:
            raise NotCleared(PAGE_QUOTA, f"{made.pages * len(numbers)} / {over.limit.most}") from None
        await levels.write(tx)
        if ready_at <= now():
            return None
        if ready_at > now() + TOLD_AFTER_MS:
            language = Language(row.language)
            when = Shown(language, self._settings.reports.timezone).when(ready_at)
            values = {"pages": str(made.pages * len(numbers)), "until": when}
            await outbox.put(tx, self._notice(row, f"wait-{row.id}", "pages_wait", language, values))
        return ready_at

    async def _hold_duplicates(self, tx: Tx, row: Work, made: Made) -> None:
        within = int(self._settings.duplicates.within * 1000)
        if not within or made.again or row.options.get("robot"):
            return
        found = await duplicates.earlier(tx, message_id=row.id, sha256=made.sha256, since=now() - within)
        until = now() + int(self._settings.faxmax.held_for * 1000)
        language = Language(row.language)
        told = Shown(language, self._settings.reports.timezone)
        for fax_id, before in found.items():
            await faxes.held_as(tx, fax_id, until=until, note=f"held: the same document as {before.fax_id}")
            to = told_of(before.number, before.target, self._words, language)
            again = f"{before.number or before.target}+again@{self._settings.smtp.domains[0]}"
            values = {"fax": fax_id, "number": to, "before": before.fax_id, "at": told.when(before.accepted_at),
                      "until": told.when(until), "again": again}  # fmt: skip
            await outbox.put(tx, self._notice(row, f"held-{fax_id}", "duplicate_held", language, values))
            keep = int(self._settings.retention.audit * 1000)
            right, place = "duplicates.within", before.number or before.target
            line = audit.Line("held", "fax-bridge", right, fax_id, keep, (place,), made.sha256, before.fax_id)
            await audit.record(tx, line)

    def _notice(
        self, row: Work, outbox_id: str, subject: str, language: Language, values: dict[str, str]
    ) -> outbox.NewMail:
        settings, at = self._settings, now()
        told = Alert(subject, row.mail_from, values, language, settings.reports.timezone)
        message_id = f"<{outbox_id}@{settings.smtp.domains[0]}>"
        content = alert_mail(told, self._words, sender=settings.relay.from_, message_id=message_id, date=at)
        give_up_at = at + int(settings.relay.queue_lifetime * 1000)
        return outbox.NewMail(outbox_id, "alert", row.id, "", (row.mail_from,), content, give_up_at)


class NotCleared(Exception):
    """More than a limit leaves: ``reason`` is a word of the tables in ``templates/email``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
