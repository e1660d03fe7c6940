"""The cover of one fax: the mail's body in the template, with this recipient's number on it.

FaxMAX renders it in front of the document, or it is rendered here and is the document's first page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from markupsafe import Markup

from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.fax import Instant, Language, Paper, Resolution
from fax_bridge.mail.words import Words

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on the cover of one fax; ``of_mail`` is the same for all faxes of a mail."""

    of_mail: Mapping[str, str]
    """``body`` (clean HTML, perhaps empty), ``subject``, ``from_name``, ``from_address``, ``template``."""
    to: str
    """The number as people write it, or what else it goes to."""
    at: Instant
    language: Language
    timezone: str

    def html(self, words: Words, pages: int) -> str:
        """``pages`` are all of the fax, this one too."""
        name = self.of_mail.get("template") or DEFAULT
        when = datetime.fromtimestamp(self.at / 1000, ZoneInfo(self.timezone))
        return words.cover(
            name if words.has_cover(name) else DEFAULT,  # one that was there when the mail came
            to_number=self.to,
            from_name=self.of_mail.get("from_name", ""),
            from_address=self.of_mail.get("from_address", ""),
            date=format_datetime(when, "d MMMM y HH:mm", locale=str(self.language)),
            subject=self.of_mail.get("subject", ""),
            pages=pages,
            body=Markup(self.of_mail["body"]),  # noqa: S704 — cleaned in the worker before it was stored
            lang=str(self.language),
        )


async def with_cover_page(
    cover: Cover,
    document: bytes,
    *,
    pages: int,
    words: Words,
    documents: Documents,
    paper: Paper,
    dots: Resolution | None = None,
) -> bytes:
    """The document of so many pages behind its rendered cover, which is one page, or as many as its text takes.

    ``dots``: the cover too is drawn as the dots of a fax of that resolution.

    Raises :class:`DocumentRefused` and :class:`Temporary` as all documents do.
    """
    behind = SourcePart(PartKind.PDF, "", document)
    covers = 1
    while True:
        page = await documents.html_to_pdf(cover.html(words, pages + covers), paper=paper)
        if dots is not None:
            page = (await documents.raster_pdf(page, resolution=dots, paper=paper)).pdf
        built = await documents.build([SourcePart(PartKind.PDF, "cover", page), behind], paper=paper)
        if built.pages[0] <= covers:  # what it says of the pages is true
            return built.pdf
        covers = built.pages[0]
