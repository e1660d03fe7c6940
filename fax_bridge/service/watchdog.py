"""The sign of life: while it comes, our own parts work. The database, FaxMAX and the relay are not among them, for a
restart would mend none of them; whether *they* work is told by ``/readyz`` and the alerts.
"""

import asyncio
from collections.abc import Callable

import structlog

from fax_bridge.service.notify import Notifier

log = structlog.get_logger("service")


class LoopLag:
    """How late the event loop comes to what is due: the time that every client waits in addition."""

    def __init__(self, seen: Callable[[float], object], every: float = 1.0) -> None:
        """``seen`` is called with each measured delay in seconds."""
        self._seen = seen
        self._every = every

    async def forever(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + self._every
            await asyncio.sleep(self._every)
            self._seen(max(0.0, clock() - due))


async def beat_forever(notifier: Notifier, what_is_dead: Callable[[], list[str]]) -> None:
    """Tell the manager that we live, three times as often as it asks for, for as long as nothing of ours is dead.

    That this runs at all proves the event loop; ``what_is_dead`` names the listeners that do not listen and the tasks
    that have ended. Where it names any, no sign is given, and the manager starts us anew.
    """
    told: list[str] = []
    while True:
        dead = what_is_dead()
        if dead and dead != told:
            log.error("no sign of life is given", dead=dead)
        told = dead
        if not dead:
            notifier.alive()
        await asyncio.sleep(notifier.watchdog / 3)
