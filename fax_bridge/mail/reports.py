"""The mails that tell a sender what became of a mail: the report, its correction, and the words that come before it.

Pure functions to bytes, as in :mod:`fax_bridge.mail.compose`. With a :class:`StatusReport` the same words are the first
part of a report for machines.
"""

from fax_bridge import numbers
from fax_bridge.fax import Instant, NoticeKind
from fax_bridge.mail import dsn
from fax_bridge.mail.advice import advice, open_view
from fax_bridge.mail.frame import alternatives, automatic, dated, framed, parsed
from fax_bridge.mail.headers import line, mailboxes, message_ids, unstructured
from fax_bridge.mail.letters import Notice, OpenFax, Report, ReportFax
from fax_bridge.mail.listing import listing
from fax_bridge.mail.outcome import FaxView, fax_view, part_view, parts_left_out, summary
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Rendered, Words
from fax_bridge.report_wishes import FAILURE, SUCCESS

__all__ = ["Notice", "OpenFax", "Report", "ReportFax", "notice_mail", "report_mail"]

MOST_IN_FULL = 10
"""Of more faxes the mail shows those that did not arrive, and a spreadsheet has them all."""

MOST_SHOWN = 50
"""Faxes in a mail's table at the most; a mail of a thousand rows is read by nobody."""


def report_mail(report: Report, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """The report to the sender of a mail: every fax's end and every part's fate.

    ``sender`` is the From header's value, ``message_id`` stands in angle brackets. Raises :class:`ValueError`
    if a fax has not ended, or if ``sender`` holds no address.
    """
    shown = Shown(report.language, report.timezone)
    faxes = tuple(fax_view(fax, words, shown) for fax in report.faxes)
    files = _files(report, faxes, words, shown)
    rendered = words.render("report", report.language, **_report_values(report, faxes, files, words, shown))
    body = alternatives(rendered)
    if report.pictures:
        _, html = body.iter_parts()
        for number, picture in enumerate(report.pictures, 1):
            name = f"{number}.png"
            html.add_related(picture, "image", "png", cid=f"<{_cid(number)}>", filename=name, disposition="inline")
    for name, data, maintype, subtype in files:
        charset = {"charset": "utf-8"} if maintype == "text" else {}
        body.add_attachment(data, maintype, subtype, filename=name, params=charset)
    headers = _headers(report, rendered, sender)
    if report.status is None:
        return framed(headers, body, shown, message_id, date)
    fields = dsn.status_fields(report.status, report.accepted_at, report.faxes, shown)
    first = dated(shown, message_id, date)
    return dsn.report_mail([*first, *headers], body, report.status, fields, first[-1])


def notice_mail(notice: Notice, words: Words, *, sender: str, message_id: str, date: Instant) -> bytes:
    """A word before the report: the first of many failed, or a fax is late; when the rest is known. Raises as above."""
    shown = Shown(notice.language, notice.timezone)
    failed = tuple(fax_view(fax, words, shown) for fax in notice.failed)
    waiting = tuple(open_view(fax, words, shown) for fax in notice.open)
    event = "early" if notice.kind is NoticeKind.EARLY else "delayed"
    known_by = shown.when(max((fax.known_by for fax in notice.open), default=None))
    rendered = words.render(
        event,
        notice.language,
        headline=words.phrase(
            notice.language,
            f"{event}.headline",
            number=(failed or waiting)[0].number,
            n=shown.count(len(failed or waiting)),
            open=shown.count(len(waiting)),
        ),
        title=words.phrase(notice.language, f"{event}.title"),
        failed=failed[:MOST_SHOWN],
        advice=advice(notice.failed, words, shown),
        open=waiting[:MOST_SHOWN],
        known_by=known_by,
        **_promised(notice, words, shown, known_by),
        subject=line(notice.subject, 120),
        accepted=shown.when(notice.accepted_at),
        message_id=line(notice.message_id),
        original_message_id=line(notice.original_message_id),
        zone=shown.zone(),
    )
    body = alternatives(rendered)
    headers = _headers(notice, rendered, sender)
    if notice.status is None:
        return framed(headers, body, shown, message_id, date)
    fields = dsn.status_fields(notice.status, notice.accepted_at, notice.open, shown)
    first = dated(shown, message_id, date)
    return dsn.report_mail([*first, *headers], body, notice.status, fields, first[-1])


def _promised(notice: Notice, words: Words, shown: Shown, known_by: str) -> dict[str, str]:
    """What will be heard of the open faxes: no more than their sender asked for."""
    asked = [set(dsn.notify.split(",")) for fax in notice.open for dsn in fax.dsn.values() if dsn.notify]
    if notice.kind is NoticeKind.EARLY:
        kind = "promise" if all(SUCCESS in one for one in asked) else "promise_failures"
        told = words.phrase(notice.language, f"early.{kind}", open=shown.count(len(notice.open)), known_by=known_by)
        n = shown.count(notice.delivered)
        delivered = words.phrase(notice.language, "early.delivered", delivered=n) if notice.delivered else ""
        return {"promise": told, "delivered": delivered}
    heard = {event for event in (SUCCESS, FAILURE) if all(event in one for one in asked)}
    kind = "all" if len(heard) == 2 else "".join(heard).lower() or "none"
    told = words.phrase(notice.language, f"delayed.promise_{kind}", known_by=known_by)
    return {"promise": told, "patience": words.phrase(notice.language, "delayed.patience")}


def _headers(about: Report | Notice, rendered: Rendered, sender: str) -> list[str]:
    return [
        mailboxes("From", [parsed(sender)]),
        mailboxes("To", [("", address) for address in about.to]),
        mailboxes("Cc", [("", address) for address in about.cc]) if about.cc else "",
        unstructured("Subject", rendered.subject),
        message_ids("In-Reply-To", [about.original_message_id]),
        message_ids("References", [about.references, about.original_message_id]),
        *automatic("auto-replied", about.message_id),
    ]


def _report_values(
    report: Report, faxes: tuple[FaxView, ...], files: list[tuple[str, bytes, str, str]], words: Words, shown: Shown
) -> dict[str, object]:
    told = faxes if len(faxes) <= MOST_IN_FULL else tuple(fax for fax in faxes if fax.state != "delivered")
    missed, others = parts_left_out(report.fates)
    made = report.document_pages > 0
    return {
        "correction": report.correction,
        "headline": summary(faxes, words, shown),
        "tone": next((tone for tone in ("bad", "unsure") if tone in {fax.tone for fax in faxes}), "good"),
        "faxes": told[:MOST_SHOWN],
        "several": len(faxes) > 1,
        "unshown": shown.count(len(faxes) - len(told[:MOST_SHOWN])) if len(faxes) > len(told[:MOST_SHOWN]) else "",
        "advice": advice(report.faxes, words, shown),
        "notes": [line(note, 500) for note in (*report.notes, *_notes(report, words))],
        "missed": tuple(part_view(fate, words, shown, made=made) for fate in missed),
        "parts": tuple(part_view(fate, words, shown, made=made) for fate in others),
        "pictures": [_cid(number) for number in range(1, len(report.pictures) + 1)],
        "pictured": words.phrase(report.language, "pictures.told", n=len(report.pictures), total=report.document_pages),
        "files": [name for name, *_ in files],
        "subject": line(report.subject, 120),
        "accepted": shown.when(report.accepted_at),
        "document_pages": pages(report.document_pages, words, shown),
        "document_sha256": line(report.document_sha256),
        "message_id": line(report.message_id),
        "original_message_id": line(report.original_message_id),
        "zone": shown.zone(),
    }


def _notes(report: Report, words: Words) -> tuple[str, ...]:
    fields = ", ".join(line(name, 80) for name in report.unknown_fields)
    bare = ", ".join(numbers.shown(number) or line(number, 80) for number in report.without_cover)
    said = (("unknown_fields", fields), ("without_cover", bare))
    return tuple(words.phrase(report.language, f"note.{key}", list=listed) for key, listed in said if listed)


def _files(report: Report, faxes: tuple[FaxView, ...], words: Words, shown: Shown) -> list[tuple[str, bytes, str, str]]:
    """Name, bytes and type of what is attached. The names are such as a reply's reading knows for ours."""
    at = f"{shown.local(report.accepted_at):%Y%m%d-%H%M}"
    files = []
    if report.document:
        name = f"{words.phrase(report.language, 'attached.document')}-{at}.pdf"
        files.append((name, report.document, "application", "pdf"))
    if len(faxes) > MOST_IN_FULL:
        name = f"{words.phrase(report.language, 'attached.listing')}-{at}.csv"
        files.append((name, listing(faxes, words, report.language), "text", "csv"))
    return files


def _cid(number: int) -> str:
    """A picture's Content-ID; it has to be unique within its mail only (RFC 2392)."""
    return f"page-{number}@fax-bridge"


def pages(number: int, words: Words, shown: Shown) -> str:
    return words.phrase(shown.language, "pages.count", n=shown.count(number)) if number > 0 else ""
