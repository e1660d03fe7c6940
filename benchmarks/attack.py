"""What an honest user waits for a 250 while the daemon is attacked, beside what it waits when nothing else goes on.

Each attack lasts for its share of the mails, from an address of its own; whoever attacks shares the machine's cores.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.bridge import SECRET, Bridge, bridge, parked
from benchmarks.databases import KINDS, Kind, databases
from benchmarks.machine import described
from benchmarks.processes import Failed
from benchmarks.rounds import arguments, chosen, command, play, quantile, run, spread, table, workplace
from benchmarks.smtp_load import DOMAIN, SENDER

MAILS = 100
"""Honest mails in each turn of each attack."""
GAP = 0.02
SIZE = 10_240
STRANGER = ("127.0.0.66", 0)
CLIENTS = 40
"""Attackers at once: fewer than one address may have sessions, or they would be turned away at the door."""

Attack = Callable[[Bridge], Coroutine[Any, Any, None]]


async def _connection(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=STRANGER)


async def _nothing(_: Bridge) -> None:
    await asyncio.Event().wait()


async def _dripping(port: int, begin: bytes, drip: bytes) -> None:
    """A connection that never ends what it says; a new one when it is cut off."""
    _, writer = await _connection(port)
    try:
        writer.write(begin)
        while not writer.is_closing():
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0.1)
    finally:
        writer.close()


async def _slow_smtp(target: Bridge) -> None:
    await _dripping(target.smtp, b"EHLO ", b"x")


async def _slow_http(target: Bridge) -> None:
    await _dripping(target.webhook, b"POST /push/x HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n")


async def _endless_commands(target: Bridge) -> None:
    reader, writer = await _connection(target.smtp)
    try:
        await reader.readline()
        writer.write(b"MAIL FROM:<" + b"a" * 200_000)
        await writer.drain()
        await reader.read()
    finally:
        writer.close()


async def _refused(target: Bridge) -> None:
    """Mail of a sender who may not, recipient after recipient."""
    reader, writer = await _connection(target.smtp)
    try:
        rcpt = b"RCPT TO:<902163330000@fax.example.com>\r\n" * 20
        writer.write(b"EHLO x\r\nMAIL FROM:<mallory@example.org>\r\n" + rcpt + b"QUIT\r\n")
        await writer.drain()
        await reader.read()
    finally:
        writer.close()


async def _guesses(target: Bridge) -> None:
    """Pushes without the secret."""
    await _post(target.webhook, b"/push/" + os.urandom(16).hex().encode(), b"[]")


async def _bombs(target: Bridge) -> None:
    """Pushes with the secret that are deep, or huge numbers: who has it is the worst of strangers."""
    await _post(target.webhook, b"/push/" + SECRET.encode(), b"[" * 50_000)
    await asyncio.sleep(0.2)


async def _post(port: int, path: bytes, body: bytes) -> None:
    reader, writer = await _connection(port)
    try:
        head = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
        writer.write(head + body)
        await writer.drain()
        await reader.read()
    finally:
        writer.close()


ATTACKS: dict[str, Attack] = {
    "idle": _nothing,
    "slow SMTP": _slow_smtp,
    "slow HTTP": _slow_http,
    "commands without an end": _endless_commands,
    "senders who may not": _refused,
    "guessed secrets": _guesses,
    "JSON bombs": _bombs,
}


async def _again(attack: Attack, target: Bridge) -> None:
    while True:
        with contextlib.suppress(OSError):
            await attack(target)
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def attacked(attack: Attack, target: Bridge) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_again(attack, target)) for _ in range(CLIENTS)]
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def send(port: int, number: int) -> float:
    """One mail of the honest user on a connection of its own; milliseconds from connecting to its 250.

    In a process of its own: in a thread each step would wait for the interpreter that the attackers keep busy.
    """
    body = f"From: {SENDER}\r\nMessage-ID: <{number}.{time.monotonic_ns()}@x>\r\n\r\n".encode() + b"x" * 70 + b"\r\n"
    body += (b"y" * 76 + b"\r\n") * (SIZE // 78)
    begun = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 30) as sock, sock.makefile("rb") as replies:
        _expect(replies.readline(), b"220")
        to = f"+902162{number % 1_000_000:06d}@{DOMAIN}"
        for line in ("HELO x", f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{to}>", "DATA"):
            sock.sendall(line.encode() + b"\r\n")
            _expect(replies.readline(), b"354" if line == "DATA" else b"250")
        sock.sendall(body + b".\r\n")
        _expect(replies.readline(), b"250")
    return (time.perf_counter() - begun) * 1000


def _expect(reply: bytes, code: bytes) -> None:
    if not reply.startswith(code):
        raise Failed(f"an honest mail got {reply!r}")


async def measure(name: str, kind: Kind, mails: int, directory: Path, url: str) -> list[float]:
    with bridge(directory, url, module=parked("prepare")) as target:
        loop, waits = asyncio.get_running_loop(), []
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as honest:
            for number in range(5):
                await loop.run_in_executor(honest, send, target.smtp, number)
            async with attacked(ATTACKS[name], target):
                for number in range(mails):
                    waits.append(await loop.run_in_executor(honest, send, target.smtp, number))
                    await asyncio.sleep(GAP)
        return waits


def main() -> None:
    parser = arguments("attack", __doc__, turns=3)
    parser.add_argument("--mails", type=int, default=MAILS, help="in each turn [default: %(default)s]")
    parser.add_argument("--database", choices=KINDS, default="SQLite")
    told = parser.parse_args()
    names = ["idle", *(name for name in chosen(ATTACKS, told.only) if name != "idle")]
    kind: Kind = told.database
    waits: dict[str, list[list[float]]] = {name: [] for name in names}
    with workplace(told.directory) as directory, databases(directory, (kind,)) as made:
        head = described(command(), directory, made.version)

        def turn(name: str) -> str:
            here = directory / f"{name.replace(' ', '-')}-{len(waits[name])}"
            here.mkdir()
            with made.new(kind) as database:
                waits[name].append(asyncio.run(measure(name, kind, told.mails, here, database.url)))
            return f"p99 {quantile(waits[name][-1], 0.99):.1f} ms"

        play(names, told.turns, turn)
    print(f"{head}\n- {told.mails} mails of {SIZE} bytes in each turn, {CLIENTS} attackers, {kind}\n")
    rows = []
    for name in names:
        p50, p99 = ([quantile(turn, q) for turn in waits[name]] for q in (0.5, 0.99))
        idle = [quantile(turn, 0.99) for turn in waits["idle"]]
        times = [one / other for one, other in zip(p99, idle, strict=True)]
        rows.append([name, spread(p50, ".1f"), spread(p99, ".1f"), spread(times, ".1f")])
    print(table(("while", "p50, ms", "p99, ms", "p99, times idle"), rows))


if __name__ == "__main__":
    run(main)
