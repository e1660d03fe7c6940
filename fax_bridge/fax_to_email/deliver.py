"""The mail that brings a received fax: from the caller's number at our domain, so that a reply is a fax back."""

from typing import TYPE_CHECKING

from fax_bridge.documents.fault import Fault
from fax_bridge.fax import now
from fax_bridge.mail.compose import ReceivedFax, received_mail
from fax_bridge.mail.headers import line
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store.outbox import NewMail
from fax_bridge.store.worker import Work

if TYPE_CHECKING:
    from fax_bridge.fax_to_email.convert import Converted

MOST_DETAIL = 160
"""Characters of a decoder's own words in a sentence."""


def received_mail_for(
    settings: Settings,
    words: Words,
    row: Work,
    made: "Converted",
    tiff: bytes,
    *,
    to: tuple[str, ...],
    fallback_reason: str,
) -> NewMail:
    """``row`` is the received fax; ``made`` what became of its TIFF."""
    fax = ReceivedFax(
        fax_id=row.id,
        provider_id=row.provider_id,
        caller=row.caller,
        caller_raw=row.caller_raw,
        called=row.called or row.called_raw,
        remote_station=row.remote_station,
        received_at=row.received_at,
        pages=made.pages,
        tiff=tiff,
        pdf=made.pdf,
        faults=tuple(_sentence(fault, words, settings) for fault in made.faults),
        picture_png=made.picture,
        problem=made.problem,
        problem_detail=made.detail,
        fallback_reason=fallback_reason,
        language=settings.reports.language,
        timezone=settings.reports.timezone,
    )
    outbox_id = f"{'fallback' if fallback_reason == 'relay_refused' else 'received'}-{row.id}"
    at = now()
    content = received_mail(
        fax,
        words,
        sender=settings.relay.from_,
        reply_domain=settings.smtp.domains[0],
        to=to,
        message_id=f"<{outbox_id}@{settings.smtp.domains[0]}>",
        date=at,
    )
    return NewMail(
        id=outbox_id,
        kind="received",
        about=row.id,
        mail_from="",
        recipients=to,
        content=content,
        give_up_at=at + int(settings.relay.queue_lifetime * 1000),
    )


def _sentence(fault: Fault, words: Words, settings: Settings) -> str:
    shown = Shown(settings.reports.language, settings.reports.timezone)
    return words.phrase(
        settings.reports.language,
        f"fault.{fault.kind}",
        page=fault.page,
        lost=shown.count(fault.lost),
        total=shown.count(fault.total),
        detail=line(fault.detail, MOST_DETAIL),
    )
