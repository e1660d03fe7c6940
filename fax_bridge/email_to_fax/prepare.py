"""The worker's step between the 250 and the POST: an accepted mail is read and made into its document."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.clearance import Clearance, Made, NotCleared
from fax_bridge.email_to_fax.distribution_list import ListFault, divided, with_lists_refused
from fax_bridge.email_to_fax.document import CoverRule, Unfaxable, planned, prepare, with_readable_cover, without_cover
from fax_bridge.email_to_fax.grants import check_cli
from fax_bridge.email_to_fax.mail_part import ReadMail
from fax_bridge.email_to_fax.options import (
    NO_COVER,
    FaxOptions,
    OptionFault,
    bare_subject,
    clock_of,
    cover_of_document,
    cover_policy,
    read_header,
    read_subject,
    unknown_fields,
)
from fax_bridge.email_to_fax.preview import Previewer, ShownFax, shown_faxes
from fax_bridge.email_to_fax.raster import rastered
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.recipients import listed_of
from fax_bridge.eventlog import event
from fax_bridge.fax import Paper, Resolution, ResultClass, SkipKind, TargetKind, now
from fax_bridge.mail.words import Words
from fax_bridge.settings import Account, Settings
from fax_bridge.store import distribution, intake, messages
from fax_bridge.store.distribution import Listed
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work

MOST_TRIES = 20
"""Claims that may come to nothing by a fault of ours; with their growing pauses that is more than an hour."""


class Preparer:
    """Handles the queue :data:`fax_bridge.store.messages.PREPARE`."""

    def __init__(
        self, settings: Settings, store: Store, documents: Documents, words: Words, previewer: Previewer
    ) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._previewer = previewer
        self._clearance = Clearance(settings, words)

    async def handle(self, lease: Lease, row: Work) -> None:
        if row.accepted_at + int(self._settings.faxmax.queue_lifetime * 1000) <= now():
            await self._give_up(lease, row, ResultClass.EXPIRED, "")
            return
        if lease.claims > MOST_TRIES:
            await self._give_up(lease, row, ResultClass.DOCUMENT, "worker_crashed")
            return
        content = await intake.content(self._store, lease.id)
        # Parsing a large mail takes long enough to be felt by every session on this loop.
        reading = self._settings.reading
        read = partial(
            read_mail,
            cut_quoted=reading.quoted_original == "cut",
            cut_threads=(row.options.get("quoted_threads") or reading.quoted_threads) == "cut",
            cut_signature=(row.options.get("signatures") or reading.signatures) == "cut",
            unzip=reading.zip == "unpack",
        )
        mail = await asyncio.to_thread(read, content)
        headers = messages.Headers(bare_subject(mail.subject), mail.message_id, mail.references, mail.auto_submitted)
        try:
            asked = self._asked(mail, row)
        except OptionFault as fault:
            await self._refuse(lease, row, headers, Unfaxable(fault.reason, fault.written[:200], ()))
            return
        mail, lists = divided(mail) if reading.most_listed else (mail, [])
        faxes = await self._faxes(lease, row)
        try:
            listed = await asyncio.to_thread(listed_of, lists, faxes, content, row, self._settings)
        except ListFault as wrong:
            refused = Unfaxable(wrong.reason, str(wrong)[:400], tuple(with_lists_refused(planned(mail), wrong)))
            await self._refuse(lease, row, headers, refused)
            return
        paper = self._paper(row, faxes, asked)
        resolutions = self._resolutions(row, faxes, asked)
        resolution = max(resolutions, key=list(Resolution).index)  # the finest, where they differ
        of_mail = asked.cover or row.options.get("cover")
        made = await prepare(
            replace(mail, subject=headers.subject),
            self._documents,
            paper=paper,
            resolution=resolution,
            cover=self._cover_rule(cover_of_document((_cover_asked(one) for one in faxes), of_mail)),
            skip=[SkipKind(kind) for kind in row.options.get("skip", ())],
            max_pages=int(row.options.get("max_pages", 0)),
        )
        # Where the faxes of a mail differ, each is drawn when it goes.
        drawn = {}
        if not isinstance(made, Unfaxable) and self._account(row).document == "raster" and len(resolutions) == 1:
            made = await rastered(made, self._documents, paper=paper, resolution=resolution)
            drawn = {"rastered": str(resolution)}
        if not isinstance(made, Unfaxable) and self._account(row).cover == "page":
            made = await with_readable_cover(made, mail, self._documents)
        if isinstance(made, Unfaxable):
            await self._refuse(lease, row, headers, made)
            return
        without = [(_cover_asked(one) or of_mail) in NO_COVER for one in faxes]
        if listed and not any(one.target == TargetKind.LIST for one in faxes):  # no address speaks for them
            without.append(of_mail in NO_COVER)
        if all(without):
            made = without_cover(made)
        cover = _cover(replace(mail, subject=headers.subject), made.cover_body, self._template(row.options))
        if row.preview is not None:  # before anything is written: there is never a fax of it
            to = shown_faxes(faxes, listed)
            await self._previewer.show(lease, row, headers, made, to=to, cover=cover, asked=asked, paper=paper)
            return
        prepared = partial(
            messages.prepared,
            lease=lease,
            headers=headers,
            pdf=made.pdf,
            sha256=made.sha256,
            pages=made.pages,
            cover=cover,
            fates=made.fates,
            facts=made.facts,
            options=asked.kept() | {"paper_size": str(paper)} | drawn | _noted(mail),
            send_at=asked.send_at,
            schedule=self._settings.schedule,
            clearance=self._clearance.of(row, Made(made.pages, made.sha256, again=bool(asked.again))),
        )
        try:
            await self._store.write(partial(self._record, row=row, listed=listed, prepared=prepared))
        except NotCleared as fault:
            await self._refuse(lease, row, headers, Unfaxable(fault.reason, fault.detail, made.fates))
            return
        event("document", lease.id, pages=made.pages, sha256=made.sha256[:16])

    async def _faxes(self, lease: Lease, row: Work) -> Sequence[Any]:
        """The faxes of the message; of a preview those that it would have."""
        if row.preview is not None:
            return [ShownFax.of_row(one) for one in row.preview]
        async with self._store.read() as conn:
            return await messages.faxes_of(conn, lease.id)

    def _asked(self, mail: ReadMail, row: Work) -> FaxOptions:
        """What the mail itself asks for, in its subject or in its header. Raises :class:`OptionFault`."""
        clock = clock_of(self._settings, row.accepted_at)
        _, of_subject = read_subject(mail.subject, clock)
        asked = of_subject.over(read_header(mail.fax_fields, clock))
        check_cli(asked, row.options.get("allowed_cli", ()))
        return asked

    def _paper(self, row: Work, faxes: Sequence[Work], asked: FaxOptions) -> Paper:
        """What the pages are laid out for: all addresses of a mail agree on it (:data:`receive.ANOTHER_PAPER`)."""
        of_address = next((one.options["paper_size"] for one in faxes if "paper_size" in (one.options or ())), None)
        return Paper(of_address or asked.paper or row.options.get("paper_size") or self._account(row).paper_size)

    def _resolutions(self, row: Work, faxes: Sequence[Work], asked: FaxOptions) -> set[Resolution]:
        """Those that the faxes of this mail go with."""
        of_mail = asked.resolution or row.options.get("resolution") or self._account(row).resolution
        each = {Resolution((one.options or {}).get("resolution") or of_mail) for one in faxes}
        return each or {Resolution(of_mail)}

    def _account(self, row: Work) -> Account:
        return self._settings.faxmax.account_or_default(row.account)

    async def _record(
        self, tx: Tx, *, row: Work, listed: Sequence[Listed], prepared: Callable[[Tx], Awaitable[None]]
    ) -> None:
        if listed:
            window = int(self._settings.smtp.repeat_window * 1000)
            added = await distribution.add(tx, message_id=row.id, listed=listed, window=window)
            await self._clearance.add_listed(tx, row, added.numbers, asked=added.asked)
        await prepared(tx)

    def _cover_rule(self, asked: str | None) -> CoverRule:
        """``asked``: what the mail or its sender's entry says, a policy, ``on`` or ``off``."""
        cover = self._settings.cover
        return CoverRule(cover_policy(asked, cover.policy), cover.max_bytes)

    def _template(self, options: Mapping[str, str]) -> str:
        return options.get("cover_template") or self._settings.cover.template

    async def _refuse(self, lease: Lease, row: Work, headers: messages.Headers, made: Unfaxable) -> None:
        if row.preview is not None:
            await self._previewer.refuse(lease, row, headers, made)
            return
        detail = ": ".join(filter(None, (made.reason, made.detail)))
        result = ResultClass.DOCUMENT
        refused = partial(
            messages.refused, lease=lease, headers=headers, fates=made.fates, result=result, detail=detail
        )
        await self._store.write(refused)
        event("document", lease.id, refused=made.reason)

    async def _give_up(self, lease: Lease, row: Work, result: ResultClass, detail: str) -> None:
        """A fault of ours (no converter, a bug) kept it here for too long: the sender has to hear of it."""
        headers = messages.Headers("", "", "")
        if row.preview is not None:
            await self._previewer.refuse(lease, row, headers, Unfaxable(detail or result, "", ()))
            return
        refused = partial(messages.refused, lease=lease, headers=headers, fates=(), result=result, detail=detail)
        await self._store.write(refused)
        event("document", lease.id, refused=detail or result)


def _cover_asked(one: Any) -> str | None:
    """By the address of a fax."""
    asked: str | None = (one.options or {}).get("cover")
    return asked


def _noted(mail: ReadMail) -> dict[str, list[str]]:
    """What the report has to say of the mail beside its parts."""
    fields = [name[:80] for name in unknown_fields(mail.fax_fields)[:10]]
    return {"unknown_fields": fields} if fields else {}


def _cover(mail: ReadMail, body: str | None, template: str) -> dict[str, str] | None:
    """What the cover template needs later, when each fax gets its own cover."""
    if body is None:
        return None
    values = {"from_name": mail.from_name, "from_address": mail.from_address, "subject": mail.subject}
    return {"body": body, "template": template, **values}
