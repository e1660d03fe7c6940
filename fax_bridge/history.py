"""``fax-bridge faxes``, ``pushes``, ``queue``, ``accounts``: what the store knows, as values for people or programs."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, cast
from zoneinfo import ZoneInfo

from ulid import ULID

from fax_bridge.acts import Act
from fax_bridge.audit_trail import act_with
from fax_bridge.fax import FaxState, Instant, PushState, now
from fax_bridge.faxmax.status import AMBIGUOUS, Meaning, fold, line_to_add, meaning_of
from fax_bridge.numbers import shown
from fax_bridge.settings import Settings
from fax_bridge.store import accounts, faxes, operator
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work


def _when(at: Instant | None, settings: Settings) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, ZoneInfo(settings.reports.timezone)).isoformat(timespec="seconds")


def _fax(row: Work, settings: Settings) -> dict[str, Any]:
    queued, at = row.state == FaxState.QUEUED, now()
    allowed = settings.schedule.earliest(row.number, row.send_at, at) if queued else at
    return {
        "id": row.id,
        "message": row.message_id,
        "state": row.state,
        "result": row.result,
        "number": row.number,
        "target": row.target,
        "shown": shown(row.number) or row.target,
        "options": [f"{name}={value}" for name, value in (row.options or {}).items()],
        "account": row.account,
        "recipients": row.recipients,
        "detail": row.detail,
        "faxmax_id": row.provider_id,
        "attempts": row.attempts,
        "pages_sent": row.pages_sent,
        "pages_total": row.pages_total,
        "accepted_at": _when(row.accepted_at, settings),
        "not_before": _when(allowed if allowed > at else None, settings),
        "next_try_at": _when(row.due_at if queued and not row.owner else None, settings),
        "held_until": _when(row.due_at if row.state == FaxState.HELD else None, settings),
        "submitted_at": _when(row.submitted_at, settings),
        "ended_at": _when(row.ended_at, settings),
    }


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    """The database, beside a daemon that may be running on it."""
    store = await Store.open(settings.store.url, exclusive=False)
    try:
        yield store
    finally:
        await store.close()


async def fax_list(settings: Settings, limit: int, states: Sequence[FaxState] = ()) -> list[dict[str, Any]]:
    """The newest faxes first."""
    async with _store(settings) as store, store.read() as conn:
        rows = await faxes.listed(conn, limit, states)
    return [_fax(row, settings) | {"from": row.mail_from, "subject": row.subject} for row in rows]


async def fax_show(settings: Settings, fax_id: str) -> dict[str, Any] | None:
    """All that is known of one fax; ``None`` if there is none of that id."""
    async with _store(settings) as store, store.read() as conn:
        found = await faxes.shown(conn, fax_id)
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
        "page_facts": mail.page_facts or [],
        "events": [{"at": _when(e.at, settings), "state": e.state, "note": e.note} for e in events],
    }


async def fax_act(settings: Settings, act: Callable[[Tx, str], Awaitable[None]], fax_id: str) -> None:
    """Do that to a fax. Raises :class:`fax_bridge.store.operator.NotPossible`."""
    word = cast("Act", getattr(act, "func", act).__name__)
    async with _store(settings) as store:
        await act_with(store, settings, word, fax_id, lambda tx: act(tx, fax_id))


async def fax_hold(settings: Settings, fax_id: str) -> str:
    """Let a fax wait for a person; until when at the longest. Raises as :func:`fax_act`."""
    until = now() + int(settings.faxmax.held_for * 1000)
    await fax_act(settings, partial(operator.hold, until=until), fax_id)
    return str(_when(until, settings))


async def fax_release(settings: Settings, fax_id: str) -> None:
    """Let a held fax go. Raises as :func:`fax_act`."""
    give_up_at = now() + int(settings.faxmax.queue_lifetime * 1000)
    await fax_act(settings, partial(operator.release, schedule=settings.schedule, give_up_at=give_up_at), fax_id)


async def fax_resend(settings: Settings, fax_id: str) -> str:
    """Fax it once more; the id of the new fax. Raises :class:`fax_bridge.store.operator.NotPossible`."""
    new_fax = str(ULID())
    give_up_at = now() + int(settings.faxmax.queue_lifetime * 1000)
    again = partial(operator.resend, fax_id=fax_id, new_message=str(ULID()), new_fax=new_fax, give_up_at=give_up_at)
    async with _store(settings) as store:
        await act_with(store, settings, "resend", fax_id, again, detail=f"as {new_fax}")
    return new_fax


async def push_list(settings: Settings, limit: int, states: Sequence[PushState] = ()) -> list[dict[str, Any]]:
    """The newest pushes first."""
    async with _store(settings) as store, store.read() as conn:
        rows = await operator.push_list(conn, limit, states)
    return [
        {"id": r.id, "received_at": _when(r.received_at, settings), "client": r.client, "state": r.state,
         "bytes": r.size, "note": r.note}
        for r in rows
    ]  # fmt: skip


async def push_show(settings: Settings, push_id: str) -> dict[str, Any] | None:
    """A push as it came; a fax inside it is shown by its length."""
    async with _store(settings) as store, store.read() as conn:
        row = await operator.push_show(conn, push_id)
    if row is None:
        return None
    body = re.sub(rb'("content"\s*:\s*")([^"]{80,})"', lambda m: b'%s<%d letters>"' % (m[1], len(m[2])), row.body)
    shown = body.decode("utf-8", "replace")
    return {"id": row.id, "received_at": _when(row.received_at, settings), "client": row.client, "state": row.state,
            "note": row.note, "body": shown}  # fmt: skip


async def push_replay(settings: Settings, push_id: str) -> None:
    """Work a push through again. Raises :class:`fax_bridge.store.operator.NotPossible`."""
    async with _store(settings) as store:
        await act_with(store, settings, "replay", push_id.upper(), partial(operator.replay, push_id=push_id))


async def status_words(settings: Settings) -> list[dict[str, Any]]:
    """FaxMAX's status words, the commonest first: counted, with what the settings take each for."""
    async with _store(settings) as store, store.read() as conn:
        rows = await operator.status_words(conn)
    own = {fold(word): Meaning(m.result, m.final) for word, m in settings.faxmax.status_map.items()}
    told = []
    for row in rows:
        meaning = meaning_of(row.word, row.message, sent=True, own=own)
        told.append(
            {"word": row.word, "count": row.number, "known": meaning.known, "class": meaning.result,
             "final": meaning.final, "only_with_sent_on": fold(row.word) in AMBIGUOUS and fold(row.word) not in own,
             "first_at": _when(row.first_at, settings), "last_at": _when(row.last_at, settings),
             "last_push": row.last_push, "line": "" if meaning.known else line_to_add(row.word, row.message)}
        )  # fmt: skip
    return told


async def queue_told(settings: Settings) -> dict[str, Any]:
    """Counts by state, the oldest fax that waits, the paused accounts and why."""
    async with _store(settings) as store, store.read() as conn:
        told = await operator.counts(conn)
        oldest = await operator.oldest_waiting(conn)
        rows = await operator.paused(conn)
    paused = [{"name": r.name, "since": _when(r.changed_at, settings), "reason": r.reason} for r in rows]
    return {"counts": told, "oldest_waiting_since": _when(oldest, settings), "paused_accounts": paused}


async def account_list(settings: Settings) -> list[dict[str, Any]]:
    async with _store(settings) as store, store.read() as conn:
        rows = await accounts.listed(conn)
    return [
        {"name": r.name, "state": r.state, "since": _when(r.changed_at, settings), "reason": r.reason} for r in rows
    ]


async def account_resume(settings: Settings, name: str) -> bool:
    """Serve a paused account again; a running daemon sees it within a second."""
    async with _store(settings) as store:
        return await act_with(store, settings, "resume", name, partial(accounts.resume, name=name))
