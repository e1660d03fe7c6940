"""Words to a sender before the report, as rows of work: one of several faxes failed, or a fax is late."""

from sqlalchemy import delete, exists, insert, select

from fax_bridge.fax import FaxState, NoticeKind, now
from fax_bridge.store import outbox
from fax_bridge.store.lease import Lease, LeaseLost, Queue, finish
from fax_bridge.store.schema import fax, message, notice
from fax_bridge.store.store import Tx

NOTICE = Queue("notice", notice, notice.c.due_at.is_not(None))


def early_id(message_id: str) -> str:
    return f"early-{message_id}"


def delayed_id(message_id: str) -> str:
    return f"delayed-{message_id}"


async def failed_early(tx: Tx, message_id: str) -> None:
    """A fax ended while others of its message are open: if any failed, its sender is to hear of it, once.

    The caller holds the message's row, so that two that end at the same moment cannot both write this.
    """
    failed = exists().where(fax.c.message_id == message_id, fax.c.state == FaxState.FAILED)
    known = exists().where(notice.c.id == early_id(message_id))
    if not (await tx.conn.execute(select(failed & ~known))).scalar():
        return
    at = now()
    await tx.conn.execute(
        insert(notice).values(
            id=early_id(message_id), message_id=message_id, kind=NoticeKind.EARLY, created_at=at, due_at=at
        )
    )
    tx.wake(NOTICE.name)


async def put_off(tx: Tx, *, lease: Lease, due_at: int) -> None:
    """It is too early for it."""
    await finish(tx, lease, due_at=due_at)


async def told(tx: Tx, *, lease: Lease, revision: int, mail: outbox.NewMail | None) -> None:
    """The mail is in the outbox; or there is nothing to tell, and a later failure may begin anew.

    Raises :class:`LeaseLost` if a fax of the message ended since the mail was written.
    """
    of_this = select(notice.c.message_id).where(notice.c.id == lease.id).scalar_subquery()
    current = select(message.c.revision).where(message.c.id == of_this).with_for_update()
    if (await tx.conn.execute(current)).scalar() != revision:
        raise LeaseLost(f"a fax of {lease.id} ended while its word was written")
    await finish(tx, lease, due_at=None)
    if mail:
        await outbox.put(tx, mail)
    else:
        await tx.conn.execute(delete(notice).where(notice.c.id == lease.id))
