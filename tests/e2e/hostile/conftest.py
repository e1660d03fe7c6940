"""A daemon as a process of its own, with short patience, and what an honest user sees of it meanwhile."""

import asyncio
import email
import os
import signal
import smtplib
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.history import fax_list
from fax_bridge.setting_sources import load
from tests.e2e.conftest import SECRET, settings_text, until
from tests.ports import free_port

MOST_MEMORY = 80 * 1024 * 1024
"""Bytes that the daemon may keep after an attack; its allocator gives back late."""

MOST_HANDLES = 12
"""The same of handles: connections of its own database and of the honest user."""

STRANGER = "127.0.0.66"
"""Where attackers come from; the honest user is at 127.0.0.1."""


@dataclass
class Target:
    directory: Path
    config: Path
    smtp: int
    http: int
    process: asyncio.subprocess.Process
    sent: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8", errors="surrogateescape")

    @property
    def push_url(self) -> str:
        return f"http://127.0.0.1:{self.http}/push/{SECRET}"

    def connect(self, port: int, *, timeout: float = 10) -> socket.socket:
        """An attacker's connection."""
        return socket.create_connection(("127.0.0.1", port), timeout, source_address=(STRANGER, 0))

    def dialogue(self, *commands: bytes) -> bytes:
        """All commands at once, and whatever comes back until the daemon closes or says nothing more."""
        with self.connect(self.smtp, timeout=3) as sock:
            return self.said(sock, b"".join(commands))

    def said(self, sock: socket.socket, data: bytes) -> bytes:
        told = b""
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                told += chunk
        except (TimeoutError, ConnectionError):
            pass
        return told

    async def honest(
        self, mail: EmailMessage | bytes | None = None, number: str = "902163330000", sender: str = "ayse@example.com"
    ) -> None:
        """A usual mail of a usual user, which has to be accepted."""
        self.sent += 1
        if mail is None:
            mail = EmailMessage()
            mail["From"] = "ayse@example.com"
            mail["Subject"] = f"Honest {self.sent}"
            mail["Message-ID"] = f"<{self.sent}.{time.monotonic_ns()}@example.com>"
            mail.set_content("Merhaba\n")
        content = mail if isinstance(mail, bytes) else mail.as_bytes(policy=policy.SMTP)

        def session() -> None:
            with smtplib.SMTP("127.0.0.1", self.smtp, timeout=10) as smtp:
                smtp.sendmail(sender, [f"{number}@fax.example.com"], content)

        begun = time.perf_counter()
        await asyncio.to_thread(session)
        self.waits.append(time.perf_counter() - begun)

    @asynccontextmanager
    async def attacked(self, *, least: int = 3) -> AsyncIterator[None]:
        """While the block lasts an honest user sends mail after mail, and each is accepted; afterwards the daemon's
        memory and handles are what they were."""
        await self.honest()
        handles, memory = self.handles(), self.memory()
        before = self.sent
        enough = asyncio.Event()
        user = asyncio.create_task(self._honest_until(enough, before + least))
        try:
            yield
            async with asyncio.timeout(30):
                while self.sent < before + least and not user.done():  # noqa: ASYNC110 — a count, not an event
                    await asyncio.sleep(0.05)
        finally:
            enough.set()
            await user
        assert self.sent >= before + least
        assert self.process.returncode is None, "the daemon ended"

        async def calm() -> bool | None:
            return (self.handles() <= handles + MOST_HANDLES and self.memory() <= memory + MOST_MEMORY) or None

        try:
            await until(calm, 20)
        except TimeoutError:
            pytest.fail(f"handles {handles} → {self.handles()}, memory {memory} → {self.memory()}")
        await self.honest()

    async def _honest_until(self, enough: asyncio.Event, _: int) -> None:
        while not enough.is_set():
            await self.honest()
            await asyncio.sleep(0.1)

    def handles(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 — the names are links that may be gone

    def memory(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def mails(self) -> list[EmailMessage]:
        return mails_of(self.directory)

    async def mail_about(self, words: str) -> EmailMessage:
        async def look() -> EmailMessage | None:
            return next((mail for mail in self.mails() if words in mail.as_string()), None)

        return await until(look)

    async def states(self) -> dict[str, str]:
        """Of the faxes, by their mail's subject."""
        return {fax["subject"]: fax["state"] for fax in await fax_list(load(self.config), 500)}


def mails_of(directory: Path) -> list[EmailMessage]:
    new = directory / "Maildir" / "new"
    paths = sorted(new.glob("*")) if new.is_dir() else []
    return [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]


@asynccontextmanager
async def target_in(
    directory: Path,
    sandbox: Sandbox,
    *,
    more: str = "",
    store: str = "",
    relay: str = "",
    level: str = "info",
    **env: str,
) -> AsyncIterator[Target]:
    ports = free_port(), free_port()
    text = settings_text(directory, sandbox.url, relay={"url": relay} if relay else {}, confirm_within="60s")
    if store:
        text = text.replace(f"sqlite:///{directory}/fax-bridge.db", store)
    for port in ports:
        text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"', 1)
    text = text.replace("[store]", 'idle_timeout = "2s"\n[store]', 1).replace('"warning"', f'"{level}"', 1)
    config = directory / "fax-bridge.toml"
    config.write_text(text + more)
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fax_bridge", "serve", "--config", str(config), stdout=log, stderr=log,
            env=os.environ | env,
        )  # fmt: skip
    target = Target(directory, config, *ports, process)

    async def answers() -> bool | None:
        assert process.returncode is None, target.log
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"http://127.0.0.1:{ports[1]}/readyz")).status_code == 200 or None
        except httpx.TransportError:
            return None

    try:
        await until(answers)
        sandbox.notify_url = target.push_url
        yield target
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(60):
            await process.wait()


@pytest.fixture
async def sandbox(documents: Documents) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", pace=0.02), documents)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def target(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Target]:
    async with target_in(tmp_path, sandbox) as running:
        yield running
