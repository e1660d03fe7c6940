"""The outbox is emptied into the site's relay: tried again with backoff, one outcome for each recipient.

A mail with a received fax that the relay refuses for good goes to the fallback mailbox instead: nobody else
would ever hear of that fax.
"""

from functools import partial

from fax_bridge.errors import Temporary
from fax_bridge.eventlog import event
from fax_bridge.fax import OutboxState, now
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.delivery import Delivery
from fax_bridge.mail.relay import Relay
from fax_bridge.settings import Settings
from fax_bridge.store import outbox, pushes
from fax_bridge.store.lease import Lease, backoff
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work


class Outgoing:
    """Handles the queue :data:`outbox.MAIL`."""

    def __init__(self, settings: Settings, store: Store, relay: Relay, alerts: Alerts) -> None:
        self._settings = settings
        self._store = store
        self._relay = relay
        self._alerts = alerts

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            content = await outbox.content(conn, lease.id)
        recipients = tuple(row.recipients)
        try:
            delivery = await self._relay.send(lease.id, row.mail_from, recipients, content)
        except Temporary as fault:
            delivery, error = Delivery((), {}, {}), str(fault)
            waiting = recipients
        else:
            waiting = tuple(delivery.deferred)
            error = "; ".join(f"{to}: {reply}" for to, reply in {**delivery.deferred, **delivery.refused}.items())
        await self._store.write(
            partial(self._record, lease=lease, row=row, delivery=delivery, waiting=waiting, error=error)
        )

    async def _record(
        self,
        tx: Tx,
        *,
        lease: Lease,
        row: Work,
        delivery: Delivery,
        waiting: tuple[str, ...],
        error: str,
    ) -> None:
        refused = dict(row.refused) | {to: str(reply) for to, reply in delivery.refused.items()}
        limits = self._settings.relay
        again = now() + backoff(row.claims, limits.retry_first, limits.retry_longest)
        if waiting and again > row.give_up_at:
            refused |= dict.fromkeys(waiting, f"given up: {error}")
            waiting = ()
        delivered = bool(row.delivered or delivery.delivered)
        state = await outbox.tried(
            tx,
            lease=lease,
            waiting=waiting,
            refused=refused,
            delivered=delivered,
            due_at=again if waiting else None,
            last_error=error[:1000],
        )
        if state == OutboxState.WAITING:
            event("mail_retry", lease.id, to=list(waiting), error=error[:300])
            return
        event("mailed" if state == OutboxState.SENT else "mail_failed", lease.id, to=row.recipients, refused=refused)
        if row.kind == "report" and refused:
            detail = "\n".join(f"{to}: {why}" for to, why in refused.items())
            about = {"about": row.about, "message": row.about, "detail": detail}
            await outbox.put(tx, self._alerts.mail(f"alert-{row.id}", "report_undeliverable", **about))
        if row.kind in pushes.FAX_MAILS:
            await self._fax_mail_ended(tx, row, state, refused)

    async def _fax_mail_ended(self, tx: Tx, row: Work, state: OutboxState, refused: dict[str, str]) -> None:
        """The fax is in a mailbox, or on its way to the fallback one; the operator hears of every refusal."""
        fallback = self._settings.inbound.fallback
        if refused and set(refused) != {fallback}:
            detail = "\n".join(f"{to}: {why}" for to, why in refused.items())
            alert = self._alerts.mail(
                f"alert-{row.id}", "received_undeliverable", about=row.about, fax=row.about, detail=detail
            )
            await outbox.put(tx, alert)
        if state == OutboxState.FAILED and row.kind == "received" and fallback not in refused:
            await pushes.to_fallback(tx, row.about, "relay_refused")
        await pushes.settle(tx, row.about)
