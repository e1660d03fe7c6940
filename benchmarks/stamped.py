"""``fax-bridge`` that notes when a handler gets its row: ``python -m benchmarks.stamped FILE serve --config FILE``.

A line for each, ``prepare MESSAGE SECONDS`` or ``submit MESSAGE SECONDS``, by the clock that all processes of a machine
share. The handlers are called as soon as their claim is committed.
"""

import os
import sys
import time

from fax_bridge.cli import main
from fax_bridge.email_to_fax.prepare import Preparer
from fax_bridge.email_to_fax.submit import Submitter
from fax_bridge.store.lease import Lease
from fax_bridge.store.worker import Work


def stamp(path: str) -> None:
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    prepare, submit = Preparer.handle, Submitter.handle_queued

    async def stamped_prepare(self: Preparer, lease: Lease, row: Work) -> None:
        os.write(out, f"prepare {row.id} {time.monotonic():.6f}\n".encode())
        await prepare(self, lease, row)

    async def stamped_submit(self: Submitter, lease: Lease, row: Work) -> None:
        os.write(out, f"submit {row.message_id} {time.monotonic():.6f}\n".encode())
        await submit(self, lease, row)

    Preparer.handle = stamped_prepare  # type: ignore[method-assign]  # that is what this launcher is for
    Submitter.handle_queued = stamped_submit  # type: ignore[method-assign]


if __name__ == "__main__":
    stamp(sys.argv.pop(1))
    main()
