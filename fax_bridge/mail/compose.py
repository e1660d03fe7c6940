"""The mails that we write: received faxes, alerts to the operator; reports are in :mod:`fax_bridge.mail.reports`.

Pure functions to bytes. Message-ID and Date are handed in, so that the same values give the same bytes. What is said
comes from :mod:`fax_bridge.mail.words`; what stands in the values comes from outside and is made harmless here.
"""

from collections.abc import Sequence

from fax_bridge import numbers
from fax_bridge.fax import Instant
from fax_bridge.mail.frame import alternatives as _alternatives
from fax_bridge.mail.frame import automatic as _automatic
from fax_bridge.mail.frame import framed as _mail
from fax_bridge.mail.frame import parsed as _parsed
from fax_bridge.mail.headers import line, mailboxes, unstructured
from fax_bridge.mail.letters import Alert, ReceivedFax
from fax_bridge.mail.outcome import reason
from fax_bridge.mail.shown import Shown, says_more, station
from fax_bridge.mail.words import Words

__all__ = ["Alert", "ReceivedFax", "alert_mail", "received_mail"]


def received_mail(
    fax: ReceivedFax,
    words: Words,
    *,
    sender: str,
    reply_domain: str,
    to: Sequence[str],
    message_id: str,
    date: Instant,
) -> bytes:
    """A received fax as a mail from ``<caller>@<reply_domain>``, so that an answer is a fax back.

    Without a caller's number it comes from ``sender`` and says why. Raises :class:`ValueError` as above.
    """
    shown = Shown(fax.language, fax.timezone)
    reply_to = f"{fax.caller}@{reply_domain}" if fax.caller else ""
    files = _files(fax, words, shown)
    rendered = words.render(
        "received",
        fax.language,
        **_received_values(fax, words, shown),
        reply_to=reply_to,
        files=[name for name, *_ in files],
        original=next((name for name, *_, kind in files if kind == "tiff"), ""),
    )
    body = _alternatives(rendered)
    if fax.picture_png is not None:
        _, html = body.iter_parts()
        html.add_related(fax.picture_png, "image", "png", cid=f"<{PICTURE}>", filename="1.png", disposition="inline")
    for name, data, maintype, subtype in files:
        body.add_attachment(data, maintype, subtype, filename=name)
    headers = [
        mailboxes("From", [(_caller_name(fax), reply_to) if fax.caller else _parsed(sender)]),
        mailboxes("To", [("", address) for address in to]),
        unstructured("Subject", rendered.subject),
        *_automatic("auto-generated", fax.fax_id),
    ]
    return _mail(headers, body, shown, message_id, date)


def alert_mail(alert: Alert, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """A mail to the operator. Raises ``KeyError`` for a subject without phrases, ``jinja2.UndefinedError`` for
    a missing value.
    """
    shown = Shown(alert.language, alert.timezone)
    values = {name: line(value, 500) for name, value in alert.values.items() if name != "detail"}
    details = [line(each, 500) for each in alert.values.get("detail", "").splitlines()[:MOST_DETAILS]]
    said = {
        kind: words.phrase(alert.language, f"alert.{alert.subject}.{kind}", **values)
        for kind in ("subject", "headline", "cause", "next")
    }
    rendered = words.render(
        "alert",
        alert.language,
        **said,
        about=line(alert.subject),
        values=values,
        details=details,
        when=shown.when(date),
        zone=shown.zone(),
    )
    headers = [
        mailboxes("From", [_parsed(sender)]),
        mailboxes("To", [("", alert.to)]),
        unstructured("Subject", rendered.subject),
        *_automatic("auto-generated", alert.subject),
    ]
    return _mail(headers, _alternatives(rendered), shown, message_id, date)


# --- the received fax --------------------------------------------------------------------------------

MOST_DETAILS = 40
"""Lines of what the other side said in an alert."""

PICTURE = "page-1@fax-bridge"
"""The Content-ID of the first page's picture; it has to be unique within its mail only (RFC 2392)."""


def _received_values(fax: ReceivedFax, words: Words, shown: Shown) -> dict[str, object]:
    number, raw = numbers.shown(fax.caller) if fax.caller else "", line(fax.caller_raw, 60)
    kind = "number" if number else "raw" if raw else "withheld"
    origin = words.phrase(fax.language, f"received.{kind}", number=number, raw=raw)
    short = number or words.phrase(fax.language, f"received.short_{kind}", raw=raw)
    how = "no_pdf" if fax.pdf is None else "damaged" if fax.faults else "whole"
    called = numbers.shown(line(fax.called, 40)) if fax.called else ""
    return {
        "headline": words.phrase(fax.language, f"received.{how}", origin=origin, pages=fax.pages),
        "how": how,
        "tone": "good" if how == "whole" else "bad" if how == "no_pdf" else "unsure",
        "origin": short,
        "number": number,
        "raw": raw,
        "called": called,
        "station": station(fax.remote_station),
        "pages": _pages(fax.pages, words, shown),
        "received": shown.when(fax.received_at),
        "problem": reason(fax.problem, words, fax.language),
        "problem_detail": line(fax.problem_detail, 300),
        "faults": [line(fault, 300) for fault in fax.faults],
        "fallback": _fallback(fax, words, called),
        "picture": PICTURE if fax.picture_png is not None else "",
        "fax_id": line(fax.fax_id),
        "provider_id": line(fax.provider_id),
        "zone": shown.zone(),
    }


def _files(fax: ReceivedFax, words: Words, shown: Shown) -> list[tuple[str, bytes, str, str]]:
    """The PDF, and the original too where the PDF is missing or not the whole truth."""
    who = fax.caller or words.phrase(fax.language, "received.nobody")
    stem = f"{words.phrase(fax.language, 'received.file')}-{who}-{shown.local(fax.received_at):%Y%m%d-%H%M}"
    files = []
    if fax.pdf is not None:
        files.append((f"{stem}.pdf", fax.pdf, "application", "pdf"))
    if fax.tiff and (fax.pdf is None or fax.faults):
        files.append((f"{stem}.tif", fax.tiff, "image", "tiff"))
    return files


def _caller_name(fax: ReceivedFax) -> str:
    name, itself = numbers.shown(fax.caller), station(fax.remote_station)
    return f"{name} ({itself})" if says_more(itself, fax.caller) else name


def _pages(pages: int, words: Words, shown: Shown) -> str:
    return words.phrase(shown.language, "pages.count", n=shown.count(pages)) if pages > 0 else ""


def _fallback(fax: ReceivedFax, words: Words, called: str) -> str:
    """A reason that has no phrase yet is shown as it is, rather than not at all."""
    path = f"fallback.{fax.fallback_reason}"
    known = words.has_phrase(fax.language, path)
    return words.phrase(fax.language, path, called=called) if known else line(fax.fallback_reason)
