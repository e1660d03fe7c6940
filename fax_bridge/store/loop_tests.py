"""The test faxes of the bridge to itself, as rows: they are faxes like others, known by their ``repeat_key``.

So the rule against repeats (:mod:`fax_bridge.store.intake`) lets one node send one at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.fax import FaxState, Instant, ReceivedState
from fax_bridge.store.lease import Lease, finish
from fax_bridge.store.schema import fax, fax_event
from fax_bridge.store.store import Tx

KEY = "loop test"
HOME = "came back as a received fax"


@dataclass(frozen=True, slots=True)
class LoopTest:
    fax_id: str
    sent_at: Instant
    state: FaxState
    is_home: bool


async def newest(conn: AsyncConnection) -> LoopTest | None:
    found = await _newest(conn, 1)
    return LoopTest(found[0].id, found[0].accepted_at, FaxState(found[0].state), found[0].is_home) if found else None


async def missing(conn: AsyncConnection) -> list[LoopTest]:
    """Of the newest few those that are not home."""
    return [
        LoopTest(row.id, row.accepted_at, FaxState(row.state), row.is_home)
        for row in await _newest(conn, 10)
        if not row.is_home
    ]


async def _newest(conn: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    home = exists().where(fax_event.c.fax_id == fax.c.id, fax_event.c.note == HOME)
    asked = select(fax.c.id, fax.c.accepted_at, fax.c.state, home.label("is_home")).where(fax.c.repeat_key == KEY)
    rows: Sequence[Row[Any]] = (await conn.execute(asked.order_by(fax.c.accepted_at.desc()).limit(limit))).all()
    return rows


async def came_home(tx: Tx, *, lease: Lease, test: LoopTest, at: Instant, pages: int) -> None:
    """The received fax is the test: it ends here, with nobody to mail it to."""
    await finish(tx, lease, due_at=None, state=ReceivedState.MAILED, pages=pages, problem=f"loop test {test.fax_id}")
    state = (await tx.conn.execute(select(fax.c.state).where(fax.c.id == test.fax_id))).scalar_one()
    await tx.conn.execute(fax_event.insert().values(fax_id=test.fax_id, at=at, state=state, note=HOME))
