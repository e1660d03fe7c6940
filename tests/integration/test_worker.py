"""What becomes of a row whose handler did not come to its end, on both databases."""

import asyncio
import gc
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from fax_bridge.email_to_fax.submit import to_its_end
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


@pytest.mark.parametrize("fault", [LeaseLost("fax F1"), OSError("gone")], ids=["lease lost", "database gone"])
async def test_an_outcome_that_nobody_waits_for_any_more_tells_what_became_of_it(fault: Exception) -> None:
    """Once, by our log, and not as an exception that was never retrieved."""
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    go_on = asyncio.Event()

    async def write() -> None:
        await go_on.wait()
        raise fault

    with capture_logs() as logs:
        handler = asyncio.create_task(to_its_end("F1", write()))
        await asyncio.sleep(0)
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        go_on.set()
        await asyncio.sleep(0.05)
        gc.collect()
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("lease lost", "warning") if isinstance(fault, LeaseLost) else ("outcome not written", "error")
    ]
    assert not unheard


async def test_an_outcome_is_written_although_its_handler_is_ended() -> None:
    """A stop of the daemon, or a lease that ran out, takes back nothing that FaxMAX did."""
    go_on, done = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await go_on.wait()
        done.set()

    handler = asyncio.create_task(to_its_end("F1", write()))
    await asyncio.sleep(0)
    handler.cancel()
    await asyncio.gather(handler, return_exceptions=True)
    go_on.set()
    await asyncio.wait_for(done.wait(), 5)
