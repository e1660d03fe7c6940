"""Two daemons, processes of their own, on one PostgreSQL and one FaxMAX account."""

import asyncio
import smtplib
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from fax_bridge.fax import FaxState
from fax_bridge.store.schema import fax
from fax_bridge.store.store import Store
from tests.chaos.node import Node, Place, place
from tests.chaos.storm import faxmax, running_at_last

MOST, FAXES = 2, 8
STALLS = "0009"
"""Last digits of a number that the sandbox answers nothing about for as long as the client waits, 1.5 s here."""


def send(to: Place) -> None:
    with smtplib.SMTP("127.0.0.1", to.smtp, timeout=10) as smtp:
        numbers = [f"90216{30 + n}0{STALLS}@fax.example.com" for n in range(FAXES)]
        smtp.sendmail("ayse@example.com", numbers, b"Subject: x\r\n\r\nSome text.\r\n")


async def count(store: Store, *states: FaxState) -> int:
    async with store.read() as conn:
        rows = await conn.execute(select(func.count()).where(fax.c.state.in_(states)))
        return int(rows.scalar_one())


@pytest.mark.slow
async def test_two_daemons_together_never_hold_more_posts_than_the_account_takes(
    tmp_path: Path, postgresql_url: str
) -> None:
    """Eight faxes, each a POST of 1.5 seconds, two at once: neither node adds its own two."""
    async with faxmax() as sandbox:
        places = [place(tmp_path, postgresql_url, sandbox.url) for _ in range(2)]
        nodes = [Node(where) for where in places]
        for where in places:
            path = tmp_path / f"node-{where.smtp}.toml"
            path.write_text(path.read_text().replace("[webhook]", f"max_concurrent = {MOST}\n[webhook]"))
        async with running_at_last(*nodes):
            for node in nodes:
                await node.start()
                await node.ready()
            store = await Store.open(postgresql_url, exclusive=False)
            try:
                await asyncio.to_thread(send, places[0])
                most, end = 0, time.monotonic() + 30
                while await count(store, FaxState.QUEUED, FaxState.SUBMITTING) and time.monotonic() < end:
                    most = max(most, await count(store, FaxState.SUBMITTING))
                    await asyncio.sleep(0.02)
            finally:
                await store.close()
            sent_by = [node.words["unknown"] for node in nodes]
    assert most == MOST
    assert sum(sent_by) >= FAXES, sent_by
