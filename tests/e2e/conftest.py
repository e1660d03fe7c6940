"""The whole bridge and the sandbox, in this process, over real sockets, with short promised times."""

import asyncio
import email
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest

from fax_bridge import daemon
from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.history import account_list, fax_list, fax_show
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings

T = TypeVar("T")

OUR_NUMBER = "902162222525"
SECRET = "a-long-random-string"

SETTINGS = """
[smtp]
listen = ["127.0.0.1:0"]
domains = ["fax.example.com"]
[store]
url = "sqlite:///{dir}/fax-bridge.db"
[faxmax]
url = "{url}"
token = "T0KEN-pl4nted"
cli = "902162222525"
{faxmax}
[webhook]
listen = ["127.0.0.1:0"]
secrets = ["a-long-random-string"]
[relay]
from = "Fax <fax@fax.example.com>"
{relay}
[inbound]
fallback = "postmaster@example.com"
[log]
level = "warning"
[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8"]
[[senders]]
match = "*@english.example.com"
networks = ["127.0.0.0/8"]
language = "en"
[[routes]]
called = "902162222525"
to = ["reception@example.com", "archive@example.com"]
"""

NOTHING: Mapping[str, str] = MappingProxyType({})

FAXMAX = {
    "timeout": "1500ms",
    "unknown_window": "1s",
    "confirm_within": "2s",
    "confirm_per_page": "0s",
    "retry_first": "100ms",
    "retry_longest": "300ms",
}


def settings_text(directory: Path, url: str, *, relay: Mapping[str, str] = NOTHING, **faxmax: str) -> str:
    maildir = {"url": f"maildir://{directory}/Maildir"}
    return SETTINGS.format(dir=directory, url=url, faxmax=_lines(FAXMAX | faxmax), relay=_lines({**maildir, **relay}))


def _lines(options: Mapping[str, str]) -> str:
    return "".join(f'{key} = "{value}"\n' for key, value in options.items())


@dataclass
class Bridge:
    """A running bridge, and the hands and eyes of the people around it."""

    directory: Path
    settings: Settings
    sandbox: Sandbox
    smtp_port: int
    webhook_port: int
    ops_port: int = 0

    async def send(self, mail: EmailMessage | bytes, *to: str, sender: str = "ayse@example.com") -> None:
        content = mail if isinstance(mail, bytes) else mail.as_bytes(policy=policy.SMTP)

        def session() -> None:
            with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as smtp:
                smtp.sendmail(sender, [f"{number}@fax.example.com" for number in to], content)

        await asyncio.to_thread(session)

    def mails(self, to: str = "") -> list[EmailMessage]:
        """What is in the mailbox, the oldest first."""
        new = self.directory / "Maildir" / "new"
        paths = sorted(new.glob("*"), key=lambda path: path.stat().st_mtime_ns) if new.is_dir() else []
        mails = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]
        return [mail for mail in mails if to in str(mail["To"])]

    async def mail(self, to: str = "", count: int = 1) -> EmailMessage:
        """The ``count``-th mail to that address, waited for."""
        await until(lambda: _ready(len(self.mails(to)) >= count))
        return self.mails(to)[count - 1]

    async def faxes(self) -> list[dict[str, Any]]:
        return await fax_list(self.settings, 100)

    async def fax(self, fax_id: str) -> dict[str, Any]:
        found = await fax_show(self.settings, fax_id)
        assert found is not None
        return found

    async def accounts(self) -> list[dict[str, Any]]:
        return await account_list(self.settings)

    async def ended(self, *states: str) -> dict[str, Any]:
        """The only fax, once it is in one of these states."""

        async def look() -> dict[str, Any] | None:
            (only,) = await self.faxes() or [{"state": ""}]
            return only if only["state"] in states else None

        return await until(look)


async def _ready(value: bool) -> bool | None:
    return value or None


async def until(look: Callable[[], Awaitable[T | None]], seconds: float = 45) -> T:
    """Look until something is there; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while (found := await look()) is None:  # noqa: ASYNC110 — looks at files and databases
            await asyncio.sleep(0.03)
        return found


@asynccontextmanager
async def bridge_in(
    directory: Path,
    *,
    relay: Mapping[str, str] = NOTHING,
    at: str = "",
    more: str = "",
    edit: Callable[[str], str] = str,
    **faxmax: str,
) -> AsyncIterator[Bridge]:
    """``edit`` is given the settings' text; ``faxmax`` overrides keys of ``[faxmax]``, ``relay`` those of ``[relay]``;
    ``at`` is FaxMAX's address where it is not the sandbox; ``more`` is TOML that is added."""
    told = SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", numbers=(OUR_NUMBER,), pace=0.02)
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(told, await stack.enter_async_context(Documents()))
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        config = directory / "fax-bridge.toml"
        config.write_text(edit(settings_text(directory, at or sandbox.url, relay=relay, **faxmax)) + more)
        settings = load(config)
        async with daemon.running(settings, grace=5) as ports:
            sandbox.notify_url = f"http://127.0.0.1:{ports.webhook}/push/{SECRET}"
            yield Bridge(directory, settings, sandbox, ports.smtp, ports.webhook, ports.ops)


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with bridge_in(tmp_path) as running:
        yield running


@pytest.fixture
def note() -> EmailMessage:
    """A short mail: only a body, Turkish."""
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@example.com>"
    mail["Subject"] = "Sözleşme hakkında"
    mail["Message-ID"] = "<note-1@example.com>"
    mail.set_content("Merhaba, ğüşıöç ĞÜŞİÖÇ.\n")
    return mail
