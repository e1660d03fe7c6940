"""From the 250 to the claim and to the first byte of the POST, one mail with a one-page PDF at a time."""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bridge import bridge
from benchmarks.counterpart import Counterpart
from benchmarks.databases import KINDS, Databases, Kind, databases
from benchmarks.machine import described
from benchmarks.processes import Failed
from benchmarks.replies import expect
from benchmarks.rounds import arguments, chosen, command, quantile, run, say, table, workplace
from benchmarks.smtp_load import DOMAIN, SENDER, write_mail

PATIENCE = 30.0
"""Seconds that a POST may take to begin, or a reply to come."""
SIZE = 10_240
WARM_UP = 5
GAP = (0.2, 0.6)
"""Seconds between mails, so that none meets what the one before left to be done, nor a beat of the daemon's."""
STEPS = {
    "prepare": "claim of the mail, to be converted",
    "submit": "claim of the fax, to be sent",
    "post": "first byte of the POST",
}


@dataclass(slots=True)
class Line:
    """One daemon, the FaxMAX that it sends to, and what was measured."""

    kind: str
    smtp: int
    stamps: Path
    begun: "asyncio.Queue[float]"
    accepted: dict[str, float] = field(default_factory=dict)
    """When the 250 came, by message id."""
    posted: dict[str, float] = field(default_factory=dict)
    waits: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds since the 250, by step."""

    async def send(self, text: bytes, number: int) -> None:
        """One mail, and wait until its fax is on its way. Raises :class:`Failed` where it never is."""
        message_id, at = await self._deliver(text, f"+902162{number:06d}@{DOMAIN}")
        self.accepted[message_id] = at
        try:
            async with asyncio.timeout(PATIENCE):
                self.posted[message_id] = await self.begun.get()
        except TimeoutError:
            raise Failed(f"{self.kind}: no POST within {PATIENCE:.0f} s") from None

    async def _deliver(self, text: bytes, recipient: str) -> tuple[str, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.smtp)
        try:
            async with asyncio.timeout(PATIENCE):
                await expect(reader, b"220")
                for line, code in (
                    ("EHLO bench.example.com", b"250"),
                    (f"MAIL FROM:<{SENDER}>", b"250"),
                    (f"RCPT TO:<{recipient}>", b"250"),
                    ("DATA", b"354"),
                ):
                    writer.write(f"{line}\r\n".encode())
                    await expect(reader, code)
                writer.write(text)
                reply = await expect(reader, b"250")
                at = time.monotonic()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return reply.split()[-1].decode(), at

    def forget(self) -> None:
        """What was measured so far was the warm-up."""
        self.accepted.clear()
        self.posted.clear()

    def read_stamps(self) -> None:
        """Put all together. Raises :class:`Failed` unless each mail was claimed once, and its fax sent once."""
        found = [("post", message_id, at) for message_id, at in self.posted.items()]
        for line in self.stamps.read_text().splitlines():
            step, message_id, seconds = line.split()
            found.append((step, message_id, float(seconds)))
        for step, message_id, at in found:
            if message_id in self.accepted:
                self.waits.setdefault(step, []).append(1000 * (at - self.accepted[message_id]))
        for step in STEPS:
            if len(self.waits[step]) != len(self.accepted):
                raise Failed(f"{self.kind}: {len(self.accepted)} mails, {len(self.waits[step])} times {step}")


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, "asyncio.Queue[float]"]]:
    """A counterpart's port, and the instants at which its POSTs began."""
    begun: asyncio.Queue[float] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Counterpart(begun), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], begun


async def play(kinds: Sequence[Kind], mails: int, directory: Path, made: Databases) -> list[Line]:
    """One daemon for each database, idle but for one mail at a time; whose turn it is, is left to chance."""
    mail = write_mail(directory, "one-page", SIZE)
    text = mail.path.read_bytes().replace(b"\n", b"\r\n") + b".\r\n"
    async with AsyncExitStack() as stack:
        lines = []
        for kind in kinds:
            port, begun = await stack.enter_async_context(listening())
            here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="target-", dir=directory)))
            database = stack.enter_context(made.new(kind))
            stamps = here / "stamps"
            faxmax = f"http://127.0.0.1:{port}/api/v1"
            module = ("benchmarks.stamped", str(stamps))
            one = stack.enter_context(bridge(here, database.url, module=module, faxmax=faxmax))
            lines.append(Line(kind, one.smtp, stamps, begun))
        for number in range(WARM_UP):
            for line in lines:
                await line.send(text, number)
        for line in lines:
            line.forget()
        for number in range(WARM_UP, WARM_UP + mails):
            for line in random.sample(lines, len(lines)):
                await asyncio.sleep(random.uniform(*GAP))
                await line.send(text, number)
            if number % 50 == 0:
                say(f"{number} of {mails} mails")
        for line in lines:
            line.read_stamps()
    return lines


def report(lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        for step, name in STEPS.items():
            waits = line.waits[step]
            numbers = (quantile(waits, 0.5), quantile(waits, 0.99), max(waits))
            rows.append([f"{line.kind}: {name}", *(f"{number:.1f}" for number in numbers)])
    return table(("from the 250 to", "p50, ms", "p99", "longest"), rows)


def main() -> None:
    parser = arguments("latency", __doc__, turns=200, called="mails")
    told = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in chosen(KINDS, told.only)]
    with workplace(told.directory) as directory, databases(directory, tuple(kinds)) as made:
        head = described(command(), directory, made.version)
        lines = asyncio.run(play(kinds, told.turns, directory, made))
    print(f"{head}\n- {told.turns} mails to each, one at a time\n")
    print(report(lines))


if __name__ == "__main__":
    run(main)
