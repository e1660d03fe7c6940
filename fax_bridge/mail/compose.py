"""The mails that we write: reports to senders, received faxes, alerts to the operator. Pure functions to bytes.

Message-ID and Date are handed in, so that the same values give the same bytes. What is said comes from
:mod:`fax_bridge.mail.words`; what stands in the values comes from outside and is made harmless here.
"""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from fax_bridge import numbers
from fax_bridge.fax import Instant
from fax_bridge.mail.headers import assembled, is_address, line, mailboxes, message_ids, unstructured
from fax_bridge.mail.letters import Alert, ReceivedFax, Report, ReportFax
from fax_bridge.mail.outcome import fax_view, part_view, reason, summary
from fax_bridge.mail.shown import Shown, says_more, station
from fax_bridge.mail.words import Rendered, Words

__all__ = ["Alert", "ReceivedFax", "Report", "ReportFax", "alert_mail", "received_mail", "report_mail"]


def report_mail(report: Report, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """The report to the sender of a mail: every fax's end and every part's fate.

    ``sender`` is the From header's value, ``message_id`` stands in angle brackets. Raises :class:`ValueError`
    if a fax has not ended, or if ``sender`` holds no address.
    """
    shown = Shown(report.language, report.timezone)
    faxes = tuple(fax_view(fax, words, shown) for fax in report.faxes)
    rendered = words.render(
        "report",
        report.language,
        correction=report.correction,
        headline=summary(faxes, words, shown),
        tone=next((tone for tone in ("bad", "unsure") if tone in {fax.tone for fax in faxes}), "good"),
        faxes=faxes,
        parts=tuple(part_view(fate, words, shown, made=report.document_pages > 0) for fate in report.fates),
        subject=line(report.subject, 120),
        accepted=shown.when(report.accepted_at),
        document_pages=_pages(report.document_pages, words, shown),
        document_sha256=line(report.document_sha256),
        message_id=line(report.message_id),
        original_message_id=line(report.original_message_id),
        zone=shown.zone(),
    )
    headers = [
        mailboxes("From", [_parsed(sender)]),
        mailboxes("To", [("", report.to)]),
        unstructured("Subject", rendered.subject),
        message_ids("In-Reply-To", [report.original_message_id]),
        message_ids("References", [report.references, report.original_message_id]),
        *_automatic("auto-replied", report.message_id),
    ]
    return _mail(headers, _alternatives(rendered), shown, message_id, date)


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


# --- every mail --------------------------------------------------------------------------------------


def _parsed(sender: str) -> tuple[str, str]:
    name, address = parseaddr(line(sender, 400))
    if not is_address(address):
        raise ValueError(f"{sender!r} holds no mail address")
    return name, address


def _automatic(kind: str, our_id: str) -> list[str]:
    """What keeps robots from answering robots (RFC 3834 §5; the X- header is Exchange's), and our own mark."""
    return [f"Auto-Submitted: {kind}", "X-Auto-Response-Suppress: All", unstructured("X-Fax-Bridge-Id", our_id)]


def _alternatives(rendered: Rendered) -> EmailMessage:
    """Text and HTML in quoted-printable: seven bits, so that any server takes it, and short lines."""
    body = EmailMessage(policy=SMTP)
    body.set_content(rendered.text, cte="quoted-printable")
    body.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return body


def _mail(headers: list[str], body: EmailMessage, shown: Shown, message_id: str, date: Instant) -> bytes:
    own = message_ids("Message-ID", [message_id])
    if not own:
        raise ValueError(f"{message_id!r} is no Message-ID in angle brackets")
    dated = f"Date: {format_datetime(shown.local(date).replace(microsecond=0))}"
    return assembled([dated, own, *headers], body, own)
