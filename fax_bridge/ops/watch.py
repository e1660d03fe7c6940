"""Looks once a minute whether something needs a person, and writes to the operator: one mail for each cause and time.

Paused accounts, quarantine and unknown statuses are told by the steps that meet them; here is what no single step sees.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import get_args
from zoneinfo import ZoneInfo

import structlog

from fax_bridge.documents.worker import Documents
from fax_bridge.errors import BridgeError
from fax_bridge.eventlog import event
from fax_bridge.fax import Instant, now
from fax_bridge.mail.alerts import Alerts
from fax_bridge.ops.looping import Loop
from fax_bridge.ops.observer import Facts, Observer
from fax_bridge.ops.working_time import WorkingTime
from fax_bridge.setting_types import Day
from fax_bridge.settings import Settings
from fax_bridge.store import outbox
from fax_bridge.store.store import Store, Tx

log = structlog.get_logger("ops")


@dataclass(frozen=True, slots=True)
class Cause:
    """``name`` is that of the alert's words, and stays the same for as long as the trouble is the same."""

    name: str
    values: dict[str, str] = field(default_factory=dict)


def causes(facts: Facts, settings: Settings, *, at: Instant, since: Instant) -> Iterator[Cause]:
    """What needs a person. ``since``: when we began to look; before that nobody knows that FaxMAX was silent."""
    alerts = settings.alerts
    free = facts.disk_free_bytes
    if free is not None and free < alerts.disk_free_bytes:
        yield Cause("disk_low", {"free": _megabytes(free), "least": _megabytes(settings.smtp.min_free_bytes)})
    if facts.depths is None:
        return  # a database that is away cannot take the mail either
    waits = facts.depths.oldest_fax_at
    if alerts.oldest_fax and waits is not None and at - waits > alerts.oldest_fax * 1000:
        yield Cause("oldest_fax", {"minutes": str((at - waits) // 60_000)})
    last = facts.depths.last_push_at or since
    if alerts.no_push and _working_time(settings).seconds(last, at) > alerts.no_push:
        yield Cause("no_push", {"hours": str((at - last) // 3_600_000)})


def _working_time(settings: Settings) -> WorkingTime:
    alerts, week = settings.alerts, get_args(Day)
    days = frozenset(week.index(day) for day in alerts.working_days)
    return WorkingTime(alerts.working_from, alerts.working_until, days, ZoneInfo(settings.reports.timezone))


class Watch:
    def __init__(
        self, settings: Settings, store: Store, observer: Observer, documents: Documents, alerts: Alerts
    ) -> None:
        self._settings = settings
        self._store = store
        self._observer = observer
        self._documents = documents
        self._alerts = alerts
        self._loop = Loop(settings, store, documents)
        self._since = now()
        self._tested_at = now()
        """The start has tested it."""

    async def forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.alerts.look_every)
            try:
                await self.look()
            except Exception:  # this task's edge: what cannot be told now is told at the next look
                log.exception("the look at the service failed")

    async def look(self) -> None:
        """Write to the operator about every cause that was not told lately."""
        facts = await self._observer.facts()
        found = [*causes(facts, self._settings, at=now(), since=self._since), *await self._self_test()]
        try:
            overdue = await self._loop.look()
        except BridgeError as fault:  # no converter, which the self-test tells of
            log.warning("the loop test could not be sent", fault=str(fault))
            overdue = None
        if overdue:
            found.append(Cause("loop_test", overdue))
        for cause in found:
            if await self._store.write(partial(self._tell, cause=cause)):
                event("alert", cause=cause.name, **cause.values)

    async def _self_test(self) -> list[Cause]:
        every = self._settings.alerts.self_test_every
        if not every or now() - self._tested_at < every * 1000:
            return []
        self._tested_at = now()
        try:
            await self._documents.self_test()
        except BridgeError as fault:
            self._tested_at = 0  # and again at the next look, until it is mended
            return [Cause("self_test", {"detail": str(fault)})]
        return []

    async def _tell(self, tx: Tx, *, cause: Cause) -> bool:
        """Of many nodes that look at the same time one tells: the mail's id is that of the cause and the time."""
        at, repeat = now(), max(1, int(self._settings.alerts.repeat * 1000))
        if await outbox.told_since(tx, about=cause.name, at=at - repeat):
            return False
        mail = self._alerts.mail(f"alert-{cause.name}-{at // repeat}", cause.name, about=cause.name, **cause.values)
        await outbox.put(tx, mail)
        return True


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000} MB"
