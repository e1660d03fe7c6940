"""The crash storm: traffic flows while the daemon is killed again and again; then the sum has to be right.

Where it is killed is drawn from a seed: at a moment of its start, or shortly after it has told some event. What
the machine makes of that moment is never the same twice, so a seed repeats the plan and not the run.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax import sandbox_push
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.store.store import Store
from tests.chaos.books import Books, open_books
from tests.chaos.node import Node, Place, place
from tests.chaos.traffic import OUR_NUMBER, Ledger, Traffic
from tests.chaos.verdict import breaches

LEASE_MS = 1500
"""On PostgreSQL, where a dead node's leases have to run out before its work goes on."""

SETTLES_WITHIN = 90.0
"""Seconds from the last start until nothing may wait any more; a long storm leaves more behind, and has more."""

WORDS = (
    "started", "accepted", "document", "submitted", "unknown", "retry", "status", "push", "fax_received", "converted",
    "ended", "mailed",
)  # fmt: skip
"""Events of the daemon after which it is killed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """``delay`` seconds after the ``count``-th such event of a life; with no word, after the start of its process."""

    word: str
    count: int
    delay: float
    patience: float
    """Seconds from taking mail that the event is waited for."""


@dataclass(frozen=True, slots=True)
class Bounds:
    kills: int
    seed: int
    mails: float = 1.0
    """For each life, on the average; each goes to two recipients or fewer."""
    pushes: float = 0.5
    """Received faxes for each life."""


@dataclass(slots=True)
class Outcome:
    """What came of a storm; ``breaches`` is empty when the sum is right."""

    ledger: Ledger
    books: Books
    breaches: list[str]
    errors: list[str]
    """What the daemons logged as errors; a storm gives them no reason to."""
    kills: Counter[str] = field(default_factory=Counter)
    """By what the daemon had told last."""
    seconds: float = 0.0
    settling: float = 0.0
    """Seconds of them from the last kill until nothing waited any more."""

    def told(self) -> str:
        """The counts, a line for each, for a result that is kept."""
        books, ledger = self.books, self.ledger
        states = Counter(f"{row.state}/{row.result}" for row in books.faxes)
        corrections = sum(name.startswith("correction-") for name in books.mailbox)
        twice = len(books.sandbox) - len({fax["api_id"] for fax in books.sandbox})
        unconverted = sum(bool(row.problem) for row in books.received)
        lines = {
            "kills": f"{self.kills.total()} in {self.seconds:.0f} s, of which {self.settling:.0f} to settle at last",
            "killed at": _listed(self.kills),
            "mails that got 250": f"{sum(mail.accepted for mail in ledger.mails)} of {len(ledger.mails)}",
            "repeated by their client": str(ledger.repeats),
            "faxes": f"{len(books.faxes)}: {_listed(states)}",
            "accepted by FaxMAX": f"{len(books.sandbox)}, {twice} of them twice",
            "pushes that got 200": f"{sum(push.taken for push in ledger.pushes)} of {len(ledger.pushes)}",
            "mails in the mailbox": f"{len(books.mailbox)}, {corrections} of them corrections",
            "faxes mailed as they came": str(unconverted),
            "errors in the log": str(len(self.errors)),
            "breaches": "\n".join(["none"] if not self.breaches else ["", *self.breaches]),
        }
        return "\n".join(f"{name + ':':<27}{value}" for name, value in lines.items())


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


@asynccontextmanager
async def faxmax(listen: str = "127.0.0.1:0") -> AsyncIterator[Sandbox]:
    """FaxMAX, which lives through it all and remembers every fax."""
    settings = SandboxSettings(
        listen=listen, token="T0KEN-pl4nted", numbers=(OUR_NUMBER,), pace=0.02, kept_faxes=1_000_000
    )
    patience = sandbox_push._LONGEST_DELAY  # noqa: SLF001 — pushes come again within a second here, not half a minute
    sandbox_push._LONGEST_DELAY = 1.0  # noqa: SLF001 — the same
    async with Documents() as documents:
        sandbox = Sandbox(settings, documents)
        await sandbox.start()
        try:
            yield sandbox
        finally:
            await sandbox.stop()
            sandbox_push._LONGEST_DELAY = patience  # noqa: SLF001 — the same


async def storm(directory: Path, database: str, bounds: Bounds) -> Outcome:
    """Kill the daemon ``bounds.kills`` times. ``database`` is what ``store.url`` takes."""
    begun = time.monotonic()
    async with faxmax() as sandbox:
        where = place(directory, database, sandbox.url)
        sandbox.notify_url = where.push_url
        node = Node(where, lease_ms=LEASE_MS if database.startswith("postgresql") else None)
        traffic = Traffic(bounds.seed, lambda: [where])
        async with running_at_last(node):
            async with asyncio.TaskGroup() as group:
                kills = await _kill_often(node, bounds, traffic, group)
                died_last = time.monotonic()
                await node.start()
                await node.ready()
            books = await settled(where, sandbox.url, within=SETTLES_WITHIN + bounds.kills)
    outcome = Outcome(traffic.ledger, books, breaches(traffic.ledger, books), list(node.errors), kills)
    outcome.seconds, outcome.settling = time.monotonic() - begun, time.monotonic() - died_last
    return outcome


@asynccontextmanager
async def running_at_last(*nodes: Node) -> AsyncIterator[None]:
    """Those that are alive when the block is over are stopped, and have to end well; none outlives it."""
    try:
        yield
        for node in nodes:
            if node.is_alive:
                assert await node.stop() == 0, node.last_words()
    finally:
        for node in nodes:
            if node.is_alive:
                await node.kill()


async def _kill_often(node: Node, bounds: Bounds, traffic: Traffic, group: asyncio.TaskGroup) -> Counter[str]:
    rng = Random(bounds.seed)  # noqa: S311 — to be had again by its seed
    kills: Counter[str] = Counter()
    for _ in range(bounds.kills):
        for _ in range(_about(bounds.mails, rng)):
            group.create_task(traffic.mail(after=2.0))
        for _ in range(_about(bounds.pushes, rng)):
            group.create_task(traffic.push(after=2.0))
        kills[await _live_and_die(node, _plan(rng))] += 1
    return kills


async def _live_and_die(node: Node, plan: Kill) -> str:
    """One life of the daemon; the word that it was killed at."""
    await node.start()
    if plan.word:
        await node.ready()
        with suppress(TimeoutError):
            await node.reaches(plan.word, plan.count, plan.patience)
    await asyncio.sleep(plan.delay)
    word = plan.word if node.words[plan.word] >= plan.count else "work"
    await node.kill()
    return word or "start"


def _about(mean: float, rng: Random) -> int:
    """A whole number, ``mean`` on the average."""
    return int(mean + rng.random())


def _plan(rng: Random) -> Kill:
    if rng.random() < 0.2:
        return Kill("", 0, rng.uniform(0.1, 1.2), 0.0)
    delay = rng.choice((0.0, rng.uniform(0, 0.02), rng.uniform(0, 0.2)))
    return Kill(rng.choice(WORDS), rng.randint(1, 2), delay, rng.choice((0.3, 0.6, 0.6, 1.5)))


async def settled(where: Place, sandbox_url: str, *, within: float = SETTLES_WITHIN) -> Books:
    """The books once nothing waits in them any more, or as they are when the time is over."""
    store = await Store.open(where.database, exclusive=False)

    async def look() -> Books:
        return await open_books(store, sandbox_url, where)

    try:
        return await _quiet(look, within)
    finally:
        await store.close()


async def _quiet(look: Callable[[], Awaitable[Books]], within: float) -> Books:
    end = time.monotonic() + within
    books, quiet = await look(), 0
    # Twice in a row: a push may come between two steps that both look finished.
    while quiet < 2 and time.monotonic() < end:
        await asyncio.sleep(0.7)
        books = await look()
        quiet = 0 if books.unsettled() else quiet + 1
    return books
