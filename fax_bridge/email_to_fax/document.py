"""The parts of a read mail become one PDF, and its body the text of a cover.

All or nothing: if one part cannot be faxed, the mail is refused whole. The outcome carries a fate for every
part either way, so that the report can show them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fax_bridge.documents.worker import Built, Documents, PartKind, SourcePart
from fax_bridge.email_to_fax.body import Body, BodyRefused, says_something, settled_bodies, shows_others
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.unpack import unpacked
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
    mail = await unpacked(mail, documents)
    refused = [part for part in mail.parts if part.plan == Plan.REFUSED]
    if refused:
        return Unfaxable(refused[0].reason, refused[0].name or refused[0].content_type, _fates(mail))
    try:
        mail, bodies = await settled_bodies(mail, documents)
    except BodyRefused as refused_body:
        return _refuse_body(mail, refused_body)
    fates = {part.section: _planned(part, bodies) for part in mail.parts}
    sources = _sources(mail, bodies)
    built = Built(b"", ())
    if sources:
        try:
            built = await documents.build([source.part for source in sources], paper=paper)
        except DocumentRefused as refusal:
            source = sources[min(max(refusal.part, 0), len(sources) - 1)]
            for section in source.sections:
                fates[section] = _refused(fates[section], refusal)
            return Unfaxable(
                refusal.reason, source.part.name or fates[source.sections[0]].content_type, tuple(fates.values())
            )
    _number_pages(fates, sources, built)
    if not sum(built.pages):
        return await _body_alone(mail, bodies[TOP], fates, documents, paper)
    body = bodies[TOP].html if says_something(bodies[TOP].html) else None
    if body is not None and bodies[TOP].pictures:
        body = await documents.clean_html(body)
        for part in mail.parts:
            if part.plan == Plan.PICTURE and part.message == TOP:
                fates[part.section] = replace(
                    fates[part.section], kind=FateKind.LEFT_OUT, reason="cover_has_no_pictures"
                )
        body = body if says_something(body) else None
    return _prepared(built, fates, body)


@dataclass(frozen=True, slots=True)
class _Source:
    """What becomes pages together: one attachment, or the body parts of a forwarded message."""

    part: SourcePart
    sections: tuple[str, ...]


def _sources(mail: ReadMail, bodies: Mapping[str, Body]) -> list[_Source]:
    found: list[_Source] = []
    begun = {TOP}
    for part in mail.parts:
        if part.plan == Plan.SOURCE and part.kind is not None:
            source = SourcePart(part.kind, part.name, part.data, decoration=part.decoration)
            found.append(_Source(source, (part.section,)))
        elif part.plan == Plan.BODY and part.message not in begun:
            begun.add(part.message)
            body = bodies[part.message]
            if says_something(body.html):
                page = mail.letterheads.get(part.message, "") + body.html
                source = SourcePart(PartKind.HTML, part.name, page.encode(), images=mail.pictures_of(part.message))
                found.append(_Source(source, tuple(each.section for each in mail.bodies_of(part.message))))
    return found


async def _body_alone(
    mail: ReadMail, body: Body, fates: dict[str, Fate], documents: Documents, paper: Paper
) -> Prepared | Unfaxable:
    """A mail with only a body: the body is the document, and there is no cover."""
    if not says_something(body.html):
        return Unfaxable("empty_mail", "", tuple(fates.values()))
    source = SourcePart(PartKind.HTML, "", body.html.encode(), images=mail.pictures_of(TOP))
    try:
        built = await documents.build([source], paper=paper)
    except DocumentRefused as refusal:
        return _refuse_body(mail, BodyRefused(TOP, refusal))
    for part in mail.bodies_of(TOP):
        fates[part.section] = replace(
            fates[part.section], kind=FateKind.FAXED, first_page=1, last_page=sum(built.pages)
        )
    return _prepared(built, fates, None)


def _prepared(built: Built, fates: dict[str, Fate], cover_body: str | None) -> Prepared:
    digest = hashlib.sha256(built.pdf).hexdigest()
    return Prepared(built.pdf, digest, sum(built.pages), tuple(fates.values()), cover_body)


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
    return Fate(part.section, part.name, part.content_type, len(part.data), kind, reason=reason, detail=part.detail)


def _number_pages(fates: dict[str, Fate], sources: Sequence[_Source], built: Built) -> None:
    first = 1
    for source, count, left_out in zip(sources, built.pages, built.left_out, strict=True):
        for section in source.sections:
            if left_out:
                fates[section] = replace(fates[section], kind=FateKind.LEFT_OUT, reason=left_out)
            else:
                fates[section] = replace(fates[section], first_page=first, last_page=first + count - 1)
        first += count


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
