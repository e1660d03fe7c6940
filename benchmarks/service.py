"""``scripts/benchmarks service``: how soon it is ready, how much memory it takes idle, and whom a restart refuses.

Under the service manager in small of the tests, which speaks systemd's protocols over real sockets.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import described
from benchmarks.processes import cpu_seconds
from tests.service.manager import Service, listening, service, write_settings

CLIENTS = 8
SOON = 2.0
SETTLE = 65.0
"""Seconds after which it is idle: its fork server ends a minute after the last document, here that of its self-test."""


@dataclass
class Clients:
    """Each greets, waits for the answer to its EHLO and leaves, again and again."""

    port: int
    over: bool = False
    waits: list[float] = field(default_factory=list)
    turned_away: int = 0
    """Greeted by one that is stopping, with 421: mail servers come again."""
    refused: int = 0

    async def one(self) -> None:
        while not self.over:
            began = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"EHLO benchmark\r\n")
                greeting, reply = await reader.readline(), await reader.readline()
                writer.close()
            except OSError:
                self.refused += 1
                continue
            if greeting.startswith(b"220") and reply.startswith(b"250"):
                self.waits.append(time.monotonic() - began)
            else:
                self.turned_away += 1
            await asyncio.sleep(0.005)


def shared_out_memory(pid: int) -> float:
    """MB of a process, pages that it shares counted in part (proc(5), ``Pss``)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def ready(daemon: Service, began: float) -> tuple[float, float]:
    """Seconds by the clock, and of the processor, until it was ready."""
    await daemon.until("READY", 60)
    return time.monotonic() - began, cpu_seconds([daemon.process.pid])


async def starts(directory: Path, rounds: int) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = []
    for _ in range(rounds):
        began = time.monotonic()
        async with service(directory) as daemon:
            wall, cpu = await ready(daemon, began)
            await asyncio.sleep(SOON)
            sooner = shared_out_memory(daemon.process.pid)
            forks_sooner = sum(map(shared_out_memory, children(daemon.process.pid)))
            await asyncio.sleep(SETTLE)
            forks = sum(map(shared_out_memory, children(daemon.process.pid)))
            rows.append((wall, cpu, sooner, forks_sooner, shared_out_memory(daemon.process.pid), forks))
            await daemon.stop()
    return rows


async def restarts(directory: Path, rounds: int) -> Clients:
    with listening() as listener:
        clients = Clients(listener.getsockname()[1])
        tasks: list[asyncio.Task[None]] = []
        for turn in range(rounds + 1):
            async with service(directory, {"smtp": listener}) as daemon:
                await daemon.until("READY", 60)
                if not turn:
                    tasks = [asyncio.create_task(clients.one()) for _ in range(CLIENTS)]
                await asyncio.sleep(1)
                clients.over = turn == rounds
                if clients.over:
                    await asyncio.gather(*tasks)
                await daemon.stop()
    return clients


async def measure(directory: Path, rounds: int) -> None:
    write_settings(directory)
    print(described("scripts/benchmarks service", directory))
    rows = await starts(directory, rounds)
    print(
        f"- {rounds} starts and {rounds} restarts under {CLIENTS} clients;"
        f" memory is Pss, {SOON:.0f} and {SETTLE:.0f} s after ready\n"
    )
    names = (
        "start to ready, s", "its processor time, s", "soon, daemon, MB", "soon, fork server, MB", "idle, daemon, MB",
        "idle, fork server, MB",
    )  # fmt: skip
    print("| | median | longest |\n|---|--:|--:|")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        print(f"| {name} | {statistics.median(column):.2f} | {max(column):.2f} |")
    clients = await restarts(directory, rounds)
    print(f"| wait of a client for its EHLO, s | {statistics.median(clients.waits):.3f} | {max(clients.waits):.2f} |\n")
    print(f"{len(clients.waits)} greeted, {clients.turned_away} turned away with 421, {clients.refused} refused.")


if __name__ == "__main__":
    words = argparse.ArgumentParser()
    words.add_argument("--directory", type=Path, default=Path("/var/tmp"))  # noqa: S108 — a disk, not memory
    words.add_argument("--rounds", type=int, default=5)
    told = words.parse_args()
    os.umask(0o077)
    with tempfile.TemporaryDirectory(dir=told.directory) as where:
        asyncio.run(measure(Path(where), told.rounds))
