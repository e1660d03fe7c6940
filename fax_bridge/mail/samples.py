"""Each mail that we write, with sample data: what ``fax-bridge templates preview`` shows, and what tests look at.

Names, numbers and words are made up. Pictures and documents are handed in, for they come from the worker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fax_bridge.fax import Fate, FateKind, FaxState, Instant, Language, NoticeKind, RcptDsn, ResultClass
from fax_bridge.mail.compose import Alert, ReceivedFax, alert_mail, received_mail
from fax_bridge.mail.letters import DEFAULT_ZONE, OpenFax, StatusReport
from fax_bridge.mail.preview import Preview, PreviewRecipient, preview_mail
from fax_bridge.mail.reports import Notice, Report, ReportFax, notice_mail, report_mail
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words

NOON: Instant = 1_795_000_000_000
"""18 November 2026, 14:06 in Istanbul."""

MINUTE = 60_000
DOMAIN = "fax.example.com"
SENDER = "ayse@example.com"
OURS = "Faks <faks@fax.example.com>"

_SUBJECTS = {Language.TR: "Şişli şantiyesi: imzalı sözleşme", Language.EN: "Şişli site: signed contract"}
_FILES = {Language.TR: "sözleşme.pdf", Language.EN: "contract.pdf"}
_BUSY = {Language.TR: "FAILED: Karşı taraf meşgul", Language.EN: "FAILED: BUSY"}


@dataclass(frozen=True, slots=True)
class Sheets:
    """What a real worker made of a sample page."""

    pdf: bytes
    tiff: bytes
    picture: bytes
    """As in a received fax."""
    faxed: bytes
    """As in a report."""


def sample_mails(words: Words, language: Language, sheets: Sheets) -> Mapping[str, bytes]:
    """By name, the whole mails."""
    return {
        **{name: _reported(report, words) for name, report in _reports(language, sheets).items()},
        **{name: _noticed(notice, words) for name, notice in _notices(language).items()},
        **{name: _answered(preview, words) for name, preview in _previews(language, sheets).items()},
        **{name: _brought(fax, words) for name, fax in _received(language, sheets, words).items()},
        **{f"alert-{alert.subject.replace('_', '-')}": _alerted(alert, words) for alert in _alerts(language)},
    }


# --- reports -----------------------------------------------------------------------------------------


def _fax(state: FaxState = FaxState.DELIVERED, result: ResultClass | None = None, number: str = "902162222525",
         **changed: Any) -> ReportFax:  # fmt: skip
    values: dict[str, Any] = {
        "fax_id": "01M7YATS31JZHSMW1DA8S1XZ7K",
        "recipients": (f"0{number[2:]}@{DOMAIN}",),
        "provider_id": "ca1d30ec-7a1c-4d0e-9a53-0c8f3b0f9f11",
        "pages_sent": 3 if state is FaxState.DELIVERED else 0,
        "pages_total": 3,
        "attempts": 1,
        "submitted_at": NOON + MINUTE,
        "ended_at": NOON + 4 * MINUTE,
        "remote_station": "OZGUR INSAAT" if state is FaxState.DELIVERED else "",
        "promised_until": NOON + 240 * MINUTE,
    }
    return ReportFax(number=number, state=state, result=result, **{**values, **changed})


def _reports(language: Language, sheets: Sheets) -> dict[str, Report]:
    file = _FILES[language]
    fates = (
        Fate("1.1", "", "text/plain", 812, FateKind.COVER),
        Fate("1.2", "image001.png", "image/png", 4_310, FateKind.LEFT_OUT, reason="inline_picture_unreferenced"),
        Fate("2", file, "application/pdf", 212_345, FateKind.FAXED, 1, 3),
    )
    locked = (
        Fate("1", "", "text/plain", 812, FateKind.COVER),
        Fate("2", file, "application/pdf", 212_345, FateKind.FAXED),
        Fate("3", "ek-1.pdf", "application/pdf", 98_200, FateKind.REFUSED, reason="pdf_password"),
    )
    unsent: dict[str, Any] = {
        "provider_id": "", "submitted_at": None, "pages_sent": None, "pages_total": None, "attempts": 0,
    }  # fmt: skip
    busy = _fax(FaxState.FAILED, ResultClass.BUSY, attempts=3, detail=_BUSY[language])
    partial = _fax(FaxState.FAILED, ResultClass.PARTIAL, pages_sent=2, attempts=2, detail="FAILED: PARTIAL")
    uncertain = _fax(FaxState.UNCERTAIN, **{**unsent, "detail": "no answer within 300 s"})
    other = _fax(FaxState.FAILED, ResultClass.NOT_A_FAX, "903122222525", detail="FAILED: NOT_A_FAX")
    third = _fax(FaxState.UNCONFIRMED, number="442079460000", recipients=(f"00442079460000@{DOMAIN}",))
    many = [_fax(number=f"9021622225{n:02}") for n in range(10, 22)]
    asked = {busy.recipients[0]: RcptDsn("SUCCESS,FAILURE", "rfc822;02162222525+40fax.example.com")}

    def report(*faxes: ReportFax, **changed: Any) -> Report:
        values: dict[str, Any] = {
            "message_id": "01M7YATS31JZHSMW1DA8S1XZ7J",
            "to": (SENDER,),
            "subject": _SUBJECTS[language],
            "accepted_at": NOON,
            "fates": fates,
            "original_message_id": "<b1f4@example.com>",
            "document_pages": 3,
            "document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "language": language,
            "pictures": (sheets.faxed,),
        }
        return Report(faxes=faxes, **{**values, **changed})

    return {
        "report-delivered": report(_fax()),
        "report-busy": report(busy),
        "report-partial": report(partial),
        "report-unconfirmed": report(_fax(FaxState.UNCONFIRMED)),
        "report-uncertain": report(uncertain),
        "report-refused-document": report(
            _fax(FaxState.FAILED, ResultClass.DOCUMENT, **{**unsent, "detail": "pdf_password: ek-1.pdf"}),
            fates=locked, document_pages=0, document_sha256="", pictures=(),
        ),
        "report-several": report(_fax(), other, third),
        "report-many": report(*many, other, document=sheets.pdf),
        "correction": report(_fax(), correction=True),
        "report-dsn": report(
            _fax(FaxState.FAILED, ResultClass.BUSY, attempts=3, detail=_BUSY[language], dsn=asked),
            status=StatusReport(DOMAIN, "QQ314", headers=b"From: ayse@example.com\r\nMessage-ID: <b1f4@example.com>"),
        ),
    }  # fmt: skip


def _notices(language: Language) -> dict[str, Notice]:
    waiting = tuple(
        OpenFax(
            fax_id=f"01M7YATS31JZHSMW1DA8S1XZ{n}",
            number=f"9031222225{n}",
            recipients=(f"031222225{n}@{DOMAIN}",),
            state=state,
            known_by=NOON + 240 * MINUTE,
        )
        for n, state in ((31, FaxState.SUBMITTED), (32, FaxState.QUEUED))
    )
    late = tuple(replace(one, dsn={one.recipients[0]: RcptDsn("SUCCESS,FAILURE,DELAY")}) for one in waiting[:1])
    failed = _fax(FaxState.FAILED, ResultClass.NO_ANSWER, attempts=3, detail="FAILED: NO_ANSWER")

    def notice(kind: NoticeKind, **changed: Any) -> Notice:
        values: dict[str, Any] = {
            "message_id": "01M7YATS31JZHSMW1DA8S1XZ7J",
            "to": (SENDER,),
            "subject": _SUBJECTS[language],
            "accepted_at": NOON,
            "original_message_id": "<b1f4@example.com>",
            "language": language,
        }
        return Notice(kind=kind, **{**values, **changed})

    return {
        "early": notice(NoticeKind.EARLY, open=waiting, failed=(failed,), delivered=1),
        "delayed": notice(NoticeKind.DELAYED, open=late, status=StatusReport(DOMAIN)),
    }


def _previews(language: Language, sheets: Sheets) -> dict[str, Preview]:
    fates = (
        Fate("1", "", "text/plain", 812, FateKind.COVER),
        Fate("2", _FILES[language], "application/pdf", 212_345, FateKind.FAXED, 1, 1),
    )
    locked = replace(fates[1], kind=FateKind.REFUSED, reason="pdf_password")
    bare = PreviewRecipient("903122222525", (f"preview+03122222525+nocover@{DOMAIN}",), covered=False)
    shown = Preview(
        message_id="01M7YATS31JZHSMW1DA8S1XZ7J",
        to=SENDER,
        subject=_SUBJECTS[language],
        recipients=(PreviewRecipient("902162222525", (f"preview+02162222525@{DOMAIN}",), NOON + 960 * MINUTE), bare),
        pages=1,
        covered=True,
        pdf=sheets.pdf,
        pictures=(sheets.picture,),
        fates=fates,
        original_message_id="<b1f4@example.com>",
        document_sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        language=language,
    )
    refused = replace(shown, refused=f"pdf_password: {_FILES[language]}", pages=0, covered=False, pdf=None, pictures=())
    return {"preview": shown, "preview-refused": replace(refused, fates=(fates[0], locked), document_sha256="")}


# --- received faxes and alerts -----------------------------------------------------------------------


def _received(language: Language, sheets: Sheets, words: Words) -> dict[str, ReceivedFax]:
    def fax(**changed: Any) -> ReceivedFax:
        values: dict[str, Any] = {
            "fax_id": "01M7YATS31JZHSMW1DA8S1XZ7L",
            "received_at": NOON,
            "tiff": sheets.tiff,
            "pdf": sheets.pdf,
            "provider_id": "fe12c0de-0d3b-4b2b-8c3f-5b1f6a0c2d11",
            "caller": "902123334455",
            "caller_raw": "02123334455",
            "called": "902162222525",
            "remote_station": "YILDIZ TIP MERKEZI",
            "pages": 1,
            "picture_png": sheets.picture,
            "language": language,
        }
        return ReceivedFax(**{**values, **changed})

    lines = words.phrase(language, "fault.lines", page="1", lost="41", total="1143")
    link = (_FILES[language], f"https://{DOMAIN}/fax/SIGNED-TOKEN")
    broken: dict[str, Any] = {"pdf": None, "picture_png": None, "problem": "tiff_broken", "problem_detail": "no page"}
    return {
        "received": fax(),
        "received-damaged": fax(faults=(lines,)),
        "received-not-shown": fax(**broken, pages=0),
        "received-unknown-caller": fax(caller="", caller_raw="anonymous"),
        "received-notice": fax(shape="notice", until=NOON + 43_200 * MINUTE),
        "received-link": fax(shape="link", links=(link,), until=NOON + 10_080 * MINUTE),
        "received-fallback": fax(fallback_reason="bounced"),
    }


def _alerts(language: Language) -> list[Alert]:
    """All that there are: a test compares them with the words."""
    fax, message = "01M7YATS31JZHSMW1DA8S1XZ7L", "01M7YATS31JZHSMW1DA8S1XZ7J"
    shown = Shown(language, DEFAULT_ZONE)
    at, until = shown.when(NOON), shown.when(NOON + 1440 * MINUTE)
    values: dict[str, dict[str, str]] = {
        "unknown_status": {
            "status": "HAT_ARIZASI", "detail": "Hat arızası, tekrar denenmeyecek",
            "line": '"HAT_ARIZASI" = { class = "CLASS", final = true }',
            "push": "01M7YATS31JZHSMW1DA8S1XZ7M",
        },
        "account_paused": {"account": "default", "detail": "HTTP 401: invalid token"},
        "disk_low": {"free": "180 MB", "least": "512 MB"},
        "loop_test": {"fax": fax, "minutes": "30", "state": "submitted"},
        "no_push": {"hours": "6"},
        "oldest_fax": {"minutes": "45"},
        "self_test": {"detail": "ş is missing"},
        "push_quarantined": {"push": "01M7YATS31JZHSMW1DA8S1XZ7M", "detail": "element 2: no id"},
        "received_bounced": {"fax": fax, "recipient": "santral@example.com", "detail": "5.2.2 mailbox full"},
        "received_bounced_kept": {"fax": fax, "recipient": "postmaster@example.com", "detail": "5.2.2 mailbox full"},
        "received_not_handed_over": {"fax": fax, "target": "/srv/fax", "detail": "No space left on device"},
        "received_too_large": {"fax": fax, "size": "31 MB", "until": until},
        "received_undeliverable": {"fax": fax, "detail": "santral@example.com: 550 5.1.1 no such user"},
        "received_without_content": {"fax": fax, "caller": "902123334455", "called": "902162222525", "detail": "x"},
        "report_undeliverable": {"message": message, "detail": f"{SENDER}: 550 5.1.1 no such user"},
    }  # fmt: skip
    asked: dict[str, dict[str, str]] = {
        "duplicate_held": {
            "fax": fax,
            "number": "+90 216 222 25 25",
            "before": message,
            "at": at,
            "until": until,
            "again": "902162222525+again@fax.example.com",
        },
        "pages_wait": {"pages": "240", "until": until},
    }
    return [
        *(Alert(subject, "postmaster@example.com", given, language) for subject, given in values.items()),
        *(Alert(subject, SENDER, given, language) for subject, given in asked.items()),
    ]


# --- to bytes ----------------------------------------------------------------------------------------


def _reported(report: Report, words: Words) -> bytes:
    message_id = f"<report-{report.message_id}@{DOMAIN}>"
    return report_mail(report, words, sender=OURS, message_id=message_id, date=NOON + 5 * MINUTE)


def _noticed(notice: Notice, words: Words) -> bytes:
    message_id = f"<{notice.kind}-{notice.message_id}@{DOMAIN}>"
    return notice_mail(notice, words, sender=OURS, message_id=message_id, date=NOON + 5 * MINUTE)


def _answered(preview: Preview, words: Words) -> bytes:
    message_id = f"<preview-{preview.message_id}@{DOMAIN}>"
    return preview_mail(preview, words, sender=OURS, message_id=message_id, date=NOON + MINUTE)


def _brought(fax: ReceivedFax, words: Words) -> bytes:
    return received_mail(
        fax, words, sender=OURS, reply_domain=DOMAIN, to=("santral@example.com",),
        message_id=f"<received-{fax.fax_id}@{DOMAIN}>", date=NOON,
    )  # fmt: skip


def _alerted(alert: Alert, words: Words) -> bytes:
    return alert_mail(alert, words, sender=OURS, message_id=f"<alert-{alert.subject}@{DOMAIN}>", date=NOON)
