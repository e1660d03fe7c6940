"""Planted secrets are looked for in everything that the daemon, its workers and its commands show."""

import asyncio
import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.setting_sources import load
from fax_bridge.store import schema
from fax_bridge.store.store import Store
from tests.e2e.conftest import SECRET, until
from tests.e2e.hostile.conftest import Target, mails_of, target_in
from tests.e2e.test_cli import run

PLANTED = {
    "token": "T0KEN-pl4nted",
    "webhook secret": SECRET,
    "relay password": "relay-pl4nted-pass",
    "account password": "account-pl4nted-pass",
    "sentinel of the environment": "environment-pl4nted",
}
"""A PostgreSQL URL's password is the sixth; its tests give it a name of its own."""

ACCOUNT = """
[faxmax.accounts.second]
url = "{url}"
token = ""
username = "fax"
password = "account-pl4nted-pass"
[[senders]]
match = "*@second.example.com"
networks = ["127.0.0.0/8"]
account = "second"
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/fax-bridge.db"
    url: str = request.getfixturevalue("postgresql_url")
    # The server asks for no password on its socket; the URL has one all the same.
    return url.replace("postgres:@", "postgres:store-pl4nted-pass@").replace(
        "postgres@", "postgres:store-pl4nted-pass@"
    )


def processes_of(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        found += map(int, children)
    return found


def shown_by(pid: int, *, worker: bool) -> str:
    """Its arguments, and of a worker its environment too; the daemon's own may hold settings."""
    told = ""
    for name in ("cmdline", "environ") if worker else ("cmdline",):
        try:
            told += Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
    return told


async def test_no_secret_is_shown_by_anything(tmp_path: Path, documents: Documents, store_url: str) -> None:
    """Through success and failure: a fax that goes, one that FaxMAX refuses, credentials that it does not take, a relay
    that is away, pushes that are no JSON, a database that is asked for by a command."""
    sandbox = Sandbox(SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", pace=0.02), documents)
    await sandbox.start()
    planted = PLANTED | ({"store password": "store-pl4nted-pass"} if "store-pl4nted" in store_url else {})
    seen = ""
    env = {"FAX_BRIDGE_RELAY__TIMEOUT": "5s", "PLANTED": "environment-pl4nted"}
    more = ACCOUNT.format(url=sandbox.url)
    try:
        async with target_in(
            tmp_path, sandbox, more=more, store=store_url, relay=RELAY, level="debug", **env
        ) as target:
            await target.honest()
            await target.honest(number="902163330001")
            await target.honest(sender="x@second.example.com")
            async with httpx.AsyncClient(trust_env=False) as http:
                for path in (f"/push/{SECRET}", f"/push/{SECRET}/", f"/push/{SECRET}x", f"/{SECRET}"):
                    await http.post(f"http://127.0.0.1:{target.http}{path}", content=b"[{no json")
            told: list[str] = []

            async def settled() -> bool | None:
                told.extend(shown_by(pid, worker=pid != target.process.pid) for pid in processes_of(target.process.pid))
                rows = await _faxes(target)
                return (len(rows) >= 3 and all(row["state"] != "submitting" for row in rows)) or None

            await until(settled)
            for _ in range(20):
                told += [shown_by(pid, worker=pid != target.process.pid) for pid in processes_of(target.process.pid)]
                await asyncio.sleep(0.1)
            assert len(processes_of(target.process.pid)) > 1, "the workers' father is there to be looked at"
            seen = "\n".join(told) + await _commands(target) + await _rows(target)
            os.kill(target.process.pid, signal.SIGTERM)
            await target.process.wait()
            seen += target.log + "".join(mail.as_string() for mail in mails_of(tmp_path))
    finally:
        await sandbox.stop()
    assert "accepted" in seen
    assert "quarantined" in seen
    for name, secret in planted.items():
        for spelled in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            where = seen.find(spelled)
            assert where < 0, f"{name}: …{seen[max(0, where - 200) : where + 60]}"


RELAY = "smtps://user:relay-pl4nted-pass@127.0.0.1:1"


async def _commands(target: Target) -> str:
    """What the operator's commands print, also about what is not there."""
    faxes = await _faxes(target)
    words: list[tuple[str, ...]] = [
        ("faxes", "list"), ("faxes", "show", faxes[0]["id"]), ("faxes", "show", "nonsense"), ("pushes", "list"),
        ("queue",), ("audit",), ("accounts", "list"), ("check",), ("faxes", "release", faxes[0]["id"]),
    ]  # fmt: skip
    told = ""
    for command in words:
        done = await asyncio.to_thread(run, *command, "--config", str(target.config))
        told += done.stdout + done.stderr
    return told


async def _faxes(target: Target) -> list[dict[str, Any]]:
    done = await asyncio.to_thread(run, "faxes", "list", "--json", "--config", str(target.config))
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


async def _rows(target: Target) -> str:
    """Every row of every table, but the pushes' bodies: what came is kept as it came."""
    store = await Store.open(load(target.config).store.url, exclusive=False)
    try:
        told = ""
        async with store.read() as conn:
            for table in schema.metadata.sorted_tables:
                told += repr((await conn.execute(select(table))).all())
        return told
    finally:
        await store.close()
