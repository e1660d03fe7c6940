"""Guessing passwords: what 10,000 attempts cost the daemon, and what honest users notice of them."""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bridge import Bridge, bridge, parked
from benchmarks.machine import described, filesystem
from benchmarks.processes import Failed, cpu_seconds, peak_memory
from benchmarks.rounds import arguments, command, quantile, run, say, table, workplace
from fax_bridge.email_to_fax.logins import hash_of

ATTEMPTS = 10_000
CONNECTIONS = 100
"""At the same time; each does three attempts at most, then it is ended and another begins."""
PROBE_EVERY = 0.1
"""Seconds between the mails of an honest user."""
IDLE_FOR = 10.0
"""Seconds that honest users are measured for alone."""
GIVE_UP_AFTER = 900.0
"""Seconds for one case."""
PASSWORD = "correct horse battery"  # noqa: S105 — of a daemon that lives for minutes

USERS = """
[[users]]
name = "ayse"
password_hash = "{hash}"
[[senders]]
match = "ayse@login.example"
auth = ["ayse"]
"""

CASES: dict[str, Callable[[int], str]] = {
    "one address": lambda _: "127.66.0.1",
    "many addresses": lambda i: f"127.77.{i // 250 % 250}.{1 + i % 250}",
}
"""By name: the address of the n-th connection."""


@dataclass(slots=True)
class Seen:
    """What honest users and attackers met, in one case."""

    with_login: list[float] = field(default_factory=list)
    """Milliseconds from connecting to the 250, for one who logged in on the days before."""
    without: list[float] = field(default_factory=list)
    """The same for one from the site's network."""
    replies: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0


async def attempts(port: int, client: str, password: str, most: int, replies: Counter[str]) -> int:
    """Up to three guesses over one connection; how many they were."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(client, 0))
    done = 0
    try:
        if await _reply(reader) != "220":
            replies["421 at once"] += 1
            return 1
        await _say(reader, writer, "EHLO attacker.example")
        while done < min(most, 3):
            code = await _say(reader, writer, _auth(password + str(done)))
            replies[code] += 1
            done += 1
            if code in {"421", "235"}:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        replies["cut off"] += 1
        done += 1
    finally:
        writer.close()
    return done


async def honest(port: int, *, login: bool) -> float:
    """Milliseconds for one mail over a connection of its own. Raises :class:`Failed` unless it is accepted."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await _reply(reader)
        await _say(reader, writer, "EHLO honest.example")
        if login and (code := await _say(reader, writer, _auth(PASSWORD))) != "235":
            raise Failed(f"an honest login got {code}")
        for line in (
            f"MAIL FROM:<ayse@{'login.example' if login else 'example.com'}>",
            "RCPT TO:<493012345678@fax.example.com>",
            "DATA",
        ):
            await _say(reader, writer, line)
        if (code := await _say(reader, writer, f"Subject: {time.time_ns()}\r\n\r\nMerhaba\r\n.")) != "250":
            raise Failed(f"an honest mail got {code}")
    finally:
        writer.close()
    return 1000 * (time.perf_counter() - began)


async def measure(up: Bridge, address: Callable[[int], str] | None, count: int) -> Seen:
    """One case of so many attempts; without an address nobody attacks."""
    seen = Seen()
    await honest(up.smtp, login=True)
    cpu, began = cpu_seconds([up.pid]), time.monotonic()
    attack = asyncio.create_task(_attack(up.smtp, address, count, seen) if address else asyncio.sleep(IDLE_FOR))
    while not attack.done():
        if time.monotonic() - began > GIVE_UP_AFTER:
            attack.cancel()
            raise Failed(f"after {GIVE_UP_AFTER:.0f} s only {seen.replies.total()} attempts were answered")
        seen.with_login.append(await honest(up.smtp, login=True))
        seen.without.append(await honest(up.smtp, login=False))
        await asyncio.sleep(PROBE_EVERY)
    await attack
    seen.seconds, seen.cpu = time.monotonic() - began, cpu_seconds([up.pid]) - cpu
    if seen.replies["235"]:
        raise Failed("a guess got in")
    return seen


async def _attack(port: int, address: Callable[[int], str], count: int, seen: Seen) -> None:
    left, number = count, 0

    async def one_after_another() -> None:
        nonlocal left, number
        while left > 0:
            number += 1
            most = min(3, left)
            left -= most
            done = await attempts(port, address(number), f"guess {number} ", most, seen.replies)
            left += most - done

    await asyncio.gather(*(one_after_another() for _ in range(CONNECTIONS)))


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> str:
    writer.write(f"{line}\r\n".encode())
    return await _reply(reader)


async def _reply(reader: asyncio.StreamReader) -> str:
    while (line := await reader.readuntil(b"\r\n"))[3:4] == b"-":
        pass
    return line[:3].decode()


def _auth(password: str) -> str:
    return "AUTH PLAIN " + base64.b64encode(f"\0ayse\0{password}".encode()).decode()


def _row(name: str, seen: Seen, memory: int) -> list[str]:
    codes = ", ".join(f"{count} × {code}" for code, count in sorted(seen.replies.items()))
    attempts_made = seen.replies.total()
    return [
        name,
        codes or "–",
        f"{seen.seconds:.0f}",
        f"{1000 * seen.cpu / attempts_made:.1f}" if attempts_made else "–",
        f"{quantile(seen.with_login, 0.5):.0f} / {quantile(seen.with_login, 0.99):.0f}",
        f"{quantile(seen.without, 0.5):.0f} / {quantile(seen.without, 0.99):.0f}",
        f"{memory / 2**20:.0f}",
    ]


def main() -> None:
    given = arguments("auth", __doc__, turns=ATTEMPTS, called="attempts").parse_args()
    with workplace(given.directory) as directory:
        filesystem(directory)
        rows = []
        for name, address in (("nobody", None), *CASES.items()):
            say(f"{name} guesses")
            place = Path(directory) / name.replace(" ", "-")
            place.mkdir()
            users = USERS.format(hash=hash_of(PASSWORD))
            with bridge(place, f"sqlite:///{place}/fax-bridge.db", module=parked("prepare"), more=users) as up:
                seen = asyncio.run(measure(up, address, given.turns))
                rows.append(_row(name, seen, peak_memory(up.pid)))
        print(described(command(), directory), "\n")
        head = (
            "guesses come from",
            "replies",
            "seconds",
            "CPU ms each",
            "honest, with login",
            "honest, without",
            "MiB",
        )
        print(table(head, rows))
        print(
            "\nHonest: milliseconds from connecting to the 250 of a mail, p50 / p99. CPU counts the honest mails too."
        )


if __name__ == "__main__":
    run(main)
