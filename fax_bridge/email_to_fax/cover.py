"""The cover of one fax: the mail's body in the template, with this recipient's number on it."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from markupsafe import Markup

from fax_bridge.fax import Instant, Language
from fax_bridge.mail.words import Words
from fax_bridge.numbers import shown


def cover_html(
    cover: Mapping[str, str],
    *,
    words: Words,
    number: str,
    pages: int,
    at: Instant,
    language: Language,
    timezone: str,
) -> str:
    """``cover`` holds ``body`` (clean HTML), ``subject``, ``from_name`` and ``from_address``.

    ``pages`` are the document's; the fax has one more, this one.
    """
    when = datetime.fromtimestamp(at / 1000, ZoneInfo(timezone))
    return words.cover(
        "default",
        to_number=shown(number),
        from_name=cover.get("from_name", ""),
        from_address=cover.get("from_address", ""),
        date=format_datetime(when, "d MMMM y HH:mm", locale=str(language)),
        subject=cover.get("subject", ""),
        pages=pages + 1,
        body=Markup(cover["body"]),  # noqa: S704 — cleaned in the worker before it was stored
        lang=str(language),
    )
