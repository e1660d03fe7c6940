"""One daemon as a process of its own: started, listened to, killed without a word, started again.

What it says of itself, one JSON line for each event, tells the killer where it stands; nothing is hooked into it.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

READY_WITHIN = 60.0
"""Seconds; a start takes one or two, but the machine may be busy."""

LONGEST_LINE = 1024 * 1024

# Compiled modules are kept, as in an installed package: without them each start would take a second longer.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

SETTINGS = """
[smtp]
listen = ["127.0.0.1:{smtp}"]
domains = ["fax.example.com"]
min_free_bytes = {min_free_bytes}
[store]
url = "{database}"
[faxmax]
url = "{faxmax}"
token = "T0KEN-pl4nted"
cli = "902162222525"
timeout = "1500ms"
unknown_window = "3s"
confirm_within = "6s"
confirm_per_page = "0s"
retry_first = "100ms"
retry_longest = "500ms"
held_for = "{held_for}"
[webhook]
listen = ["127.0.0.1:{webhook}"]
secrets = ["a-long-random-string"]
[relay]
url = "maildir://{directory}/Maildir"
from = "Fax <fax@fax.example.com>"
retry_first = "100ms"
retry_longest = "500ms"
[reports]
early_after = "300ms"
delay_after = "1s"
[inbound]
fallback = "postmaster@example.com"
routing = "all"
link_url = "https://fax.example.com"
[duplicates]
within = "{duplicates_within}"
[[limits]]
per = "site"
faxes = 1000000
within = "day"
[log]
level = "info"
format = "json"
[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8"]
[[routes]]
called = "902162222525"
to = ["reception@example.com"]
[[routes.directories]]
path = "{directory}/folder"
[[routes]]
called = "902162222525"
to = ["archive@example.com"]
privacy = "link"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node listens, and what it works on. The mailbox is shared by all nodes of one directory."""

    directory: Path
    database: str
    faxmax: str
    smtp: int
    webhook: int
    min_free_bytes: int = 0
    duplicates_within: str = "0s"
    held_for: str = "48h"

    @property
    def push_url(self) -> str:
        return f"http://127.0.0.1:{self.webhook}/push/a-long-random-string"

    @property
    def mailbox(self) -> Path:
        return self.directory / "Maildir" / "new"

    @property
    def folder(self) -> Path:
        """Gets the received faxes beside the mailbox."""
        return self.directory / "folder"

    def write_settings(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.directory / f"node-{self.smtp}.toml"
        path.write_text(
            SETTINGS.format(
                directory=self.directory,
                database=self.database,
                faxmax=self.faxmax,
                smtp=self.smtp,
                webhook=self.webhook,
                min_free_bytes=self.min_free_bytes,
                duplicates_within=self.duplicates_within,
                held_for=self.held_for,
            )
        )
        return path


def place(directory: Path, database: str, faxmax: str) -> Place:
    """With two free ports, which stay this node's through all its lives."""
    with socket.socket() as smtp, socket.socket() as webhook:
        for sock in (smtp, webhook):
            sock.bind(("127.0.0.1", 0))
        return Place(directory, database, faxmax, smtp.getsockname()[1], webhook.getsockname()[1])


class Node:
    """``lease_ms``: run by :mod:`tests.chaos.launcher` with leases of that length; else as an administrator would.

    ``points``: run by :mod:`tests.chaos.steps`, with a life that dies at each of them before the one that stays.
    ``environment`` is what its process has beside ours.
    """

    def __init__(
        self,
        where: Place,
        *,
        lease_ms: int | None = None,
        points: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.place = where
        self._environment = {**_ENVIRONMENT, **environment}
        config = str(where.write_settings())
        program = ["fax_bridge"] if lease_ms is None else ["tests.chaos.launcher", str(lease_ms)]
        if points:
            program = ["tests.chaos.steps", str(lease_ms), *points, "--"]
        self._command = [sys.executable, "-m", *program, "serve", "--config", config]
        self._log = where.directory / f"node-{where.smtp}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._heard = asyncio.Condition()
        self.words: Counter[str] = Counter()
        """How often each event was told in this life."""
        self.errors: deque[str] = deque(maxlen=100)
        """What the daemon logged as an error, in all its lives."""

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "never started"
        return self._process.pid

    async def start(self) -> None:
        """Begin a life; :meth:`ready` tells when it takes mail."""
        self.words.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE,
            cwd=Path(__file__).parents[2],
            env=self._environment,
        )
        self._listener = asyncio.create_task(self._listen(self._process))

    async def ready(self) -> None:
        """Raises ``TimeoutError`` where it never is."""
        await self.reaches("started", 1, READY_WITHIN)

    async def reaches(self, word: str, count: int, seconds: float) -> None:
        """Wait until that event was told so often in this life, or the life is over. Raises ``TimeoutError``."""
        await self._wait(lambda: self.words[word] >= count or not self.is_alive, seconds)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end. Raises ``AssertionError`` if it had ended by itself."""
        status = await self._end(signal.SIGKILL)
        assert status == -signal.SIGKILL, f"the daemon ended by itself with {status}: {self.last_words()}"

    async def stop(self) -> int:
        """SIGTERM, as systemd does it; the exit status."""
        return await self._end(signal.SIGTERM)

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    async def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "never started"
        assert self._listener is not None, "never started"
        if self._process.returncode is None:
            os.kill(self._process.pid, how)
        status = await self._process.wait()
        await self._listener
        return status

    async def _wait(self, reached: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds), self._heard:
            await self._heard.wait_for(reached)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it is a pipe"
        with self._log.open("ab") as log:
            while line := await process.stdout.readline():
                log.write(line)
                log.flush()
                await self._hear(line)
        await process.wait()
        async with self._heard:
            self._heard.notify_all()

    async def _hear(self, line: bytes) -> None:
        try:
            told = json.loads(line)
        except ValueError:
            self.errors.append(line.decode(errors="replace").rstrip())  # a traceback, or a library's warning
            return
        if told.get("level") in {"error", "critical"}:
            self.errors.append(line.decode(errors="replace").rstrip())
        async with self._heard:
            self.words[str(told.get("event"))] += 1
            self._heard.notify_all()
