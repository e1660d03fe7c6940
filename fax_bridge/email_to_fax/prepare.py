"""The worker's step between the 250 and the POST: an accepted mail is read and made into its document."""

import asyncio
from collections.abc import Sequence
from functools import partial

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.document import Prepared, prepare
from fax_bridge.email_to_fax.mail_part import ReadMail
from fax_bridge.email_to_fax.options import OptionFault, clock_of, read_header
from fax_bridge.email_to_fax.raster import rastered
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.eventlog import event
from fax_bridge.fax import Fate, Paper, Resolution, ResultClass, now
from fax_bridge.settings import Settings
from fax_bridge.store import intake, messages
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

MOST_TRIES = 20
"""Claims that may come to nothing by a fault of ours; with their growing pauses that is more than an hour."""


class Preparer:
    """Handles the queue :data:`fax_bridge.store.messages.PREPARE`."""

    def __init__(self, settings: Settings, store: Store, documents: Documents) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents

    async def handle(self, lease: Lease, row: Work) -> None:
        if row.accepted_at + int(self._settings.faxmax.queue_lifetime * 1000) <= now():
            await self._give_up(lease, ResultClass.EXPIRED, "")
            return
        if lease.claims > MOST_TRIES:
            await self._give_up(lease, ResultClass.DOCUMENT, "worker_crashed")
            return
        content = await intake.content(self._store, lease.id)
        # Parsing a large mail takes long enough to be felt by every session on this loop.
        reading = self._settings.reading
        read = partial(read_mail, cut_quoted=reading.quoted_original == "cut", unzip=reading.zip == "unpack")
        mail = await asyncio.to_thread(read, content)
        headers = messages.Headers(mail.subject, mail.message_id, mail.references)
        try:
            options = read_header(mail.fax_fields, clock_of(self._settings, row.accepted_at))
        except OptionFault as fault:
            await self._refuse(lease, headers, (), f"{fault.reason}: {fault.written[:200]}")
            return
        account = self._settings.faxmax.account(row.account) if self._knows(row.account) else self._settings.faxmax
        paper = Paper(row.options.get("paper_size") or account.paper_size)
        resolution = Resolution(row.options.get("resolution") or account.resolution)
        made = await prepare(mail, self._documents, paper=paper, resolution=resolution)
        if account.document == "raster" and isinstance(made, Prepared):
            made = await rastered(made, self._documents, paper=paper, resolution=resolution)
        if isinstance(made, Prepared):
            await self._store.write(
                partial(
                    messages.prepared,
                    lease=lease,
                    headers=headers,
                    pdf=made.pdf,
                    sha256=made.sha256,
                    pages=made.pages,
                    cover=_cover(mail, made.cover_body),
                    fates=made.fates,
                    facts=made.facts,
                    send_at=options.send_at,
                    schedule=self._settings.schedule,
                )
            )
            event("document", lease.id, pages=made.pages, sha256=made.sha256[:16])
        else:
            await self._refuse(lease, headers, made.fates, ": ".join(filter(None, (made.reason, made.detail))))

    async def _refuse(self, lease: Lease, headers: messages.Headers, fates: Sequence[Fate], detail: str) -> None:
        """``detail`` begins with the reason's word."""
        result = ResultClass.DOCUMENT
        refused = partial(messages.refused, lease=lease, headers=headers, fates=fates, result=result, detail=detail)
        await self._store.write(refused)
        event("document", lease.id, refused=detail.partition(":")[0])

    async def _give_up(self, lease: Lease, result: ResultClass, detail: str) -> None:
        """A fault of ours (no converter, a bug) kept it here for too long: the sender has to hear of it."""
        headers = messages.Headers("", "", "")
        refused = partial(messages.refused, lease=lease, headers=headers, fates=(), result=result, detail=detail)
        await self._store.write(refused)
        event("document", lease.id, refused=detail or result)

    def _knows(self, account: str) -> bool:
        return account in self._settings.faxmax.account_names


def _cover(mail: ReadMail, body: str | None) -> dict[str, str] | None:
    """What the cover template needs later, when each fax gets its own cover."""
    if body is None:
        return None
    return {"body": body, "from_name": mail.from_name, "from_address": mail.from_address, "subject": mail.subject}
