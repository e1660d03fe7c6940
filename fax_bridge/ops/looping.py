"""Sends the test fax to the account's own number when it is time, and tells whether the last one came back."""

from ulid import ULID

from fax_bridge.documents.worker import Documents
from fax_bridge.eventlog import event
from fax_bridge.fax import RcptDsn, now
from fax_bridge.loop_test import mail_of
from fax_bridge.numbers import read_number
from fax_bridge.settings import Settings
from fax_bridge.store import intake, loop_tests
from fax_bridge.store.audit import Line
from fax_bridge.store.intake import NewFax, NewMessage
from fax_bridge.store.store import Store


class Loop:
    def __init__(self, settings: Settings, store: Store, documents: Documents) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents

    async def look(self) -> dict[str, str] | None:
        """Send one if it is time; what the alert has to say where the newest is overdue."""
        alerts = self._settings.alerts
        if not alerts.loop_test_every:
            return None
        async with self._store.read() as conn:
            newest = await loop_tests.newest(conn)
        at = now()
        if newest is None or newest.sent_at <= at - alerts.loop_test_every * 1000:
            await self._send()
        if newest is None or newest.is_home or newest.sent_at > at - alerts.loop_test_within * 1000:
            return None
        minutes = int(alerts.loop_test_within // 60)
        return {"fax": newest.fax_id, "minutes": str(minutes), "state": newest.state}

    async def _send(self) -> None:
        """A fax like any other from here on, but for its sender, whom nobody tells anything."""
        settings, at = self._settings, now()
        number = read_number(settings.faxmax.cli, settings.numbers.region)
        message_id, fax_id, to = str(ULID()), str(ULID()), f"{number}@{settings.smtp.domains[0]}"
        sender = settings.inbound.fallback
        new = NewMessage(
            id=message_id,
            account=settings.faxmax.account_names[0],
            mail_from=sender,
            client="127.0.0.1",
            content=await mail_of(fax_id, self._documents, sender=sender, to=to, at=at),
            language=settings.reports.language,
            options={"cover": "off"},
            give_up_at=at + int(settings.alerts.loop_test_within * 1000),
            faxes=(NewFax(fax_id, number, (to,), loop_tests.KEY, {to: RcptDsn("NEVER")}),),
            line=Line(
                "accepted", "fax-bridge", "alerts.loop_test_every", message_id, int(settings.retention.audit * 1000)
            ),
            # Another node that found it is time, too, hears that the fax is there.
            repeat_window=int(settings.alerts.loop_test_every * 1000),
        )
        accepted = await self._store.write_each(intake.accept, new)
        if accepted.faxes:
            event("loop_test", fax_id, outcome="sent", to=number)
