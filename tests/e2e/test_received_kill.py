"""kill -9 between a bounce's 250 and what follows from it, and between a push and its directory: nothing is lost."""

import asyncio
import base64
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import OUR_NUMBER, SECRET, settings_text, until
from tests.e2e.test_kill import Process
from tests.e2e.test_received import BOUNCE, say
from tests.e2e.test_round_trips import fax_tiff
from tests.ports import free_port


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[tuple[Process, int]]:
    smtp, hook = free_port(), free_port()
    text = settings_text(tmp_path, "http://127.0.0.1:1/api/v1", relay={"retry_first": "50ms"})
    text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:{smtp}"', 1).replace('"127.0.0.1:0"', f'"127.0.0.1:{hook}"', 1)
    (tmp_path / "hot").mkdir()
    config = tmp_path / "fax-bridge.toml"
    config.write_text(text + f'[[routes.directories]]\npath = "{tmp_path}/hot"\n')
    process = Process(config, smtp)
    await process.start()
    yield process, hook
    await process.end(signal.SIGKILL)


def mails(directory: Path, beginning: str) -> list[Path]:
    new = directory / "Maildir" / "new"
    return sorted(new.glob(f"{beginning}*")) if new.is_dir() else []


async def push(port: int, fax_id: str) -> int:
    element = {
        "type": "INCOMING_FAX", "id": fax_id, "cli": "902163334455", "cld": OUR_NUMBER,
        "content": base64.b64encode(fax_tiff()).decode(),
    }  # fmt: skip
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"http://127.0.0.1:{port}/push/{SECRET}", content=json.dumps([element]))
        return answer.status_code


async def test_a_bounce_that_got_250_brings_the_fax_to_the_fallback_after_kill_9(
    process: tuple[Process, int], tmp_path: Path
) -> None:
    """Killed at once after the 250; the address of before the kill is good after it, and brings nothing twice."""
    daemon, hook = process
    assert await push(hook, "in-1") == 200
    await until(lambda: _there(mails(tmp_path, "received-")))
    with sqlite3.connect(tmp_path / "fax-bridge.db") as db:
        ((address,),) = db.execute("SELECT mail_from FROM outbox WHERE kind = 'received'").fetchall()
    bounce = BOUNCE.format(to="reception@example.com", action="failed", padding="")
    replies = await asyncio.to_thread(say, daemon.smtp, "", [address], bounce)
    assert [code for code, _ in replies] == [250, 250]
    assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
    await daemon.start()
    await until(lambda: _there(mails(tmp_path, "fallback-")))
    await until(lambda: _there(mails(tmp_path, "alert-bounce-")))
    assert (await asyncio.to_thread(say, daemon.smtp, "", [address], bounce))[-1][0] == 250
    await asyncio.sleep(0.5)
    assert len(mails(tmp_path, "fallback-")) == len(mails(tmp_path, "alert-")) == 1
    mail = message_from_bytes(mails(tmp_path, "fallback-")[0].read_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in mail.iter_attachments()] == ["application/pdf"]


async def test_a_push_that_got_200_is_in_its_directory_once_after_kill_9(
    process: tuple[Process, int], tmp_path: Path
) -> None:
    """Killed amid the work, several times: every fax is one file with all its bytes, and one mail."""
    daemon, hook = process
    for number in range(6):
        assert await push(hook, f"in-{number}") == 200
        if number % 2:
            await asyncio.sleep(0.1 * number)
            await daemon.end(signal.SIGKILL)
            await daemon.start()
    await until(lambda: _there(mails(tmp_path, "received-"), 6))
    files = await until(lambda: _there(sorted((tmp_path / "hot").glob("*.pdf")), 6))
    assert all(file.read_bytes().rstrip().endswith(b"%%EOF") for file in files)

    async def settled() -> bool | None:
        with sqlite3.connect(tmp_path / "fax-bridge.db") as db:
            states = [state for (state,) in db.execute("SELECT state FROM received").fetchall()]
        return states == ["mailed"] * 6 or None

    await until(settled)


async def _there(paths: list[Path], count: int = 1) -> list[Path] | None:
    return paths if len(paths) >= count else None
