"""The parts of a read mail become one PDF, and its body the text of a cover.

All or nothing: if one part cannot be faxed, the mail is refused whole. The outcome carries a fate for every
part either way, so that the report can show them.
"""

import hashlib
import html
import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

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
    refused = [_planned(part) for part in mail.parts if part.plan == Plan.REFUSED]
    if refused:
        return Unfaxable(refused[0].reason, refused[0].name or refused[0].content_type, _fates(mail))
    try:
        mail, body = await _body_of(mail, documents)
    except DocumentRefused as refusal:
        return _refuse_body(mail, refusal)
    fates = {part.section: _planned(part) for part in mail.parts}
    pages = [part for part in mail.parts if part.plan == Plan.SOURCE]
    if not pages:
        return await _body_alone(mail, body, fates, documents, paper)
    try:
        body = await documents.clean_html(body) if _CID.search(body) else body
        built = await documents.build([_source(part) for part in pages], paper=paper)
    except DocumentRefused as refusal:
        part = pages[min(max(refusal.part, 0), len(pages) - 1)]
        fates[part.section] = _refused(fates[part.section], refusal)
        return Unfaxable(refusal.reason, part.name or part.content_type, tuple(fates.values()))
    _number_pages(fates, pages, built)
    for part in mail.parts:
        if part.plan == Plan.PICTURE:
            fates[part.section] = replace(fates[part.section], kind=FateKind.LEFT_OUT, reason="cover_has_no_pictures")
        elif part.plan == Plan.BODY and not _says_something(body):
            fates[part.section] = replace(fates[part.section], kind=FateKind.LEFT_OUT, reason="empty_body")
    return _prepared(built, fates, body if _says_something(body) else None)


_CID = re.compile(r"""<img\b[^>]*\bsrc=["']?cid:([^"'\s>]+)""", re.IGNORECASE)


async def _body_of(mail: ReadMail, documents: Documents) -> tuple[ReadMail, str]:
    """The cleaned body, and the mail with the plans that follow from what the body really shows.

    Only a picture that is left in the cleaned body is a picture of the body; an HTML wording in which nothing
    can be read gives way to the plain one. Raises :class:`DocumentRefused`.
    """
    body = await documents.clean_html(mail.body, images=True) if mail.body else ""
    if not _says_something(body):
        plain = mail.in_plain_words()
        if plain.body:
            mail, body = plain, await documents.clean_html(plain.body)
    shown = {unquote(html.unescape(name)) for name in _CID.findall(body)}
    return mail.showing(shown), body


async def _body_alone(
    mail: ReadMail, body: str, fates: dict[str, Fate], documents: Documents, paper: Paper
) -> Prepared | Unfaxable:
    """A mail with only a body: the body is the document, and there is no cover."""
    if not _says_something(body):
        return Unfaxable("empty_mail", "", tuple(fates.values()))
    source = SourcePart(kind=PartKind.HTML, name="", data=body.encode(), images=mail.pictures)
    try:
        built = await documents.build([source], paper=paper)
    except DocumentRefused as refusal:
        return _refuse_body(mail, refusal)
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
    reason = part.reason
    if part.plan == Plan.BODY and _OTHER_PICTURE.search(part.html):
        reason = "body_pictures"
    return Fate(part.section, part.name, part.content_type, len(part.data), _PLANNED[part.plan], reason=reason)


_OTHER_PICTURE = re.compile(r"""<img\b[^>]*\bsrc=["']?\s*(?:https?:|//|data:)""", re.IGNORECASE)
"""A picture that is somewhere else, or written into the HTML: it is not shown, and the fate says so."""


def _number_pages(fates: dict[str, Fate], pages: list[MailPart], built: Built) -> None:
    first = 1
    for part, count in zip(pages, built.pages, strict=True):
        fates[part.section] = replace(fates[part.section], first_page=first, last_page=first + count - 1)
        first += count


def _refused(fate: Fate, refusal: DocumentRefused) -> Fate:
    return replace(fate, kind=FateKind.REFUSED, reason=refusal.reason, detail=refusal.detail)


def _fates(mail: ReadMail) -> tuple[Fate, ...]:
    return tuple(_planned(part) for part in mail.parts)


def _refuse_body(mail: ReadMail, refusal: DocumentRefused) -> Unfaxable:
    fates = (_refused(_planned(part), refusal) if part.plan == Plan.BODY else _planned(part) for part in mail.parts)
    return Unfaxable(refusal.reason, "", tuple(fates))


def _says_something(fragment: str) -> bool:
    """Whether a person would see anything: a letter, or a picture."""
    if _CID.search(fragment):
        return True
    visible = re.sub(r"<style\b.*?</style>|<[^>]*>", " ", fragment, flags=re.DOTALL)
    return bool(html.unescape(visible).strip(" \t\r\n\u00a0\u200b\ufeff"))
