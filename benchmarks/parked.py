"""``fax-bridge`` with some of its queues left alone: ``python -m benchmarks.parked prepare,events serve …``.

What is accepted is committed and its worker is woken, as ever, but nothing is made of it: so the intake can be measured
apart from the conversions that compete with it for the machine. The daemon itself knows nothing of it.
"""

import asyncio
import sys

from fax_bridge.cli import main
from fax_bridge.store.worker import Worker


def park(names: frozenset[str]) -> None:
    run = Worker.run

    async def run_or_rest(worker: Worker) -> None:
        if worker.name in names:
            await asyncio.Event().wait()
        await run(worker)

    Worker.run = run_or_rest  # type: ignore[assignment]  # that is what this launcher is for


if __name__ == "__main__":
    park(frozenset(sys.argv.pop(1).split(",")))
    main()
