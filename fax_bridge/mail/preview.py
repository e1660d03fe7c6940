"""The answer to ``preview+NUMBER@domain``: what the mail would become, shown before anything is sent."""

from dataclasses import dataclass
from email.message import EmailMessage

from fax_bridge.fax import Fate, Instant, Language, PageFacts, Paper, Resolution
from fax_bridge.mail.frame import alternatives, automatic, framed, parsed
from fax_bridge.mail.headers import line, mailboxes, message_ids, unstructured
from fax_bridge.mail.letters import DEFAULT_ZONE
from fax_bridge.mail.outcome import part_view, reason, told_of
from fax_bridge.mail.page_warnings import page_warnings
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words

MOST_ATTACHED = 15_000_000
"""Bytes of PDF in one mail: in base64 some 21 MB, which nearly every mail server takes."""


@dataclass(frozen=True, slots=True)
class PreviewRecipient:
    """Who would get the fax: ``number`` in E.164 digits, ``send_at`` where it would wait until then."""

    number: str
    recipients: tuple[str, ...]
    send_at: Instant | None = None
    target: str = ""
    """Where there is no number (:class:`fax_bridge.fax.TargetKind`)."""
    covered: bool = True
    """Whether it gets the cover, where the fax has one."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What one mail would become, for the sender who asked.

    ``refused`` is the reason's word, perhaps with a detail behind a colon, where it would not be faxed at all; then
    there is no ``pdf``. ``covered``: a cover goes before the ``pages``, whether it could be drawn (``cover``, a PDF) or
    not. ``pictures`` are PNGs, of the cover and the first pages.
    """

    message_id: str
    to: str
    subject: str
    recipients: tuple[PreviewRecipient, ...]
    resolution: Resolution = Resolution.FINE
    paper: Paper = Paper.A4
    refused: str = ""
    pages: int = 0
    covered: bool = False
    pdf: bytes | None = None
    cover: bytes | None = None
    pictures: tuple[bytes, ...] = ()
    fates: tuple[Fate, ...] = ()
    original_message_id: str = ""
    references: str = ""
    facts: tuple[PageFacts, ...] = ()
    """Of the first pages of the document, in order."""
    document_sha256: str = ""
    language: Language = Language.TR
    timezone: str = DEFAULT_ZONE


def preview_mail(preview: Preview, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """``sender`` is the From header's value, ``message_id`` stands in angle brackets. Raises :class:`ValueError`
    where one of them is none.
    """
    shown = Shown(preview.language, preview.timezone)
    files, too_large = _files(preview, words)
    pictures = [f"page-{number}@fax-bridge" for number, _ in enumerate(preview.pictures, 1)]
    refused = reason(preview.refused, words, preview.language) if preview.refused else ""
    how = "refused" if refused else "shown"
    rendered = words.render(
        "preview",
        preview.language,
        headline=words.phrase(preview.language, f"preview.{how}"),
        tone="bad" if refused else "good",
        refused=refused,
        recipients=_recipients(preview, words, shown),
        subject=line(preview.subject, 120),
        pages=_pages(preview, words, shown),
        to_send=_to_send(preview, words, shown),
        duration=_duration(preview, words, shown),
        warnings=page_warnings(preview.facts, words, preview.language),
        resolution=words.phrase(preview.language, f"resolution.{preview.resolution}"),
        paper=line(preview.paper),
        parts=tuple(part_view(fate, words, shown, made=preview.pages > 0) for fate in preview.fates),
        files=[name for name, _ in files],
        too_large=too_large,
        pictures=pictures,
        message_id=line(preview.message_id),
        document_sha256=line(preview.document_sha256),
        zone=shown.zone(),
    )
    body = alternatives(rendered)
    _show(body, pictures, preview.pictures)
    for name, data in files:
        body.add_attachment(data, "application", "pdf", filename=name)
    headers = [
        mailboxes("From", [parsed(sender)]),
        mailboxes("To", [("", preview.to)]),
        unstructured("Subject", rendered.subject),
        message_ids("In-Reply-To", [preview.original_message_id]),
        message_ids("References", [preview.references, preview.original_message_id]),
        *automatic("auto-replied", preview.message_id),
    ]
    return framed(headers, body, shown, message_id, date)


def _show(body: EmailMessage, names: list[str], pictures: tuple[bytes, ...]) -> None:
    _, html = body.iter_parts()
    for number, (name, picture) in enumerate(zip(names, pictures, strict=True), 1):
        html.add_related(picture, "image", "png", cid=f"<{name}>", filename=f"{number}.png", disposition="inline")


def _files(preview: Preview, words: Words) -> tuple[list[tuple[str, bytes]], bool]:
    """The PDFs by their names, and whether they are too much for one mail, which then goes without them."""
    named = (("document", preview.pdf), ("cover", preview.cover))
    files = [(f"{words.phrase(preview.language, f'preview.{what}')}.pdf", data) for what, data in named if data]
    if sum(len(data) for _, data in files) > MOST_ATTACHED:
        return [], True
    return files, False


def _recipients(preview: Preview, words: Words, shown: Shown) -> list[dict[str, str]]:
    return [
        {
            "number": told_of(one.number, one.target, words, shown.language),
            "addresses": ", ".join([*(line(address, 320) for address in one.recipients), *_bare(preview, one, words)]),
            "send_at": shown.when(one.send_at),
        }
        for one in preview.recipients
    ]


def _bare(preview: Preview, one: PreviewRecipient, words: Words) -> list[str]:
    return [words.phrase(preview.language, "preview.without")] if preview.covered and not one.covered else []


def _pages(preview: Preview, words: Words, shown: Shown) -> str:
    if not preview.pages:
        return ""
    kind = "with_cover" if preview.covered else "without_cover"
    return words.phrase(shown.language, f"preview.{kind}", n=shown.count(preview.pages))


def _to_send(preview: Preview, words: Words, shown: Shown) -> str:
    """Sheets over all recipients, which is what a fax costs; empty where that is the same as the pages."""
    covers = sum(one.covered for one in preview.recipients) if preview.covered else 0
    sheets = preview.pages * len(preview.recipients) + covers
    if not preview.pages or len(preview.recipients) < 2:
        return ""
    many = shown.count(len(preview.recipients))
    return words.phrase(shown.language, "preview.in_all", n=shown.count(sheets), recipients=many)


def _duration(preview: Preview, words: Words, shown: Shown) -> str:
    """How long one fax takes on the line, without its cover; empty where that was reckoned of some pages only."""
    if not preview.facts or len(preview.facts) < preview.pages:
        return ""
    minutes = max(1, round(sum(page.seconds for page in preview.facts) / 60))
    return words.phrase(shown.language, "preview.duration", minutes=shown.count(minutes))
