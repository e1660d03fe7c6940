"""The bridge as a process of its own, the sandbox, and the mail server between them and the people."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from tests.ports import free_port
from tests.postfix.server import Postfix
from tests.tools import tool

SECRET = "a-long-random-string"

SETTINGS = """
[smtp]
listen = ["127.0.0.1:{smtp}"]
domains = ["fax.example.com"]
max_sessions_per_client = 200
[lmtp]
listen = ["unix:{directory}/lmtp.sock"]
mode = "0666"
[store]
url = "sqlite:///{directory}/fax-bridge.db"
[faxmax]
url = "{faxmax}"
token = "T0KEN-pl4nted"
cli = "902162222525"
retry_first = "100ms"
retry_longest = "300ms"
[webhook]
listen = ["127.0.0.1:{webhook}"]
secrets = ["{secret}"]
[relay]
url = "smtp://127.0.0.1:{relay}"
from = "Fax <fax@fax.example.com>"
retry_first = "200ms"
retry_longest = "1s"
[inbound]
fallback = "postmaster@example.com"
[log]
level = "warning"
[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8", "unix"]
[[routes]]
called = "902162222525"
to = ["reception@example.com"]
"""


@dataclass
class Site:
    """What the administrator runs: the bridge and Postfix, with FaxMAX's stand-in at the other end."""

    directory: Path
    sandbox: Sandbox
    postfix: Postfix
    smtp: int
    webhook: int
    _bridge: "asyncio.subprocess.Process | None" = field(default=None, repr=False)

    async def start_bridge(self) -> None:
        config = self.directory / "fax-bridge.toml"
        config.write_text(
            SETTINGS.format(
                smtp=self.smtp,
                webhook=self.webhook,
                relay=self.postfix.port,
                directory=self.directory,
                faxmax=self.sandbox.url,
                secret=SECRET,
            )
        )
        log = self.directory / "fax-bridge.log"
        with log.open("ab") as out:
            self._bridge = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fax_bridge", "serve", "--config", str(config)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        await until(lambda: _listens(self.smtp) or self._bridge_ended)
        assert not self._bridge_ended, log.read_text()

    @property
    def _bridge_ended(self) -> bool:
        return self._bridge is not None and self._bridge.returncode is not None

    async def stop_bridge(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None and bridge.returncode is None:
            bridge.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(bridge.wait(), 40)
            except TimeoutError:
                bridge.kill()
                await bridge.wait()

    async def faxes(self) -> list[dict[str, Any]]:
        """What FaxMAX was given."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(self.sandbox.url.replace("/api/v1", "/sandbox/faxes"))
        found: list[dict[str, Any]] = answer.json()
        return found

    def hear_nothing(self) -> None:
        """FaxMAX's pushes find nobody, and are tried again."""
        self.sandbox.notify_url = "http://127.0.0.1:9/push"

    def hear(self) -> None:
        self.sandbox.notify_url = f"http://127.0.0.1:{self.webhook}/push/{SECRET}"

    async def mails(self, who: str, count: int, seconds: float = 60) -> list[EmailMessage]:
        """So many mails of somebody's, waited for."""
        await until(lambda: self.postfix.mailbox_size(who) >= count, seconds)
        return self.postfix.mails(who)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Look until it holds; fails after ``seconds``."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up_at, "it never came to hold"
        await asyncio.sleep(0.05)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that Postfix's own user can enter, which pytest's are not."""
    tool("postfix")
    if os.geteuid():
        pytest.skip("Postfix's master has to be started by root")
    with tempfile.TemporaryDirectory(prefix="fax-bridge-postfix-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@contextlib.asynccontextmanager
async def site_at(place: Path, *, by: str = "smtp", more: str = "") -> AsyncIterator[Site]:
    """``by``: the protocol in which Postfix hands faxes over; ``more``: lines for its ``main.cf``."""
    told = SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", numbers=("902162222525",), pace=0.01)
    async with contextlib.AsyncExitStack() as stack:
        sandbox = Sandbox(told, await stack.enter_async_context(Documents()))
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        smtp, webhook = free_port(), free_port()
        transport = f"smtp:[127.0.0.1]:{smtp}" if by == "smtp" else f"lmtp:unix:{place}/lmtp.sock"
        mail_server = Postfix(place, free_port(), transport, more)
        stack.callback(mail_server.stop)
        await asyncio.to_thread(mail_server.start)
        site = Site(place, sandbox, mail_server, smtp, webhook)
        stack.push_async_callback(site.stop_bridge)
        site.hear()
        await site.start_bridge()
        yield site
