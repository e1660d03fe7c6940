"""Rows become the values of a report: which recipients it is about, who gets it, what goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from fax_bridge.fax import FaxState, RcptDsn, ResultClass, now
from fax_bridge.mail.dsn import fits_seven_bits
from fax_bridge.mail.letters import ReportFax, StatusReport
from fax_bridge.report_wishes import ReportWishes, is_shown, is_told
from fax_bridge.settings import Settings
from fax_bridge.store import intake, outbox
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work

log = structlog.get_logger("report")

MOST_RETURNED = 1_000_000
"""Bytes of a mail that a report gives back whole (RET=FULL); of a larger one the header."""

MOST_HEADER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears of a message's ends: the faxes with those of their recipients that a report shows."""

    faxes: tuple[ReportFax, ...]
    told: bool
    """Whether there is anything to mail at all."""
    asked: bool
    """Whether a NOTIFY asked for it, so that it has to be a report for machines too."""


def wishes_of(row: Work, settings: Settings) -> ReportWishes:
    return ReportWishes.read(row.reports, settings.reports.outcomes)


def is_silent(row: Work) -> bool:
    """Nobody may be answered: a null sender, or a mail that itself was an automatic answer (RFC 3834 §2)."""
    return not row.mail_from or row.header_auto_submitted == "auto-replied"


def audience(row: Work, faxes: Sequence[Work], wishes: ReportWishes, *, correction: bool = False) -> Audience:
    """Of faxes that have ended, what is mailed."""
    shown: list[ReportFax] = []
    told = asked = False
    for one in faxes:
        state = FaxState(one.state)
        dsn = asked_of(one)
        seen = tuple(a for a in dsn if is_shown(state, dsn[a], wishes.outcomes, correction=correction))
        told |= any(is_told(state, dsn[a], wishes.outcomes, correction=correction) for a in seen)
        asked |= any(dsn[a].notify for a in seen)
        if seen:
            shown.append(report_fax(one, tuple(filter(None, seen)), {address: dsn[address] for address in seen}))
    return Audience(tuple(shown), told and not is_silent(row), asked)


def asked_of(fax: Work) -> dict[str, RcptDsn]:
    """By RCPT address, what was asked to be told of it. A number of an attached list has none: nothing was asked of it,
    under the empty address, so that the settings say whether it is told."""
    return {address: dsn_of(fax, address) for address in fax.recipients or ("",)}


def dsn_of(fax: Work, address: str) -> RcptDsn:
    return RcptDsn(**(fax.dsn or {}).get(address, {}))


def report_fax(row: Work, recipients: tuple[str, ...], dsn: dict[str, RcptDsn]) -> ReportFax:
    return ReportFax(
        fax_id=row.id,
        number=row.number,
        recipients=recipients,
        state=FaxState(row.state),
        result=ResultClass(row.result) if row.result else None,
        provider_id=row.provider_id or "",
        pages_sent=row.pages_sent,
        pages_total=row.pages_total,
        attempts=max(row.tried_count or 0, row.attempts),
        submitted_at=row.submitted_at,
        ended_at=row.ended_at,
        remote_station=row.remote_station,
        detail=row.detail,
        promised_until=row.promised_at,
        dsn=dsn,
        target=row.target,
    )


async def status_of(row: Work, store: Store, settings: Settings, *, failed: bool) -> StatusReport:
    """For machines, with the sender's mail as far as it asked for it back: whole only where something failed
    (RFC 3461 §4.3), its header otherwise."""
    status = StatusReport(mta=settings.smtp.domains[0], envid=row.dsn_envid)
    try:
        if failed and row.dsn_ret == "FULL" and row.size <= MOST_RETURNED:
            content = await intake.content(store, row.id)
            if fits_seven_bits(content):
                return replace(status, mail=content)
        headers = await intake.header(store, row.id)
    except OSError as fault:
        log.warning("the mail cannot be given back", message=row.id, why=str(fault))
        return status
    return replace(status, headers=headers[:MOST_HEADER])


def new_mail(row: Work, wishes: ReportWishes, settings: Settings, *, outbox_id: str, content: bytes) -> outbox.NewMail:
    """To the envelope sender or the set addresses, never to one that only the message claims; with an empty envelope
    sender, the guard against loops."""
    return outbox.NewMail(
        id=outbox_id,
        kind="report",
        about=row.id,
        mail_from="",
        recipients=tuple(dict.fromkeys((*(wishes.to or (row.mail_from,)), *wishes.cc, *wishes.bcc))),
        content=content,
        give_up_at=now() + int(settings.relay.queue_lifetime * 1000),
    )
