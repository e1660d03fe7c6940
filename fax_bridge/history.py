"""``fax-bridge faxes`` and ``accounts``: what the store knows, as values that people or programs can read."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from fax_bridge.fax import FaxState, Instant
from fax_bridge.numbers import shown
from fax_bridge.settings import Settings
from fax_bridge.store import accounts, faxes
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work


def _when(at: Instant | None, settings: Settings) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, ZoneInfo(settings.reports.timezone)).isoformat(timespec="seconds")


def _fax(row: Work, settings: Settings) -> dict[str, Any]:
    return {
        "id": row.id,
        "message": row.message_id,
        "state": row.state,
        "result": row.result,
        "number": row.number,
        "shown": shown(row.number),
        "account": row.account,
        "recipients": row.recipients,
        "detail": row.detail,
        "faxmax_id": row.provider_id,
        "attempts": row.attempts,
        "pages_sent": row.pages_sent,
        "pages_total": row.pages_total,
        "accepted_at": _when(row.accepted_at, settings),
        "submitted_at": _when(row.submitted_at, settings),
        "ended_at": _when(row.ended_at, settings),
    }


async def fax_list(settings: Settings, limit: int, states: Sequence[FaxState] = ()) -> list[dict[str, Any]]:
    """The newest faxes first."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            rows = await faxes.listed(conn, limit, states)
    finally:
        await store.close()
    return [_fax(row, settings) | {"from": row.mail_from, "subject": row.subject} for row in rows]


async def fax_show(settings: Settings, fax_id: str) -> dict[str, Any] | None:
    """All that is known of one fax; ``None`` if there is none of that id."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            found = await faxes.shown(conn, fax_id)
    finally:
        await store.close()
    if found is None:
        return None
    row, mail, events = found
    return _fax(row, settings) | {
        "from": mail.mail_from,
        "subject": mail.subject,
        "client": mail.client,
        "mail_bytes": mail.size,
        "pages": mail.pages,
        "sha256": mail.sha256,
        "parts": mail.fates or [],
        "events": [{"at": _when(e.at, settings), "state": e.state, "note": e.note} for e in events],
    }


async def account_list(settings: Settings) -> list[dict[str, Any]]:
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        async with store.read() as conn:
            rows = await accounts.listed(conn)
    finally:
        await store.close()
    return [
        {"name": r.name, "state": r.state, "since": _when(r.changed_at, settings), "reason": r.reason} for r in rows
    ]


async def account_resume(settings: Settings, name: str) -> bool:
    """Serve a paused account again; a running daemon sees it within a second."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        return await store.write(partial(accounts.resume, name=name))
    finally:
        await store.close()
