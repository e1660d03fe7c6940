"""The machine's clock is set while traffic flows: an hour back, two hours forward, and right again."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fax_bridge.faxmax.sandbox import Sandbox
from tests.chaos.node import Node, place
from tests.chaos.storm import Outcome, faxmax, running_at_last, settled
from tests.chaos.traffic import Traffic, mail_to
from tests.chaos.verdict import breaches

FATES = ("", "0001", "0005", "0013", "0015")
"""Those whose end can be known whatever the clock says. A fax whose answer is lost (0009) is adopted by FaxMAX's time
and ours, which have to agree: with a clock that is an hour off it stays ``uncertain``, and that is honest."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a process that is started with :attr:`environment` (libfaketime); the steady clocks stay true."""

    file: Path
    library: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else each timed wait ends at once, and every thread spins
        }

    def set(self, offset: str) -> None:
        """``-1h`` is an hour behind the machine's clock."""
        new = self.file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.replace(self.file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        missing = pytest.fail if os.environ.get("FAX_BRIDGE_CI") else pytest.skip
        missing("libfaketime is missing; scripts/ci-packages brings it")
    made = Clock(tmp_path / "clock", found[0])
    made.set("+0")
    return made


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with faxmax() as running:
        yield running


@pytest.mark.slow
async def test_a_clock_that_is_set_loses_nothing_doubles_nothing_and_lets_nothing_wait(
    tmp_path: Path, clock: Clock, sandbox: Sandbox
) -> None:
    """What waits for a moment, and what is in hand, goes on in the seconds that it would have waited anyway."""
    where = place(tmp_path, f"sqlite:///{tmp_path}/fax-bridge.db", sandbox.url)
    sandbox.notify_url = where.push_url
    node = Node(where, environment=clock.environment)
    traffic = Traffic(7, lambda: [where])

    async with running_at_last(node):
        await node.start()
        await node.ready()
        async with asyncio.TaskGroup() as group:
            for step, offset in enumerate(("-1h", "+1h", "+0"), 1):
                for fate in FATES:
                    mail = mail_to((traffic.number(fate),), len(traffic.ledger.mails))
                    traffic.ledger.mails.append(mail)
                    group.create_task(traffic.deliver(mail))
                group.create_task(traffic.push(after=0.5))
                await asyncio.sleep(0.8)
                clock.set(offset)
                await node.reaches("the clock was set", step, 5)
        books = await settled(where, sandbox.url, within=20)
    # Whether a fax moved after its report cannot be told by the times of such a clock.
    wrong = [breach for breach in breaches(traffic.ledger, books) if "moved after its report" not in breach]
    outcome = Outcome(traffic.ledger, books, wrong, list(node.errors))
    told = outcome.told()
    assert not outcome.breaches, told
    assert not outcome.errors, "\n".join([told, *outcome.errors])
