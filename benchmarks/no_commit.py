"""The peer of the pushes: the bridge's own webhook on the same server and loop, with a store that commits nothing.

Started with the daemon's words, ``python -m benchmarks.no_commit serve --config FILE``; it takes no mail.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

from fax_bridge.daemon import run
from fax_bridge.eventlog import set_up
from fax_bridge.fax_to_email.webhook import webhook
from fax_bridge.http_listener import HttpListener
from fax_bridge.setting_sources import load
from fax_bridge.store.store import Store


class NoStore:
    """Answers at once."""

    healthy = True

    async def write_each(self, _work: object, _item: object) -> None:
        return None


async def serve() -> None:
    settings = load(Path(sys.argv[-1]))
    set_up(settings.log.format, settings.log.level)

    async def ready() -> bool:
        return True

    where = settings.webhook.listen[0]
    listener = HttpListener(webhook(settings, cast("Store", NoStore()), ready), where.host, where.port)
    await listener.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(serve)
