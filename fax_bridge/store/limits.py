"""What one FaxMAX account takes, whichever nodes send to it: so many faxes at once, so many a minute.

Both are decided in the transaction of the claim, under the lock of the account's row. So two nodes that claim at the
same moment cannot both take the last place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import String, bindparam, func, select, update

from fax_bridge.fax import AccountState, FaxState, now
from fax_bridge.store.gate import Allowance
from fax_bridge.store.rate import Rate
from fax_bridge.store.schema import account, fax
from fax_bridge.store.store import Tx

LOCKED_MS = 25
"""Until the next look at an account at which another node is claiming. It is not waited for: a node's writes share a
transaction, and two that waited for each other in it would be a deadlock."""


@dataclass(frozen=True, slots=True)
class Limit:
    max_concurrent: int
    rate: Rate | None = None


class AccountLimits:
    """The :class:`~fax_bridge.store.gate.Gate` of the queue :data:`fax_bridge.store.faxes.SUBMIT`."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = limits

    async def allowance(self, tx: Tx, lane: str) -> Allowance:
        limit = self._limits[lane]
        locked = select(account.c.state, account.c.next_at).where(account.c.name == lane)
        row = (await tx.conn.execute(locked.with_for_update(skip_locked=True))).first()
        if row is None:
            return Allowance(0, now() + LOCKED_MS)
        if row.state != AccountState.ACTIVE:
            return Allowance(0)
        rows = limit.max_concurrent - await _in_hand(tx, lane)
        if limit.rate is None or rows <= 0:
            return Allowance(max(0, rows))
        at = now()
        if free := limit.rate.free(row.next_at, at):
            return Allowance(min(rows, free))
        return Allowance(0, limit.rate.free_at(row.next_at, at))

    async def took(self, tx: Tx, lane: str, rows: int) -> None:
        rate = self._limits[lane].rate
        if rate and rows:
            of_lane = account.c.name == lane
            next_at = (await tx.conn.execute(select(account.c.next_at).where(of_lane))).scalar_one()
            after = rate.taken(next_at, now(), rows)
            await tx.conn.execute(update(account).where(of_lane).values(next_at=after))

    async def put_back(self, tx: Tx, lane: str) -> None:
        """A claimed fax was not sent, and its own worker ends its lease in this transaction: another may go instead.

        While another node is claiming it is not waited for either; then the account has lost one place.
        """
        rate = self._limits[lane].rate
        if rate is None:
            return
        locked = select(account.c.next_at).where(account.c.name == lane).with_for_update(skip_locked=True)
        next_at = (await tx.conn.execute(locked)).scalar()
        if next_at is not None:
            sooner = next_at - rate.interval
            await tx.conn.execute(update(account).where(account.c.name == lane).values(next_at=sooner))


async def _in_hand(tx: Tx, name: str) -> int:
    """The account's faxes that some node holds a lease on: being prepared for their POST, or in it."""
    held = select(func.count()).where(
        fax.c.account == name, fax.c.owner.is_not(None), fax.c.state.in_(_SENT_FROM), fax.c.due_at > now()
    )
    return int((await tx.conn.execute(held)).scalar_one())


_SENT_FROM = bindparam(
    "sent_from", [FaxState.QUEUED, FaxState.SUBMITTING], String, expanding=True, literal_execute=True
)
"""Written into the statement: SQLite uses the partial index only for words that it sees when it plans."""
