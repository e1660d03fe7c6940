"""What becomes of a row whose handler did not come to its end, on both databases."""

import asyncio
from functools import partial

from fax_bridge.fax import now
from fax_bridge.store import outbox
from fax_bridge.store.lease import Lease, LeaseLost, finish
from fax_bridge.store.store import Store
from fax_bridge.store.worker import Work, Worker


async def test_a_row_that_changed_while_it_was_in_hand_is_taken_again_at_once(either_url: str) -> None:
    """A fax that moves while its report is written costs the report a moment, not the length of a lease."""
    store = await Store.open(either_url)
    done = asyncio.Event()
    claims: list[int] = []

    async def handle(lease: Lease, row: Work) -> None:
        claims.append(lease.claims)
        if len(claims) == 1:
            raise LeaseLost("it changed")
        await store.write(partial(finish, lease=lease, due_at=None))
        done.set()

    worker = Worker(store, outbox.MAIL, handle, {None: 1})
    running = asyncio.create_task(worker.run())
    try:
        mail = outbox.NewMail("m", "alert", "", "", ("a@example.com",), b"", now() + 60_000)
        await store.write(partial(outbox.put, mail=mail))
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        await worker.stop(1)
        await running
        await store.close()
    assert claims == [1, 2]
