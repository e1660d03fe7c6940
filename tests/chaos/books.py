"""What there is to be seen when the storm is over: the database's rows, FaxMAX's faxes, the mailbox."""

import email
from collections.abc import Sequence
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Row, Table, select

from fax_bridge.fax import FAX_ENDS, DeliveryState, MessageState, OutboxState, PushState, ReceivedState
from fax_bridge.store import schema
from fax_bridge.store.store import Store
from tests.chaos.node import Place

SILENT = "0013"
"""The sandbox never pushes anything about a fax to such a number."""


@dataclass(frozen=True, slots=True)
class Books:
    messages: Sequence[Row[Any]]
    faxes: Sequence[Row[Any]]
    events: Sequence[Row[Any]]
    pushes: Sequence[Row[Any]]
    statuses: Sequence[Row[Any]]
    received: Sequence[Row[Any]]
    outbox: Sequence[Row[Any]]
    sandbox: Sequence[dict[str, Any]]
    """``/sandbox/faxes``: all that FaxMAX ever accepted."""
    mailbox: dict[str, EmailMessage]
    """By file name, which is the outbox id."""
    folder: dict[str, bytes]
    """The received faxes that were laid down, by file name; hidden names too."""
    notices: Sequence[Row[Any]] = ()
    deliveries: Sequence[Row[Any]] = ()
    bounces: Sequence[Row[Any]] = ()
    audit: Sequence[Row[Any]] = ()
    charged: int = 0
    """Faxes that the limit of the site has counted."""

    def unsettled(self) -> list[str]:
        """What still waits for something, a line for each."""
        open_rows = [
            *(f"fax {row.id} +{row.number} is {row.state}" for row in self.faxes if row.state not in FAX_ENDS),
            *(f"message {row.id} is {row.state}" for row in self.messages if row.state not in _TOLD),
            *(f"push {row.id} is {row.state}" for row in self.pushes if row.state == PushState.STORED),
            *(f"received {row.id} is {row.state}" for row in self.received if row.state not in _MAILED),
            *(f"mail {row.id} is {row.state}" for row in self.outbox if row.state == OutboxState.WAITING),
            *(f"notice {row.id} is due" for row in self.notices if row.due_at is not None),
            *(f"delivery {row.id} is {row.state}" for row in self.deliveries if row.state == DeliveryState.WAITING),
        ]
        told = {row.provider_id for row in self.statuses if row.final}
        untold = [fax for fax in self.sandbox if fax["status"] in {"DELIVERED", "FAILED"} and fax["fax_id"] not in told]
        pushing = [f"fax {fax['fax_id']} +{fax['phone']} has a push to come" for fax in untold if not _is_silent(fax)]
        going = [f"fax {fax['fax_id']} +{fax['phone']} is {fax['status']} at FaxMAX" for fax in self._under_way()]
        return open_rows + pushing + going

    def _under_way(self) -> list[dict[str, Any]]:
        return [fax for fax in self.sandbox if fax["status"] in {"QUEUED", "SENDING"}]


_TOLD = frozenset({MessageState.REPORTED, MessageState.CORRECTED})
_MAILED = frozenset({ReceivedState.MAILED, ReceivedState.FAILED})


def _is_silent(fax: dict[str, Any]) -> bool:
    return str(fax["phone"]).endswith(SILENT)


async def open_books(store: Store, sandbox_url: str, where: Place) -> Books:
    """``store`` is opened beside the daemon; the rows come without their large columns."""
    async with store.read() as conn:
        if store.shared:  # all tables as they were at one moment, as SQLite shows them anyway
            await conn.execution_options(isolation_level="REPEATABLE READ")

        async def rows(table: Table) -> Sequence[Row[Any]]:
            light = [column for column in table.c if column.name not in {"content", "body", "tiff"}]
            return (await conn.execute(select(*light).order_by(*table.primary_key.columns))).all()

        messages, faxes, events = await rows(schema.message), await rows(schema.fax), await rows(schema.fax_event)
        pushes, statuses = await rows(schema.push), await rows(schema.status)
        received, outbox = await rows(schema.received), await rows(schema.outbox)
        notices, deliveries = await rows(schema.notice), await rows(schema.delivery)
        bounces, audit = await rows(schema.bounce), await rows(schema.audit)
        charged = sum(row.level for row in await rows(schema.quota))
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        sandbox = (await http.get(sandbox_url.replace("/api/v1", "/sandbox/faxes"))).json()
    folder = {path.name: path.read_bytes() for path in sorted(where.folder.iterdir())}
    return Books(
        messages, faxes, events, pushes, statuses, received, outbox, sandbox, _mails(where.mailbox), folder,
        notices, deliveries, bounces, audit, charged,
    )  # fmt: skip


def _mails(mailbox: Path) -> dict[str, EmailMessage]:
    paths = sorted(mailbox.glob("*")) if mailbox.is_dir() else []
    return {
        path.name.removesuffix(".fax-bridge"): email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in paths
    }
