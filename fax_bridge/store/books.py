"""A phone book or contact that is kept at FaxMAX: one row goes out, and each fax that the answer names becomes a row.

Their numbers are FaxMAX's; each is known here once a push tells of it. All of it is one commit with the outcome.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select
from ulid import ULID

from fax_bridge.fax import FaxState, ResultClass, now
from fax_bridge.store import faxes
from fax_bridge.store.faxes import Promises
from fax_bridge.store.schema import fax, fax_event, status
from fax_bridge.store.store import Tx

EMPTY = "book_empty"
"""The reason's word, in the tables of ``templates/email``."""

UNACCOUNTED = "FaxMAX counts this fax, and does not name it"

_AT_ONCE = 500
"""Ids in one statement."""

_SHARED = ("message_id", "account", "target", "options", "recipients", "dsn", "accepted_at", "give_up_at", "attempts",
           "submitting_at", "send_at")  # fmt: skip
"""Columns of the row that was sent, which are those of its faxes too."""


async def accepted(
    tx: Tx, *, fax_id: str, attempt: int, fax_ids: Sequence[str], rejected: Sequence[tuple[str, str]], unaccounted: int,
    request_id: str, promises: Promises,
) -> None:  # fmt: skip
    """What FaxMAX made of it: the row becomes the first of its faxes, the others are new rows of the message.

    That is a fact even when the lease is lost: only the attempt has to be the same. ``unaccounted`` faxes are unknown,
    and never sent again: that would be the whole book.
    """
    row = await faxes.locked(tx, fax_id)
    if row.attempts != attempt or row.provider_id or row.state not in faxes.WITHOUT_ANSWER:
        return
    fresh = await _not_known(tx, fax_ids)
    unaccounted += len(fax_ids) - len(fresh)
    ends = [_refused(number, reason) for number, reason in rejected]
    ends += [_unknown(promises) for _ in range(unaccounted)]
    own = {} if fresh else ends.pop(0) if ends else _refused("", EMPTY)
    promised = now() + await faxes.patience(tx, row, promises)
    # First the new ones: the message must not end with the row that was sent while others are still open.
    made = [_submitted(row, provider_id, request_id, promised) for provider_id in fresh[1:]]
    await _insert(tx, row, [*made, *ends])
    await _apply_waiting(tx, fresh[1:], promises)
    if fresh:
        await faxes.accepted(
            tx, fax_id=row.id, attempt=attempt, provider_id=fresh[0], request_id=request_id, promises=promises
        )
    else:
        note = own["detail"] or str(own["state"])
        state, due_at = FaxState(own.pop("state")), own.pop("due_at", None)
        await faxes.move(tx, row, state, note=note, due_at=due_at, **{k: v for k, v in own.items() if k != "ended_at"})
    await faxes.adopt(tx, row.number, promises)
    for provider_id in fresh[1:]:
        faxes.look_again(tx, faxes.Pair(provider_id, "", promises))
    tx.wake(faxes.PROMISED.name)


async def _not_known(tx: Tx, fax_ids: Sequence[str]) -> list[str]:
    """Without those that are other faxes' already."""
    known: set[str] = set()
    for start in range(0, len(fax_ids), _AT_ONCE):
        taken = select(fax.c.provider_id).where(fax.c.provider_id.in_(fax_ids[start : start + _AT_ONCE]))
        known.update((await tx.conn.execute(taken)).scalars())
    return [one for one in fax_ids if one not in known]


def _submitted(row: Row[Any], provider_id: str, request_id: str, promised: int) -> dict[str, Any]:
    # Where its sender was told already that nothing is known, so it stays; a final push corrects each.
    is_late = row.state == FaxState.UNCERTAIN
    times = {"ended_at": now(), "due_at": None} if is_late else {"submitted_at": now(), "due_at": promised}
    return {
        "state": FaxState.UNCERTAIN if is_late else FaxState.SUBMITTED, "provider_id": provider_id,
        "request_id": request_id, "detail": "", "promised_at": promised, **times,
    }  # fmt: skip


def _refused(number: str, reason: str) -> dict[str, Any]:
    return {"state": FaxState.FAILED, "result": ResultClass.REFUSED, "number": number, "detail": reason,
            "ended_at": now()}  # fmt: skip


def _unknown(promises: Promises) -> dict[str, Any]:
    due_at = now() + promises.unknown
    return {"state": FaxState.UNKNOWN, "result": ResultClass.UNKNOWN, "detail": UNACCOUNTED, "due_at": due_at}


async def _insert(tx: Tx, row: Row[Any], made: Sequence[dict[str, Any]]) -> None:
    if not made:
        return
    shared = {name: getattr(row, name) for name in _SHARED}
    empty = {"number": "", "result": None, "provider_id": None, "request_id": None, "submitted_at": None,
             "promised_at": None, "ended_at": None, "due_at": None}  # fmt: skip
    rows = [{"id": str(ULID()), **shared, **empty, **one} for one in made]
    await tx.conn.execute(insert(fax), rows)
    events = [
        {"fax_id": one["id"], "at": now(), "state": one["state"],
         "note": f"one of {row.target}, sent with {row.id}: {one['provider_id'] or one['detail']}"[:500]}
        for one in rows
    ]  # fmt: skip
    await tx.conn.execute(insert(fax_event), events)


async def _apply_waiting(tx: Tx, provider_ids: Sequence[str], promises: Promises) -> None:
    """FaxMAX may push before it answers."""
    for start in range(0, len(provider_ids), _AT_ONCE):
        told = select(status.c.provider_id).distinct()
        told = told.where(status.c.provider_id.in_(provider_ids[start : start + _AT_ONCE]))
        for provider_id in (await tx.conn.execute(told)).scalars().all():
            mine = select(fax.c.id).where(fax.c.provider_id == provider_id)
            await faxes.apply_waiting(tx, (await tx.conn.execute(mine)).scalar_one(), provider_id, promises)
