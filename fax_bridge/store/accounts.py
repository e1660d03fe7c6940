"""The FaxMAX accounts as rows: active, or paused because their credentials were refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import AccountState, now
from fax_bridge.store.schema import account
from fax_bridge.store.store import Tx


async def known(tx: Tx, fingerprints: Mapping[str, str]) -> list[str]:
    """At start: a row for each account. One that was paused with other credentials than now is active again;
    those are returned."""
    rows = {row.name: row for row in (await tx.conn.execute(select(account))).all()}
    resumed = []
    for name, fingerprint in fingerprints.items():
        if name not in rows:
            await tx.conn.execute(
                insert(account).values(
                    name=name, state=AccountState.ACTIVE, changed_at=now(), fingerprint=fingerprint, reason=""
                )
            )
        elif rows[name].state == AccountState.PAUSED and rows[name].fingerprint != fingerprint:
            await _set(tx, name, AccountState.ACTIVE, "", fingerprint)
            resumed.append(name)
    return resumed


async def pause(tx: Tx, name: str, *, reason: str, fingerprint: str) -> bool:
    """Stop serving the account; true if it was active."""
    before = (await tx.conn.execute(select(account.c.state).where(account.c.name == name).with_for_update())).scalar()
    await _set(tx, name, AccountState.PAUSED, reason, fingerprint)
    return bool(before == AccountState.ACTIVE)


async def resume(tx: Tx, name: str) -> bool:
    """Serve the account again; false if there is none of that name."""
    found = (await tx.conn.execute(select(account.c.name).where(account.c.name == name))).first()
    if found:
        await _set(tx, name, AccountState.ACTIVE, "", None)
        tx.wake("submit")
    return found is not None


async def listed(conn: AsyncConnection) -> Sequence[Row[Any]]:
    return (await conn.execute(select(account).order_by(account.c.name))).all()


async def _set(tx: Tx, name: str, state: AccountState, reason: str, fingerprint: str | None) -> None:
    values: dict[str, Any] = {"state": state, "reason": reason, "changed_at": now()}
    if fingerprint is not None:
        values["fingerprint"] = fingerprint
    await tx.conn.execute(update(account).where(account.c.name == name).values(**values))
