"""Mails with received faxes that came back after the relay had taken them: each of their recipients is told of once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select

from fax_bridge.fax import ReceivedState, now
from fax_bridge.store import outbox, pushes
from fax_bridge.store.schema import bounce, received
from fax_bridge.store.schema import outbox as mails
from fax_bridge.store.tx import Tx


@dataclass(frozen=True, slots=True)
class CameBack:
    """One recipient of a bounce: as the report names it, empty where it does not, and what it says of the cause."""

    recipient: str
    detail: str


@dataclass(frozen=True, slots=True)
class Taken:
    """``recipients`` came back for the first time; ``rescued``: the fax goes to the fallback mailbox, or is there."""

    recipients: tuple[str, ...]
    rescued: bool


TellOperator = Callable[[str, str, str, bool], outbox.NewMail]
"""Makes the alert from the fax's id, the recipient, the detail, and whether the fax goes to the fallback mailbox."""


async def take(
    tx: Tx, *, outbox_id: str, about: str, failures: Sequence[CameBack], fallback: str, alert: TellOperator
) -> Taken:
    """Whoever came back is written down; the fax goes to the fallback mailbox and the operator is told, once for each.

    A report may name whom the recipient's own server forwarded to. What is none of the mail's recipients counts as one
    unnamed recipient, so that no number of forged reports makes more alerts than the mail has recipients, and one.
    """
    # Locked, or two bounces of one mail, taken by two nodes, would both be the first.
    await tx.conn.execute(select(received.c.id).where(received.c.id == about).with_for_update())
    addressed: list[str] = (
        await tx.conn.execute(select(mails.c.addressed).where(mails.c.id == outbox_id))
    ).scalar() or []
    told = set((await tx.conn.execute(select(bounce.c.recipient).where(bounce.c.outbox_id == outbox_id))).scalars())
    new: dict[str, CameBack] = {}
    for failure in failures:
        whom = _whom(failure.recipient, addressed)
        if whom not in told and whom not in new:
            new[whom] = failure
    rescued = False
    for whom, failure in new.items():
        detail = f"{whom or failure.recipient or '?'}: {failure.detail}"[:1000]
        await tx.conn.execute(
            insert(bounce).values(outbox_id=outbox_id, recipient=whom, at=now(), about=about, detail=detail)
        )
        if whom.lower() == fallback.lower() or outbox_id.startswith("fallback-"):
            # There is no further mailbox: kept here as long as its history.
            await pushes.ended(tx, about, ReceivedState.FAILED)
        else:
            rescued = await pushes.to_fallback(tx, about, "bounced")
        await outbox.put(tx, alert(about, whom, detail, rescued))
    return Taken(tuple(new), rescued)


def _whom(named: str, addressed: Sequence[str]) -> str:
    for address in addressed:
        if named.lower() == address.lower():
            return address
    return addressed[0] if len(addressed) == 1 else ""
