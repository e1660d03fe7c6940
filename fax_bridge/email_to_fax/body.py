"""The text of a mail, and of each mail forwarded in it: which wording is used, and what it really shows.

What a body seems to show is not trusted. Only a picture that is left in the cleaned text is a picture of the
text; an HTML wording in which nothing can be read gives way to the plain one.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import unquote

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.mail_text import text_to_html
from fax_bridge.email_to_fax.own_mail import without_quoted
from fax_bridge.email_to_fax.signature import without_signature
from fax_bridge.errors import DocumentRefused

_CID = re.compile(r"""<img\b[^>]*\bsrc=["']?cid:([^"'\s>]+)""", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_OTHER_SOURCE = re.compile(r"""\bsrc\s*=\s*["']?\s*(?:https?:|//|data:)""", re.IGNORECASE)
_POINT = re.compile(r"""\b(?:width|height)\s*[=:]\s*["']?\s*[012](?:px)?\b(?![.%\d])""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Body:
    """The text of one message: cleaned HTML, empty where there is none."""

    html: str = ""
    pictures: frozenset[str] = frozenset()
    """Content-IDs that it shows."""
    cut: str = ""
    """What was cut from it, a word: ``quoted_original`` (of ours), ``quoted_thread``, ``signature``, or
    ``quoted_and_signature``."""
    cut_pictures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By their Content-IDs, why the pictures that stood in it are left out."""


class BodyRefused(Exception):
    """The body of the message in that section cannot be shown."""

    def __init__(self, message: str, why: DocumentRefused) -> None:
        super().__init__(f"{message or 'the body'}: {why}")
        self.message = message
        self.why = why


async def settled_bodies(mail: ReadMail, documents: Documents) -> tuple[ReadMail, dict[str, Body]]:
    """The bodies by their message's section, the mail's own always among them; and the plans that follow from them.

    Raises :class:`BodyRefused`.
    """
    bodies = {TOP: Body()}
    for message in dict.fromkeys(part.message for part in mail.parts if part.plan == Plan.BODY):
        try:
            mail, bodies[message] = await _settled(mail, message, documents)
        except DocumentRefused as refusal:
            raise BodyRefused(message, refusal) from refusal
    return mail, bodies


async def _settled(mail: ReadMail, message: str, documents: Documents) -> tuple[ReadMail, Body]:
    try:
        body = await _cleaned(mail, message, documents)
        reason = "" if says_something(body.html) or body.cut else "html_empty"
    except DocumentRefused as refusal:
        body, reason = Body(), refusal.reason
        if not mail.in_plain_words(message, reason).body_of(message):
            raise
    if reason:
        plain = mail.in_plain_words(message, reason)
        if plain.body_of(message):
            mail, body = plain, await _cleaned(plain, message, documents)
    return mail.showing(message, set(body.pictures), body.cut_pictures), body


async def _cleaned(mail: ReadMail, message: str, documents: Documents) -> Body:
    quoted = signature = False
    cuts_quoted, cuts_signature = mail.answers_ours or mail.cuts_threads, mail.cuts_signature
    if message != TOP:  # what is passed on is passed on whole
        cuts_quoted = cuts_signature = False
    if cuts_signature:  # first, since it stands above what is quoted
        mail, signature = _without(mail, without_signature)
    if cuts_quoted:
        mail, quoted = _without(mail, without_quoted)
    wording = mail.body_of(message)
    if not wording:
        return Body(cut=_cut_word(mail, quoted=quoted, signature=signature))
    cleaned = await documents.clean_mail(wording, without_quoted=cuts_quoted, without_signature=cuts_signature)
    word = _cut_word(mail, quoted=quoted or cleaned.quoted, signature=signature or cleaned.signature)
    shown = frozenset(unquote(html.unescape(name)) for name in _CID.findall(cleaned.html))
    reasons = {"quoted": _quoted_word(mail), "signature": "signature"}
    gone = {unquote(name): reasons[where] for name, where in cleaned.cut_pictures.items()}
    return Body(cleaned.html, shown, word, gone)


def _quoted_word(mail: ReadMail) -> str:
    return "quoted_original" if mail.answers_ours else "quoted_thread"


def _cut_word(mail: ReadMail, *, quoted: bool, signature: bool) -> str:
    if quoted and signature:
        return "quoted_and_signature"
    return _quoted_word(mail) if quoted else "signature" if signature else ""


def _without(mail: ReadMail, cut: Callable[[str], tuple[str, bool]]) -> tuple[ReadMail, bool]:
    """The mail with this cut out of its own plain texts, and whether there was any of it."""
    found = False

    def shortened(part: MailPart) -> MailPart:
        nonlocal found
        if part.plan != Plan.BODY or part.message != TOP or part.content_type != "text/plain":
            return part
        text, was_cut = cut(part.text)
        found = found or was_cut
        return replace(part, text=text, html=text_to_html(text)) if was_cut else part

    return replace(mail, parts=tuple(map(shortened, mail.parts))), found


def says_something(fragment: str) -> bool:
    """Whether a person would see anything: a letter, or a picture."""
    if _CID.search(fragment):
        return True
    visible = re.sub(r"<style\b.*?</style>|<[^>]*>", " ", fragment, flags=re.DOTALL)
    return bool(html.unescape(visible).strip(" \t\r\n\u00a0\u200b\ufeff"))


def without_pictures(fragment: str) -> str:
    """A cleaned fragment, in which no ``>`` stands within a tag, without its pictures."""
    return _IMAGE.sub("", fragment)


def shows_others(wording: str) -> bool:
    """Whether there is a picture that is somewhere else, or written into the HTML, and so is not shown.

    One of a point or two is no picture: it tells its sender that the mail was opened.
    """
    return any(_OTHER_SOURCE.search(image) and not _POINT.search(image) for image in _IMAGE.findall(wording))
