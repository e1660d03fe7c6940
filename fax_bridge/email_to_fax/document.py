"""The parts of a read mail become one PDF, and its body the text of a cover.

All or nothing: if one part cannot be faxed, the mail is refused whole. The outcome carries a fate for every
part either way, so that the report can show them.
"""

import hashlib
import html
import re
from dataclasses import dataclass, replace

from fax_bridge.documents.worker import Built, Documents, PartKind, SourcePart
from fax_bridge.email_to_fax.read import MailPart, Plan, ReadMail
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Fate, FateKind, Paper


@dataclass(frozen=True, slots=True)
class Prepared:
    pdf: bytes
    sha256: str
    pages: int
    fates: tuple[Fate, ...]
    cover_body: str | None
    """Cleaned HTML for the cover; ``None``: this fax has no cover."""


@dataclass(frozen=True, slots=True)
class Unfaxable:
    """Why the mail cannot be faxed whole: the first refused part's reason, and the fate of all."""

    reason: str
    detail: str
    fates: tuple[Fate, ...]


async def prepare(mail: ReadMail, documents: Documents, *, paper: Paper) -> Prepared | Unfaxable:
    """Build the document. Raises nothing for a bad mail; that is :class:`Unfaxable`."""
    fates = {part.section: _planned(part) for part in mail.parts}
    refused = [fate for fate in fates.values() if fate.kind == FateKind.REFUSED]
    if refused:
        return Unfaxable(refused[0].reason, refused[0].name or refused[0].content_type, tuple(fates.values()))
    pages = [part for part in mail.parts if part.plan == Plan.SOURCE]
    try:
        body = await documents.clean_html(mail.body, images=not pages) if mail.body else ""
    except DocumentRefused as refusal:
        return _refuse_body(mail, fates, refusal)
    body = body if _says_something(body) else ""
    if not pages:
        return await _body_alone(mail, body, fates, documents, paper)
    try:
        built = await documents.build([_source(part) for part in pages], paper=paper)
    except DocumentRefused as refusal:
        part = pages[min(max(refusal.part, 0), len(pages) - 1)]
        fates[part.section] = _refused(fates[part.section], refusal)
        return Unfaxable(refusal.reason, part.name or part.content_type, tuple(fates.values()))
    _number_pages(fates, pages, built)
    for part in mail.parts:
        if part.plan == Plan.PICTURE:
            fates[part.section] = replace(fates[part.section], kind=FateKind.LEFT_OUT, reason="cover_has_no_pictures")
        elif part.plan == Plan.BODY and not body:
            fates[part.section] = replace(fates[part.section], kind=FateKind.LEFT_OUT, reason="empty_body")
    return _prepared(built, fates, body or None)


async def _body_alone(
    mail: ReadMail, body: str, fates: dict[str, Fate], documents: Documents, paper: Paper
) -> Prepared | Unfaxable:
    """A mail with only a body: the body is the document, and there is no cover."""
    shown = re.findall(r"cid:([^\"'\s)>]+)", body, re.IGNORECASE)
    if not body:
        return Unfaxable("empty_mail", "", tuple(fates.values()))
    pictures = {name: data for name, data in mail.pictures.items() if name in shown}
    source = SourcePart(kind=PartKind.HTML, name="", data=body.encode(), images=pictures)
    try:
        built = await documents.build([source], paper=paper)
    except DocumentRefused as refusal:
        return _refuse_body(mail, fates, refusal)
    for part in mail.parts:
        if part.plan == Plan.BODY:
            fates[part.section] = replace(
                fates[part.section], kind=FateKind.FAXED, first_page=1, last_page=sum(built.pages)
            )
        elif part.plan == Plan.PICTURE:
            fates[part.section] = replace(fates[part.section], kind=FateKind.INLINED)
    return _prepared(built, fates, None)


def _prepared(built: Built, fates: dict[str, Fate], cover_body: str | None) -> Prepared:
    digest = hashlib.sha256(built.pdf).hexdigest()
    return Prepared(built.pdf, digest, sum(built.pages), tuple(fates.values()), cover_body)


def _source(part: MailPart) -> SourcePart:
    if part.kind is None:
        raise ValueError(f"part {part.section} has no kind")
    return SourcePart(kind=part.kind, name=part.name, data=part.data)


_PLANNED = {
    Plan.BODY: FateKind.COVER,
    Plan.SOURCE: FateKind.FAXED,
    Plan.PICTURE: FateKind.INLINED,
    Plan.LEFT_OUT: FateKind.LEFT_OUT,
    Plan.REFUSED: FateKind.REFUSED,
}


def _planned(part: MailPart) -> Fate:
    return Fate(part.section, part.name, part.content_type, len(part.data), _PLANNED[part.plan], reason=part.reason)


def _number_pages(fates: dict[str, Fate], pages: list[MailPart], built: Built) -> None:
    first = 1
    for part, count in zip(pages, built.pages, strict=True):
        fates[part.section] = replace(fates[part.section], first_page=first, last_page=first + count - 1)
        first += count


def _refused(fate: Fate, refusal: DocumentRefused) -> Fate:
    return replace(fate, kind=FateKind.REFUSED, reason=refusal.reason, detail=refusal.detail)


def _refuse_body(mail: ReadMail, fates: dict[str, Fate], refusal: DocumentRefused) -> Unfaxable:
    for part in mail.parts:
        if part.plan == Plan.BODY:
            fates[part.section] = _refused(fates[part.section], refusal)
    return Unfaxable(refusal.reason, "", tuple(fates.values()))


def _says_something(fragment: str) -> bool:
    """Whether a person would see anything: a letter, or a picture."""
    if "<img" in fragment:
        return True
    visible = re.sub(r"<style\b.*?</style>|<[^>]*>", " ", fragment, flags=re.DOTALL)
    return bool(html.unescape(visible).strip(" \t\r\n\u00a0\u200b\ufeff"))
