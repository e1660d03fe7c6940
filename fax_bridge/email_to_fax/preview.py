"""A mail to ``preview+NUMBER@domain`` is answered with what it would become; nothing of it ever reaches FaxMAX.

It was accepted as a fax is, and is prepared as a fax is. But it has no row among the faxes, and ends here: the answer
goes into the outbox in the commit that ends the message, so that it is sent once, whenever the daemon dies.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.cover import Cover
from fax_bridge.email_to_fax.document import Prepared, Unfaxable
from fax_bridge.email_to_fax.options import NO_COVER, FaxOptions
from fax_bridge.errors import DocumentRefused
from fax_bridge.eventlog import event
from fax_bridge.fax import Instant, Language, Paper, Resolution, TargetKind, now
from fax_bridge.mail.outcome import told_of
from fax_bridge.mail.preview import Preview, PreviewRecipient, preview_mail
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store import messages, outbox
from fax_bridge.store.distribution import Listed
from fax_bridge.store.lease import Lease
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work


@dataclass(frozen=True, slots=True)
class ShownFax:
    """What would be one fax: where a fax has a row, a preview has this beside its message."""

    number: str
    target: str
    recipients: tuple[str, ...]
    options: Mapping[str, str]
    send_at: Instant | None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "ShownFax":
        return cls(row["number"], row["target"], tuple(row["recipients"]), row["options"], row["send_at"])


def shown_faxes(faxes: Sequence[ShownFax], listed: Sequence[Listed]) -> list[ShownFax]:
    """Those of the addresses, and those of an attached list, which stand for the address that asked for it."""
    addressed = [one for one in faxes if one.target != TargetKind.LIST]
    asking = next((one for one in faxes if one.target == TargetKind.LIST), ShownFax("", "", (), {}, None))
    known = {one.number for one in addressed}
    return addressed + [replace(asking, number=one.number, target="") for one in listed if one.number not in known]


PICTURES = 3
"""Pages of the document that are shown in the answer itself; all are in the PDF that hangs on it."""
DPI = 72


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fax to be looked at; ``None`` for what could not be drawn."""

    cover: bytes | None
    """A PDF."""
    cover_picture: bytes | None
    """A PNG of its first page."""
    pages: tuple[bytes | None, ...]
    """A PNG for each page of the document, from the first on."""

    @property
    def pictures(self) -> tuple[bytes, ...]:
        return tuple(picture for picture in (self.cover_picture, *self.pages) if picture is not None)


async def drawn(
    documents: Documents, *, pdf: bytes, pages: int, cover: str | None, paper: Paper, dpi: float = DPI
) -> Drawn:
    """The cover laid out, and the first ``pages`` pages of the document as pictures. Raises :class:`Temporary`."""
    cover_pdf = await _made(documents.html_to_pdf(cover, paper=paper)) if cover is not None else None
    cover_picture = await _made(documents.picture(cover_pdf, dpi=dpi)) if cover_pdf is not None else None
    shown = [await _made(documents.picture(pdf, page=page, dpi=dpi)) for page in range(1, pages + 1)]
    return Drawn(cover_pdf, cover_picture, tuple(shown))


async def _made(job: Awaitable[bytes]) -> bytes | None:
    """The document was proven to be drawable; that its picture is too large or too slow is no reason to refuse it."""
    try:
        return await job
    except DocumentRefused:
        return None


class Previewer:
    """Ends what :class:`fax_bridge.email_to_fax.prepare.Preparer` prepared, where it was only to be shown."""

    def __init__(self, settings: Settings, store: Store, documents: Documents, words: Words) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._words = words

    async def show(
        self,
        lease: Lease,
        row: Work,
        headers: messages.Headers,
        made: Prepared,
        *,
        to: Sequence[ShownFax],
        cover: dict[str, str] | None,
        asked: FaxOptions,
        paper: Paper,
    ) -> None:
        """Answer with the fax. ``asked``: what holds for the recipients whose address asks for nothing."""
        covered = [
            one for one in to if (one.options.get("cover") or asked.cover or row.options.get("cover")) not in NO_COVER
        ]
        page = self._cover(row, covered[0], made, cover) if cover is not None and covered else None
        seen = await drawn(self._documents, pdf=made.pdf, pages=min(made.pages, PICTURES), cover=page, paper=paper)
        preview = self._preview(
            row,
            headers,
            to,
            asked,
            paper=paper,
            pages=made.pages,
            covered=covered if cover is not None else (),
            pdf=made.pdf,
            cover=seen.cover,
            pictures=seen.pictures,
            fates=made.fates,
            facts=made.facts,
            document_sha256=made.sha256,
        )
        await self._answer(lease, row, headers, preview)
        event("document", lease.id, preview=True, pages=made.pages, sha256=made.sha256[:16])

    async def refuse(self, lease: Lease, row: Work, headers: messages.Headers, made: Unfaxable) -> None:
        """Answer with the reason, which is what a report would have said."""
        why = ": ".join(filter(None, (made.reason, made.detail)))
        to = [ShownFax.of_row(one) for one in row.preview]
        preview = self._preview(row, headers, to, FaxOptions(), paper=self._paper(row), refused=why, fates=made.fates)
        await self._answer(lease, row, headers, preview)
        event("document", lease.id, preview=True, refused=made.reason)

    def _preview(
        self,
        row: Work,
        headers: messages.Headers,
        to: Sequence[ShownFax],
        asked: FaxOptions,
        covered: Sequence[ShownFax] = (),
        **made: Any,
    ) -> Preview:
        of_address = next((one.options["resolution"] for one in to if "resolution" in one.options), None)
        of_sender = row.options.get("resolution") or self._settings.faxmax.account_or_default(row.account).resolution
        return Preview(
            message_id=row.id,
            to=row.mail_from,
            subject=headers.subject,
            recipients=tuple(
                PreviewRecipient(
                    one.number, one.recipients, one.send_at or asked.send_at, one.target, covered=one in covered
                )
                for one in to
            ),
            covered=bool(covered),
            resolution=Resolution(of_address or asked.resolution or of_sender),
            original_message_id=headers.message_id,
            references=headers.references,
            language=Language(row.language),
            timezone=self._settings.reports.timezone,
            **made,
        )

    def _cover(self, row: Work, first: ShownFax, made: Prepared, cover: dict[str, str]) -> str:
        """The one that this recipient would get; the others' differ in the number."""
        language = Language(row.language)
        to = told_of(first.number, first.target, self._words, language)
        return Cover(cover, to, row.accepted_at, language, self._settings.reports.timezone).html(
            self._words, made.pages + 1
        )

    async def _answer(self, lease: Lease, row: Work, headers: messages.Headers, preview: Preview) -> None:
        outbox_id = f"preview-{row.id}"
        at = now()
        content = preview_mail(
            preview,
            self._words,
            sender=self._settings.relay.from_,
            message_id=f"<{outbox_id}@{self._settings.smtp.domains[0]}>",
            date=at,
        )
        mail = outbox.NewMail(
            id=outbox_id,
            kind="preview",
            about=row.id,
            mail_from="",
            recipients=(row.mail_from,),
            content=content,
            give_up_at=at + int(self._settings.relay.queue_lifetime * 1000),
        )
        await self._store.write(
            partial(
                messages.previewed,
                lease=lease,
                headers=headers,
                fates=preview.fates,
                pages=preview.pages,
                sha256=preview.document_sha256,
                mail=mail,
            )
        )

    def _paper(self, row: Work) -> Paper:
        return Paper(row.options.get("paper_size") or self._settings.faxmax.account_or_default(row.account).paper_size)
