"""No fax waits for ever: its lifetime in the queue ends, and so does the time for which it may be held."""

import asyncio
from functools import partial

import structlog

from fax_bridge.eventlog import event
from fax_bridge.fax import FaxState, ResultClass
from fax_bridge.settings import FaxMax
from fax_bridge.store import faxes
from fax_bridge.store.store import Store

log = structlog.get_logger("expire")


async def expire_forever(store: Store, settings: FaxMax) -> None:
    """Faxes of a paused account are never claimed, but their lifetime ends all the same."""
    while True:
        try:
            for fax_id in await store.write(faxes.expire):
                event("ended", fax_id, state=FaxState.FAILED, result=ResultClass.EXPIRED)
        except Exception:  # this task's edge: a database out of reach is waited out
            log.exception("expiry failed")
        await asyncio.sleep(min(30.0, max(0.2, settings.queue_lifetime / 10)))


async def expire_held_forever(store: Store, settings: FaxMax) -> None:
    """Looked at seldom, for what is held waits for days; one that is released meanwhile is left alone."""
    while True:
        try:
            async with store.read() as conn:
                over = await faxes.held_too_long(conn)
            for fax_id in over:
                if await store.write(partial(faxes.held_over, fax_id=fax_id)):
                    event("ended", fax_id, state=FaxState.CANCELLED, result=ResultClass.CANCELLED)
        except Exception:  # this task's edge, as above
            log.exception("expiry of held faxes failed")
        await asyncio.sleep(min(600.0, max(0.2, settings.held_for / 10)))
