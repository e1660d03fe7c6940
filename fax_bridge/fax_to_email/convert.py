"""A received fax is turned into a PDF and its mail put into the outbox.

What cannot be converted is not dropped: the mail then carries the original and says why.
"""

from dataclasses import dataclass
from functools import partial

from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused
from fax_bridge.eventlog import event
from fax_bridge.fax_to_email.deliver import received_mail_for
from fax_bridge.fax_to_email.route import destination_of
from fax_bridge.mail.words import Words
from fax_bridge.numbers import shown
from fax_bridge.settings import Settings
from fax_bridge.store import pushes
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

MOST_TRIES = 5
"""After as many claims that came to nothing, be it by a bug of ours, the fax is mailed as it came."""


@dataclass(frozen=True, slots=True)
class Converted:
    pdf: bytes | None
    pages: int
    faults: tuple[str, ...]
    picture: bytes | None
    problem: str
    """Why there is no PDF, a word of the tables in ``templates/email``; empty where there is one."""
    detail: str = ""


async def convert(tiff: bytes, documents: Documents, info: dict[str, str]) -> Converted:
    """Never raises for a bad fax: a mail without a PDF is still a mail with the fax."""
    try:
        made = await documents.tiff_to_pdf(tiff, info=info)
    except DocumentRefused as refusal:
        return Converted(None, 0, (), None, refusal.reason, refusal.detail)
    try:
        picture = await documents.picture(made.pdf)
    except DocumentRefused:
        picture = None  # a mail without a picture says the same
    return Converted(made.pdf, len(made.pages), made.faults, picture, "")


class Converter:
    """Handles the queue :data:`pushes.CONVERT`."""

    def __init__(self, settings: Settings, store: Store, documents: Documents, words: Words) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._words = words

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            tiff = await pushes.tiff(conn, lease.id)
        caller = shown(row.caller) if row.caller else row.caller_raw
        info = {
            "Title": f"Fax {caller} > {shown(row.called) if row.called else row.called_raw}",
            "Author": row.remote_station or caller,
            "Subject": f"fax-bridge {row.id}, FaxMAX {row.provider_id}",
        }
        if lease.claims > MOST_TRIES:
            made = Converted(None, 0, (), None, "worker_crashed", "the conversion failed again and again")
        else:
            made = await convert(tiff, self._documents, info)
        destination = destination_of(self._settings, row.called)
        reason = "no_route" if destination.is_fallback else ""
        mail = received_mail_for(
            self._settings, self._words, row, made, tiff, to=destination.to, fallback_reason=reason
        )
        await self._store.write(
            partial(pushes.converted, lease=lease, pages=made.pages, problem=made.problem, mail=mail)
        )
        event("converted", row.id, pages=made.pages, problem=made.problem, to=list(destination.to))
