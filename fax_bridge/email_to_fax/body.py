"""The text of a mail, and of each mail forwarded in it: which wording is used, and what it really shows.

What a body seems to show is not trusted. Only a picture that is left in the cleaned text is a picture of the
text; an HTML wording in which nothing can be read gives way to the plain one.
"""

import html
import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.mail_text import text_to_html
from fax_bridge.email_to_fax.own_mail import without_quoted
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
    cut: bool = False
    """Whether a quoted mail of ours was cut from it."""
    cut_pictures: frozenset[str] = frozenset()


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
    quotes_ours = mail.answers_ours and message == TOP
    cut = False
    if quotes_ours:
        mail, cut = _without_quoted_text(mail)
    wording = mail.body_of(message)
    if not wording:
        return Body(cut=cut)
    cleaned = await documents.clean_mail(wording, without_quoted=quotes_ours)
    shown = frozenset(unquote(html.unescape(name)) for name in _CID.findall(cleaned.html))
    gone = frozenset(unquote(name) for name in cleaned.cut_pictures)
    return Body(cleaned.html, shown, cut or cleaned.cut, gone)


def _without_quoted_text(mail: ReadMail) -> tuple[ReadMail, bool]:
    found = False

    def cut(part: MailPart) -> MailPart:
        nonlocal found
        if part.plan != Plan.BODY or part.message != TOP or part.content_type != "text/plain":
            return part
        text, was_cut = without_quoted(part.text)
        found = found or was_cut
        return replace(part, html=text_to_html(text)) if was_cut else part

    return replace(mail, parts=tuple(map(cut, mail.parts))), found


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
