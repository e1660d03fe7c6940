"""How a queue's lanes are held to limits that other nodes count towards too.

A worker knows what it has in hand itself. What the others have, and how much a lane may take at all, is asked of the
queue's gate within the transaction of the claim.
"""

from dataclasses import dataclass
from typing import Protocol

from fax_bridge.fax import Instant
from fax_bridge.store.store import Tx


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many rows of a lane may be taken now."""

    rows: int
    next_at: Instant | None = None
    """Where that is none: when it is worth asking again; ``None`` where a row in hand has to end first."""


class Gate(Protocol):
    async def allowance(self, tx: Tx, lane: str) -> Allowance:
        """What the lane may take. Until the transaction ends, no other node gets an answer for it."""

    async def took(self, tx: Tx, lane: str, rows: int) -> None:
        """So many were claimed, in the same transaction."""
