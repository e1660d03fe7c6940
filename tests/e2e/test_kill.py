"""The daemon as a process of its own, killed without a word."""

import asyncio
import os
import signal
import smtplib
import sys
from collections.abc import AsyncIterator
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


class Process:
    """One ``fax-bridge serve``."""

    def __init__(self, config: Path, smtp: int) -> None:
        self.config, self.smtp = config, smtp
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fax_bridge", "serve", "--config", str(self.config), stdout=asyncio.subprocess.DEVNULL
        )
        await until(self._answers)

    async def _answers(self) -> bool | None:
        assert self.process is not None
        assert self.process.returncode is None, "the daemon ended by itself"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.smtp)
        except OSError:
            return None
        writer.close()
        return True

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            os.kill(self.process.pid, how)
        return await self.process.wait()


@pytest.fixture
async def world(tmp_path: Path, documents: Documents) -> AsyncIterator[tuple[Process, Sandbox]]:
    smtp, hook = free_port(), free_port()
    notify = f"http://127.0.0.1:{hook}/push/{SECRET}"
    sandbox = Sandbox(
        SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", notify_url=notify, pace=0.05), documents
    )
    await sandbox.start()
    text = settings_text(tmp_path, sandbox.url, confirm_within="60s")
    text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{smtp}"', 1).replace('"127.0.0.1:0"', f'"127.0.0.1:{hook}"', 1)
    config = tmp_path / "fax-bridge.toml"
    config.write_text(text)
    process = Process(config, smtp)
    await process.start()
    yield process, sandbox
    await process.end(signal.SIGKILL)
    await sandbox.stop()


def send(port: int, number: str) -> None:
    mail = EmailMessage()
    mail["From"] = "ayse@example.com"
    mail["Subject"] = f"Deneme {number}"
    mail.set_content("Merhaba")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.sendmail("ayse@example.com", [f"{number}@fax.example.com"], mail.as_bytes())


async def outcome(process: Process, sandbox: Sandbox, mails: int) -> tuple[dict[str, str], list[str]]:
    """When all have ended and been reported: our states by number, and what went out at the sandbox."""
    settings = load(process.config)
    reports = process.config.parent / "Maildir" / "new"

    async def all_told() -> dict[str, str] | None:
        states = {fax["number"]: fax["state"] for fax in await fax_list(settings, 100)}
        done = set(states.values()) <= {"delivered", "uncertain"} and reports.is_dir()
        # Reports only: an uncertain fax that turns out delivered brings a correction as well.
        return states if done and len(list(reports.glob("report-*"))) == mails else None

    states = await until(all_told)
    async with httpx.AsyncClient(trust_env=False) as http:
        faxes = (await http.get(sandbox.url.replace("/api/v1", "/sandbox/faxes"))).json()
    return states, sorted(fax["phone"] for fax in faxes)


async def test_what_got_250_survives_kill_9_and_is_faxed_once(world: tuple[Process, Sandbox]) -> None:
    """Killed at once after the 250 and started again: the fax goes out exactly once, its sender gets one report."""
    process, sandbox = world
    await asyncio.to_thread(send, process.smtp, "902163334000")
    assert await process.end(signal.SIGKILL) == -signal.SIGKILL
    await process.start()
    states, sent = await outcome(process, sandbox, 1)
    assert states == {"902163334000": "delivered"}
    assert sent == ["902163334000"]


async def test_killed_in_the_middle_of_work_no_fax_is_doubled_and_none_is_forgotten(
    world: tuple[Process, Sandbox],
) -> None:
    """Whatever was in hand ends once: delivered, or honestly uncertain if the POST may have been cut."""
    process, sandbox = world
    numbers = [f"90216333{n}" for n in range(4000, 4006)]
    for number in numbers:
        await asyncio.to_thread(send, process.smtp, number)
    await asyncio.sleep(0.4)
    await process.end(signal.SIGKILL)
    await process.start()
    states, sent = await outcome(process, sandbox, len(numbers))
    assert sorted(states) == numbers
    assert len(sent) == len(set(sent)), "no fax twice"
    assert {number for number, state in states.items() if state == "delivered"} <= set(sent)
    assert all(states[number] == "uncertain" for number in numbers if number not in sent), "none forgotten"


async def test_a_preview_survives_kill_9_is_answered_once_and_never_faxed(world: tuple[Process, Sandbox]) -> None:
    """Killed at once after the 250, and again while it is made ready: one answer for each, nothing at FaxMAX."""
    process, sandbox = world
    for number in range(4000, 4004):
        await asyncio.to_thread(send, process.smtp, f"preview+90216333{number}")
    for pause in (0.0, 0.3):
        await asyncio.sleep(pause)
        await process.end(signal.SIGKILL)
        await process.start()
    answers = process.config.parent / "Maildir" / "new"

    async def all_answered() -> bool | None:
        return len(list(answers.glob("preview-*"))) >= 4 or None

    await until(all_answered)
    await asyncio.sleep(0.5)
    assert len(list(answers.iterdir())) == 4, "each once, and no report beside"
    assert await fax_list(load(process.config), 100) == []
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(sandbox.url.replace("/api/v1", "/sandbox/faxes"))).json() == []


async def test_sigterm_ends_the_daemon_cleanly(world: tuple[Process, Sandbox]) -> None:
    """Exit status 0, so that systemd does not call it a failure."""
    process, _ = world
    assert await process.end(signal.SIGTERM) == 0


async def test_a_second_daemon_on_the_same_file_is_refused(world: tuple[Process, Sandbox]) -> None:
    """With words, before it touches anything."""
    process, _ = world
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fax_bridge", "serve", "--config", str(process.config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await second.communicate()
    assert second.returncode == 1
    assert b"another fax-bridge works on" in said
