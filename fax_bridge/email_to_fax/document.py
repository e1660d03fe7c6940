"""The parts of a read mail become one PDF, and its body the text of a cover.

All or nothing: if one part cannot be faxed, the mail is refused whole. The outcome carries a fate for every
part either way, so that the report can show them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fax_bridge.documents.embedded import without_embedded
from fax_bridge.documents.worker import Built, Documents, PartKind, SourcePart
from fax_bridge.email_to_fax.body import (
    Body,
    BodyRefused,
    says_something,
    settled_bodies,
    shows_others,
    without_pictures,
)
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.unpack import unpacked
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Fate, FateKind, PageFacts, Paper, Resolution


@dataclass(frozen=True, slots=True)
class Prepared:
    pdf: bytes
    sha256: str
    pages: int
    fates: tuple[Fate, ...]
    cover_body: str | None
    """Cleaned HTML for the cover; ``None``: this fax has no cover."""
    facts: tuple[PageFacts, ...] = ()
    """Of the first pages, in order."""


@dataclass(frozen=True, slots=True)
class Unfaxable:
    """Why the mail cannot be faxed whole: the first refused part's reason, and the fate of all."""

    reason: str
    detail: str
    fates: tuple[Fate, ...]


async def prepare(
    mail: ReadMail, documents: Documents, *, paper: Paper, resolution: Resolution = Resolution.FINE
) -> Prepared | Unfaxable:
    """Build the document. Raises nothing for a bad mail; that is :class:`Unfaxable`."""
    mail = await unpacked(mail, documents)
    refused = [part for part in mail.parts if part.plan == Plan.REFUSED]
    if refused:
        return Unfaxable(refused[0].reason, refused[0].name or refused[0].content_type, _fates(mail))
    try:
        mail, bodies = await settled_bodies(mail, documents)
    except BodyRefused as refused_body:
        return _refuse_body(mail, refused_body)
    fates = {part.section: _planned(part, bodies) for part in mail.parts}
    try:
        made = await _built(_sources(mail, bodies), fates, documents, paper, resolution)
        text = bodies[TOP]
        if not made.pdf:  # only a text, or one with nothing but a signature's logos beside it: that is the document
            if not says_something(text.html):
                return Unfaxable("empty_mail", "", tuple(fates.values()))
            made = await _built([_body_source(mail, TOP, text.html)], fates, documents, paper, resolution)
    except _SourceRefused as refused_source:
        return refused_source.outcome
    return _prepared(made, fates, _cover_body(mail, text, fates))


def _cover_body(mail: ReadMail, text: Body, fates: dict[str, Fate]) -> str | None:
    """The text for the cover, which holds no pictures; ``None`` where the text is in the document, or says nothing."""
    own = [part.section for part in mail.bodies_of(TOP)]
    if not own or any(fates[section].kind == FateKind.FAXED for section in own):
        return None
    for part in mail.parts:
        if part.plan == Plan.PICTURE and part.message == TOP:
            fates[part.section] = replace(fates[part.section], kind=FateKind.LEFT_OUT, reason="cover_has_no_pictures")
    cover = without_pictures(text.html)
    if says_something(cover):
        return cover
    for section in own:
        fates[section] = replace(fates[section], kind=FateKind.LEFT_OUT, reason=fates[section].reason or "empty_body")
    return None


@dataclass(frozen=True, slots=True)
class _Source:
    """What becomes pages together: one attachment, or the body parts of one message."""

    part: SourcePart
    sections: tuple[str, ...]


class _SourceRefused(Exception):
    def __init__(self, outcome: Unfaxable) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def _sources(mail: ReadMail, bodies: Mapping[str, Body]) -> list[_Source]:
    """Attachments and forwarded texts, in the order of the mail.

    The mail's own text is among them where it shows pictures: it goes on the cover, which can hold none, only if
    they are no larger than a signature's.
    """
    found: list[_Source] = []
    begun: set[str] = set()
    for part in mail.parts:
        if part.plan == Plan.SOURCE and part.kind is not None:
            source = SourcePart(part.kind, part.name, part.data, decoration=part.decoration)
            found.append(_Source(source, (part.section,)))
        elif part.plan == Plan.BODY and part.message not in begun:
            begun.add(part.message)
            body = bodies[part.message]
            if body.pictures if part.message == TOP else says_something(body.html):
                found.append(_body_source(mail, part.message, body.html, decoration=part.message == TOP))
    return found


def _body_source(mail: ReadMail, message: str, html: str, *, decoration: bool = False) -> _Source:
    page = mail.letterheads.get(message, "") + html
    part = SourcePart(PartKind.HTML, "", page.encode(), images=mail.pictures_of(message), decoration=decoration)
    return _Source(part, tuple(part.section for part in mail.bodies_of(message)))


async def _built(
    sources: Sequence[_Source], fates: dict[str, Fate], documents: Documents, paper: Paper, resolution: Resolution
) -> Built:
    """Build, and enter the pages of each part into its fate. Raises :class:`_SourceRefused`."""
    if not sources:
        return Built(b"", ())
    try:
        built = await documents.build([source.part for source in sources], paper=paper, resolution=resolution)
    except DocumentRefused as refusal:
        source = sources[min(max(refusal.part, 0), len(sources) - 1)]
        for section in source.sections:
            fates[section] = _refused(fates[section], refusal)
        name = source.part.name or ("" if source.part.kind == PartKind.HTML else fates[source.sections[0]].content_type)
        raise _SourceRefused(Unfaxable(refusal.reason, name, tuple(fates.values()))) from refusal
    first = 1
    for source, count, left_out, boxes in zip(sources, built.pages, built.left_out, built.boxes, strict=True):
        for section in source.sections:
            if count:
                fates[section] = replace(
                    fates[section], kind=FateKind.FAXED, first_page=first, last_page=first + count - 1, boxes=boxes
                )
            elif left_out and left_out != "text_for_cover":
                fates[section] = replace(fates[section], kind=FateKind.LEFT_OUT, reason=left_out)
        first += count
    return built


def _prepared(built: Built, fates: dict[str, Fate], cover_body: str | None) -> Prepared:
    digest = hashlib.sha256(built.pdf).hexdigest()
    return Prepared(built.pdf, digest, sum(built.pages), tuple(fates.values()), cover_body, built.facts)


_PLANNED = {
    Plan.BODY: FateKind.COVER,
    Plan.SOURCE: FateKind.FAXED,
    Plan.PACKED: FateKind.FAXED,
    Plan.PICTURE: FateKind.INLINED,
    Plan.LEFT_OUT: FateKind.LEFT_OUT,
    Plan.REFUSED: FateKind.REFUSED,
}


def _planned(part: MailPart, bodies: Mapping[str, Body] = MappingProxyType({})) -> Fate:
    kind, reason = _PLANNED[part.plan], part.reason
    body = bodies.get(part.message)
    if part.plan == Plan.BODY and body is not None:
        if not says_something(body.html):
            kind, reason = FateKind.LEFT_OUT, "quoted_original" if body.cut else "empty_body"
        elif part.message != TOP:
            kind = FateKind.FAXED
        if kind != FateKind.LEFT_OUT:
            reason = "without_quoted_original" if body.cut else "body_pictures" if shows_others(part.html) else ""
    if part.plan == Plan.SOURCE and part.kind == PartKind.HTML:
        page, _ = without_embedded(part.data.decode("latin-1"), "page")  # as the worker does
        reason = "body_pictures" if shows_others(page) else ""
    return Fate(part.section, part.name, part.content_type, len(part.data), kind, reason=reason, detail=part.detail)


def _refused(fate: Fate, refusal: DocumentRefused) -> Fate:
    return replace(fate, kind=FateKind.REFUSED, reason=refusal.reason, detail=refusal.detail)


def _fates(mail: ReadMail) -> tuple[Fate, ...]:
    return tuple(_planned(part) for part in mail.parts)


def _refuse_body(mail: ReadMail, refused: BodyRefused) -> Unfaxable:
    fates = (
        _refused(_planned(part), refused.why)
        if part.plan == Plan.BODY and part.message == refused.message
        else _planned(part)
        for part in mail.parts
    )
    return Unfaxable(refused.why.reason, "", tuple(fates))
