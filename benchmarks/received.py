"""A received fax of three pages, from its push to the 250 of the site's mail server: one at a time, and many."""

import asyncio
import base64
import contextlib
import itertools
import json
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.bridge import SECRET, bridge
from benchmarks.databases import KINDS, Databases, Kind, databases
from benchmarks.machine import described
from benchmarks.processes import Failed, cpu_seconds
from benchmarks.rounds import arguments, chosen, command, quantile, run, say, table, workplace
from benchmarks.site_relay import SiteRelay, Taken
from benchmarks.tiff import fax

PAGES = 3
WARM_UP = 5
PATIENCE = 120.0
"""Seconds that a mail may take to come."""
GAP = (0.2, 0.6)
"""Seconds between faxes, so that none meets what the one before left to be done."""
PUSHERS = 8
"""Connections that push at once when it is about how many."""

_CALLER = re.compile(rb"90216(\d{7})")


@dataclass(slots=True)
class Line:
    """One daemon, the mail server behind it, and what was measured."""

    kind: str
    webhook: int
    pids: tuple[int, ...]
    taken: "asyncio.Queue[Taken]"
    waits: list[float] = field(default_factory=list)
    """Milliseconds from the first byte of the push to the relay's 250."""
    answers: list[float] = field(default_factory=list)
    """Milliseconds to the webhook's own 200."""
    rate: float = 0.0
    """Faxes per second, many at once, from the first push to the last 250."""
    cpu: float = 0.0
    """Milliseconds of processor time of all processes for each of these."""

    async def push(self, client: httpx.AsyncClient, number: int, content: str) -> float:
        """One fax from the caller ``90216…number``; when its push began. Raises :class:`Failed` where it is no 200."""
        body = json.dumps([element(number, content)]).encode()
        began = time.monotonic()
        answer = await client.post(f"http://127.0.0.1:{self.webhook}/push/{SECRET}", content=body)
        if answer.status_code != 200:
            raise Failed(f"{self.kind}: the push got {answer.status_code}")
        self.answers.append(1000 * (time.monotonic() - began))
        return began

    async def mail(self) -> tuple[int, float]:
        """The next mail: its caller's number, and when its 250 left."""
        try:
            async with asyncio.timeout(PATIENCE):
                mail = await self.taken.get()
        except TimeoutError:
            raise Failed(f"{self.kind}: no mail within {PATIENCE:.0f} s") from None
        found = _CALLER.search(mail.content)
        if not found or b"application/pdf" not in mail.content:
            raise Failed(f"{self.kind}: a mail that brings no fax")
        return int(found[1]), mail.at


def element(number: int, content: str) -> dict[str, object]:
    return {
        "type": "INCOMING_FAX",
        "id": f"in-{number}-{random.randbytes(6).hex()}",
        "account_id": "1",
        "account_name": "bench",
        "cli": f"90216{number:07d}",
        "cld": "902162222525",
        "status": "received",
        "requested_on": "2026-11-25 10:00:00",
        "page_count": PAGES,
        "remote_station_id": "BENCH",
        "content": content,
    }


@contextlib.asynccontextmanager
async def site_relay() -> AsyncIterator[tuple[int, "asyncio.Queue[Taken]"]]:
    taken: asyncio.Queue[Taken] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: SiteRelay(taken), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], taken


async def play(kinds: Sequence[Kind], faxes: int, burst: int, directory: Path, made: Databases) -> list[Line]:
    content = base64.b64encode(fax("G3", PAGES)).decode()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=60.0, trust_env=False))
        lines = []
        for kind in kinds:
            port, taken = await stack.enter_async_context(site_relay())
            here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="target-", dir=directory)))
            database = stack.enter_context(made.new(kind))
            one = stack.enter_context(bridge(here, database.url, relay=f"smtp://127.0.0.1:{port}"))
            lines.append(Line(kind, one.webhook, (one.pid, *database.pids), taken))
        numbers = itertools.count(4_440_000)
        await _one_at_a_time(lines, client, numbers, content, WARM_UP)
        for line in lines:
            line.waits.clear()
            line.answers.clear()
        await _one_at_a_time(lines, client, numbers, content, faxes)
        for line in lines:
            say(f"{line.kind}: {burst} at once")
            await _many_at_once(line, client, numbers, content, burst)
    return lines


async def _one_at_a_time(
    lines: Sequence[Line], client: httpx.AsyncClient, numbers: "itertools.count[int]", content: str, faxes: int
) -> None:
    for _ in range(faxes):
        for line in random.sample(lines, len(lines)):
            await asyncio.sleep(random.uniform(*GAP))
            number = next(numbers)
            began = await line.push(client, number, content)
            caller, at = await line.mail()
            if caller != number:
                raise Failed(f"{line.kind}: the mail of another fax")
            line.waits.append(1000 * (at - began))


async def _many_at_once(
    line: Line, client: httpx.AsyncClient, numbers: "itertools.count[int]", content: str, burst: int
) -> None:
    waiting = [next(numbers) for _ in range(burst)]
    expected = set(waiting)

    async def pusher() -> None:
        while waiting:
            await line.push(client, waiting.pop(), content)

    answers = len(line.answers)
    cpu, began = cpu_seconds(line.pids), time.monotonic()
    pushers = [asyncio.create_task(pusher()) for _ in range(PUSHERS)]
    last = began
    for _ in range(burst):
        caller, last = await line.mail()
        expected.discard(caller)
    await asyncio.gather(*pushers)
    if expected:
        raise Failed(f"{line.kind}: {len(expected)} faxes brought no mail, or one twice")
    line.rate, line.cpu = burst / (last - began), 1000 * (cpu_seconds(line.pids) - cpu) / burst
    del line.answers[answers:]


def report(lines: Sequence[Line]) -> str:
    one = [
        [
            f"{line.kind}: {name}",
            *(f"{number:.0f}" for number in (quantile(waits, 0.5), quantile(waits, 0.99), max(waits))),
        ]
        for line in lines
        for name, waits in (("the webhook's 200", line.answers), ("the relay's 250", line.waits))
    ]
    many = [[line.kind, f"{line.rate:.1f}", f"{line.cpu:.0f}"] for line in lines]
    first = table(("one at a time: from the push to", "p50, ms", "p99", "longest"), one)
    return f"{first}\n\n{table(('many at once', 'faxes/s', 'CPU ms/fax'), many)}"


def main() -> None:
    parser = arguments("received", __doc__, turns=60, called="faxes")
    parser.add_argument("--burst", type=int, default=100, help="faxes at once [default: %(default)s]")
    told = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in chosen(KINDS, told.only)]
    with workplace(told.directory) as directory, databases(directory, tuple(kinds)) as made:
        head = described(command(), directory, made.version)
        lines = asyncio.run(play(kinds, told.turns, told.burst, directory, made))
    print(f"{head}\n- {PAGES} pages of text with a halftone, G3; {told.turns} one at a time, {told.burst} at once\n")
    print(report(lines))


if __name__ == "__main__":
    run(main)
