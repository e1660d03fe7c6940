"""The parts of a read mail become one PDF, and its body the text of a cover.

All or nothing: if one part cannot be faxed, the mail is refused whole. The outcome carries a fate for every
part either way, so that the report can show them.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
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
from fax_bridge.email_to_fax.skip import may_skip, without_skipped
from fax_bridge.email_to_fax.unpack import unpacked
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import CoverPolicy, Fate, FateKind, PageFacts, Paper, Resolution, SkipKind

_MOST_SKIPPED = 20
"""Files that are tried and then left out."""


@dataclass(frozen=True, slots=True)
class Prepared:
    pdf: bytes
    sha256: str
    pages: int
    fates: tuple[Fate, ...]
    cover_body: str | None
    """Cleaned HTML for the cover, empty for one without words; ``None``: this fax has no cover."""
    facts: tuple[PageFacts, ...] = ()
    """Of the first pages, in order."""


def without_cover(made: Prepared) -> Prepared:
    """The same, where nobody is to get the cover: what would stand on it is left out, as its sender wishes."""
    fates = (
        replace(fate, kind=FateKind.LEFT_OUT, reason="cover_off") if fate.kind == FateKind.COVER else fate
        for fate in made.fates
    )
    return replace(made, cover_body=None, fates=tuple(fates))


async def with_readable_cover(made: Prepared, mail: ReadMail, documents: Documents) -> "Prepared | Unfaxable":
    """The same, where the cover is to be rendered here: letters that no font has refuse it as they do in a document."""
    if made.cover_body is None:
        return made
    try:
        boxes = await documents.boxes_in(" ".join((made.cover_body, mail.subject, mail.from_name, mail.from_address)))
    except DocumentRefused as refusal:
        return Unfaxable(refusal.reason, refusal.detail, made.fates)
    if not boxes:
        return made
    fates = (replace(fate, boxes=boxes) if fate.kind == FateKind.COVER else fate for fate in made.fates)
    return replace(made, fates=tuple(fates))


@dataclass(frozen=True, slots=True)
class Unfaxable:
    """Why the mail cannot be faxed whole: the first refused part's reason, and the fate of all."""

    reason: str
    detail: str
    fates: tuple[Fate, ...]


@dataclass(frozen=True, slots=True)
class CoverRule:
    policy: CoverPolicy = CoverPolicy.WITH_TEXT
    max_bytes: int = 32_768
    """Of the text as cleaned HTML; a longer one becomes pages of the document."""

    def takes(self, text: str) -> bool:
        """Whether the text of a mail with attachments goes on the cover."""
        return self.policy in {CoverPolicy.WITH_TEXT, CoverPolicy.ALWAYS} and len(text.encode()) <= self.max_bytes


DEFAULT_COVER = CoverRule()


async def prepare(
    mail: ReadMail,
    documents: Documents,
    *,
    paper: Paper,
    resolution: Resolution = Resolution.FINE,
    cover: CoverRule = DEFAULT_COVER,
    skip: Collection[SkipKind] = (),
    max_pages: int = 0,
) -> Prepared | Unfaxable:
    """Build the document. Raises nothing for a bad mail; that is :class:`Unfaxable`.

    ``skip``: kinds of part that it may go without. ``max_pages``: those it may have, 0 for any number.
    """
    mail = without_skipped(await unpacked(mail, documents), skip)
    refused = [part for part in mail.parts if part.plan == Plan.REFUSED]
    if refused:
        return Unfaxable(refused[0].reason, refused[0].name or refused[0].content_type, planned(mail))
    try:
        mail, bodies = await settled_bodies(mail, documents)
    except BodyRefused as refused_body:
        return _refuse_body(mail, refused_body)
    fates = {part.section: _planned(part, bodies) for part in mail.parts}
    try:
        text = bodies[TOP]
        on_cover = cover.takes(text.html)
        sources = _sources(mail, bodies, on_cover=on_cover)
        made = await _built_without_skipped(sources, fates, documents, (paper, resolution), skip)
        text_alone = not made.pdf
        if not made.pdf:  # only a text, or one with nothing but a signature's logos beside it: that is the document
            if not says_something(text.html):
                return Unfaxable("empty_mail", "", tuple(fates.values()))
            made = await _built([_body_source(mail, TOP, text.html)], fates, documents, (paper, resolution))
    except _SourceRefused as refused_source:
        return refused_source.outcome
    if max_pages and sum(made.pages) > max_pages:
        return Unfaxable("page_limit", f"{sum(made.pages)} > {max_pages}", tuple(fates.values()))
    words = _cover_body(mail, text, fates)
    if words is None and _wordless(cover.policy, text_alone=text_alone or not _has_others(mail, fates)):
        words = ""
    return _prepared(made, fates, words)


def _wordless(policy: CoverPolicy, *, text_alone: bool) -> bool:
    """Whether a fax whose text is not on a cover gets one without words."""
    return policy == CoverPolicy.ALWAYS or (policy == CoverPolicy.ONLY_WITHOUT_ATTACHMENT and text_alone)


def _has_others(mail: ReadMail, fates: Mapping[str, Fate]) -> bool:
    """Whether anything but the mail's own text became pages."""
    own = {part.section for part in mail.bodies_of(TOP)}
    return any(fate.kind == FateKind.FAXED and section not in own for section, fate in fates.items())


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
    is_body: bool = False
    """A message's text, and no file."""


class _SourceRefused(Exception):
    def __init__(self, outcome: Unfaxable) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def _sources(mail: ReadMail, bodies: Mapping[str, Body], *, on_cover: bool) -> list[_Source]:
    """Attachments and forwarded texts, in the order of the mail.

    The mail's own text is among them where it is not meant for the cover, and where it shows pictures: it goes on the
    cover, which can hold none, only if they are no larger than a signature's.
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
            may_be_cover = part.message == TOP and on_cover
            if body.pictures if may_be_cover else says_something(body.html):
                found.append(_body_source(mail, part.message, body.html, decoration=may_be_cover))
    return found


def _body_source(mail: ReadMail, message: str, html: str, *, decoration: bool = False) -> _Source:
    page = mail.letterheads.get(message, "") + html
    part = SourcePart(PartKind.HTML, "", page.encode(), images=mail.pictures_of(message), decoration=decoration)
    return _Source(part, tuple(part.section for part in mail.bodies_of(message)), is_body=True)


async def _built_without_skipped(
    sources: Sequence[_Source],
    fates: dict[str, Fate],
    documents: Documents,
    drawn_for: tuple[Paper, Resolution],
    skip: Collection[SkipKind],
) -> Built:
    """Build; where a file is refused that the mail may go without, build anew without it.

    Each turn costs what was built before the file again, so only so many are tried: a mail of broken files is refused.
    """
    for _ in range(_MOST_SKIPPED):
        try:
            return await _built(sources, fates, documents, drawn_for)
        except _SourceRefused as refused:
            one = next((source for source in sources if fates[source.sections[0]].kind == FateKind.REFUSED), None)
            if one is None or one.is_body or not may_skip(refused.outcome.reason, skip):
                raise
            for section in one.sections:
                fates[section] = replace(fates[section], kind=FateKind.SKIPPED)
            sources = [source for source in sources if source is not one]
    return await _built(sources, fates, documents, drawn_for)


async def _built(
    sources: Sequence[_Source], fates: dict[str, Fate], documents: Documents, drawn_for: tuple[Paper, Resolution]
) -> Built:
    """Build, and enter the pages of each part into its fate. Raises :class:`_SourceRefused`."""
    if not sources:
        return Built(b"", ())
    paper, resolution = drawn_for
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
    Plan.LIST: FateKind.LIST,
    Plan.LEFT_OUT: FateKind.LEFT_OUT,
    Plan.SKIPPED: FateKind.SKIPPED,
    Plan.REFUSED: FateKind.REFUSED,
}


def _planned(part: MailPart, bodies: Mapping[str, Body] = MappingProxyType({})) -> Fate:
    kind, reason = _PLANNED[part.plan], part.reason
    body = bodies.get(part.message)
    if part.plan == Plan.BODY and body is not None:
        if not says_something(body.html):
            kind, reason = FateKind.LEFT_OUT, body.cut or "empty_body"
        elif part.message != TOP:
            kind = FateKind.FAXED
        if kind != FateKind.LEFT_OUT:
            reason = f"without_{body.cut}" if body.cut else "body_pictures" if shows_others(part.html) else ""
    if part.plan == Plan.SOURCE and part.kind == PartKind.HTML:
        page, _ = without_embedded(part.data.decode("latin-1"), "page")  # as the worker does
        reason = "body_pictures" if shows_others(page) else ""
    return Fate(part.section, part.name, part.content_type, len(part.data), kind, reason=reason, detail=part.detail)


def _refused(fate: Fate, refusal: DocumentRefused) -> Fate:
    return replace(fate, kind=FateKind.REFUSED, reason=refusal.reason, detail=refusal.detail)


def planned(mail: ReadMail) -> tuple[Fate, ...]:
    """The fates before anything is built."""
    return tuple(_planned(part) for part in mail.parts)


def _refuse_body(mail: ReadMail, refused: BodyRefused) -> Unfaxable:
    fates = (
        _refused(_planned(part), refused.why)
        if part.plan == Plan.BODY and part.message == refused.message
        else _planned(part)
        for part in mail.parts
    )
    return Unfaxable(refused.why.reason, "", tuple(fates))
