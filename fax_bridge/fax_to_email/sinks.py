"""Received faxes are laid into directories and posted to webhooks: tried again with backoff until they are there.

What cannot be handed over goes to the fallback mailbox and is told to the operator; it is never dropped.
"""

import asyncio
from functools import partial
from pathlib import Path

from fax_bridge.errors import Permanent, Temporary
from fax_bridge.eventlog import event
from fax_bridge.fax import DeliveryKind, DeliveryState, now
from fax_bridge.fax_to_email.sink_directory import lay_down
from fax_bridge.fax_to_email.sink_webhook import post
from fax_bridge.mail.alerts import Alerts
from fax_bridge.settings import Settings
from fax_bridge.store import deliveries, outbox, pushes
from fax_bridge.store.lease import Lease, backoff
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Work

GONE = "the settings do not have it any more"


class Sinks:
    """Handles the queue :data:`deliveries.DELIVER`."""

    def __init__(self, settings: Settings, store: Store, alerts: Alerts) -> None:
        self._settings = settings
        self._store = store
        self._alerts = alerts
        # Where a fax may go is asked of today's settings: a row alone sends nothing anywhere.
        self._hooks = {hook.url: hook for route in settings.routes for hook in route.webhooks}
        self._directories = {str(one.path) for route in settings.routes for one in route.directories}

    async def handle(self, lease: Lease, row: Work) -> None:
        async with self._store.read() as conn:
            content = await deliveries.content(conn, lease.id)
        try:
            await self._hand_over(row, content)
        except Permanent as fault:
            await self._failed(lease, row, str(fault))
        except Temporary as fault:
            await self._again(lease, row, str(fault))
        else:
            await self._store.write(partial(self._delivered, lease=lease, row=row))
            event("handed_over", row.about, kind=row.kind, to=_place(row), name=row.name)

    async def _hand_over(self, row: Work, content: bytes) -> None:
        if row.kind == DeliveryKind.WEBHOOK:
            hook = self._hooks.get(row.target)
            if hook is None:
                raise Permanent(GONE)
            await post(hook, row.id, content)
        elif row.target not in self._directories:
            raise Permanent(GONE)
        else:
            await asyncio.to_thread(lay_down, Path(row.target), row.name, content, row.id)

    async def _again(self, lease: Lease, row: Work, error: str) -> None:
        limits = self._settings.relay
        due_at = now() + backoff(row.claims, limits.retry_first, limits.retry_longest)
        if due_at > row.give_up_at:
            await self._failed(lease, row, f"given up: {error}")
            return
        waiting = partial(deliveries.tried, state=DeliveryState.WAITING, due_at=due_at, last_error=error[:1000])
        await self._store.write(partial(waiting, lease=lease))
        event("hand_over_retry", row.about, kind=row.kind, to=_place(row), error=error[:300])

    async def _failed(self, lease: Lease, row: Work, error: str) -> None:
        await self._store.write(partial(self._give_up, lease=lease, row=row, error=error))
        event("hand_over_failed", row.about, kind=row.kind, to=_place(row), error=error[:300])

    async def _delivered(self, tx: Tx, *, lease: Lease, row: Work) -> None:
        await deliveries.tried(tx, lease=lease, state=DeliveryState.DELIVERED, due_at=None, last_error="")
        await pushes.settle(tx, row.about)

    async def _give_up(self, tx: Tx, *, lease: Lease, row: Work, error: str) -> None:
        await deliveries.tried(tx, lease=lease, state=DeliveryState.FAILED, due_at=None, last_error=error[:1000])
        alert = self._alerts.mail(
            f"alert-{row.id}",
            "received_not_handed_over",
            about=row.about,
            fax=row.about,
            target=_place(row),
            detail=error,
        )
        await outbox.put(tx, alert)
        await pushes.to_fallback(tx, row.about, "not_handed_over")
        await pushes.settle(tx, row.about)


def _place(row: Work) -> str:
    """Without a query, which often holds a key."""
    return str(row.target).partition("?")[0]
