"""Planted secrets are looked for in everything that the daemon, its workers and its commands show."""

import asyncio
import base64
import json
import os
import re
import signal
import smtplib
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.setting_sources import load
from fax_bridge.store import schema
from fax_bridge.store.store import Store
from tests.certificates import authority, signed
from tests.e2e.conftest import SECRET, until
from tests.e2e.hostile.conftest import Target, mails_of, target_in
from tests.e2e.test_cli import run

PLANTED = {
    "token": "T0KEN-pl4nted",
    "webhook secret": SECRET,
    "relay password": "relay-pl4nted-pass",
    "account password": "account-pl4nted-pass",
    "sentinel of the environment": "environment-pl4nted",
    "password of a user": "login-pl4nted-pass",
    "password that was typed wrong": "typed-pl4nted-wrong",
    "password in the wrong field": "field-pl4nted-wrong",
    "key of a webhook": "sink-pl4nted-long-key",
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
[smtp.tls]
cert_file = "{cert}"
key_file = "{key}"
[[users]]
name = "ayse"
password_hash = "{hash}"
[[senders]]
match = "ayse@login.example"
auth = ["ayse"]
[[routes]]
to = ["reception@example.com"]
[[routes.webhooks]]
url = "http://127.0.0.1:1/hook"
secret = "sink-pl4nted-long-key"
"""
OURS = "902162222525"


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
    that is away, pushes that are no JSON, a database that is asked for by a command, logins good and bad, a received
    fax behind a link that comes back, a webhook that is away."""
    told_numbers = SandboxSettings(listen="127.0.0.1:0", token="T0KEN-pl4nted", pace=0.02, numbers=(OURS,))
    sandbox = Sandbox(told_numbers, documents)
    await sandbox.start()
    planted = PLANTED | ({"store password": "store-pl4nted-pass"} if "store-pl4nted" in store_url else {})
    seen = ""
    env = {"FAX_BRIDGE_RELAY__TIMEOUT": "5s", "PLANTED": "environment-pl4nted"}
    env |= {"FAX_BRIDGE_INBOUND__PRIVACY": "link", "FAX_BRIDGE_INBOUND__LINK_URL": "http://127.0.0.1:9"}
    env |= {"FAX_BRIDGE_INBOUND__ROUTING": "all"}
    pair = signed(tmp_path, authority(tmp_path), "server")
    key = pair.key.rename(tmp_path / "tls-pl4nted-key.pem")
    planted |= {"key of TLS": key.read_text(encoding="ascii").splitlines()[2]}
    hash_ = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("login-pl4nted-pass")
    planted |= {"hash of a password": hash_.rpartition("$")[2]}
    more = ACCOUNT.format(url=sandbox.url, cert=pair.cert, key=key, hash=hash_)
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
            await asyncio.to_thread(log_in, target.smtp)
            await target.honest(number=OURS)
            tokens = await until(lambda: _tokens(target))
            await asyncio.to_thread(come_back, target.smtp, tokens["bounce"])
            async with httpx.AsyncClient(trust_env=False) as http:
                for path in (tokens["link"], tokens["link"][:-1], tokens["link"] + "/x"):
                    await http.get(f"http://127.0.0.1:{target.http}/fax/{path}")
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
            seen = "\n".join(told) + await _commands(target)
            rows = await _rows(target)
            os.kill(target.process.pid, signal.SIGTERM)
            await target.process.wait()
            seen += target.log
            # They are told to whom they are for, and to nobody else.
            for name, token in tokens.items():
                assert token not in seen, f"{name}: …{seen[max(0, seen.find(token) - 200) :][:300]}"
            kept = rows + "".join(mail.as_string() for mail in mails_of(tmp_path))
            assert key.name not in kept + "\n".join(told), "the settings name it, and the operator may see those"
            seen += kept
    finally:
        await sandbox.stop()
    assert "accepted" in seen
    assert "quarantined" in seen
    for name, secret in planted.items():
        for spelled in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            where = seen.find(spelled)
            assert where < 0, f"{name}: …{seen[max(0, where - 200) : where + 60]}"


def log_in(port: int) -> None:
    """Well, with a wrong password, and with the password in the field of the user."""
    attempts = (
        ("ayse", "login-pl4nted-pass", "auth_plain", 235),
        ("ayse", "login-pl4nted-pass", "auth_login", 235),
        ("ayse", "typed-pl4nted-wrong", "auth_plain", 535),
        ("field-pl4nted-wrong", "x", "auth_login", 535),
    )
    for user, password, mechanism, expected in attempts:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            smtp.ehlo()
            smtp.user, smtp.password = user, password
            code, _ = _answered(smtp, mechanism)
            assert code == expected


def _answered(smtp: smtplib.SMTP, mechanism: str) -> tuple[int, bytes]:
    try:
        return smtp.auth(mechanism[5:].upper(), getattr(smtp, mechanism))
    except smtplib.SMTPAuthenticationError as refused:
        return refused.smtp_code, bytes(refused.smtp_error)  # type: ignore[arg-type]  # bytes, whatever its stub says


def come_back(port: int, token: str) -> None:
    """As a bounce, and as a robot's answer, which has a sender and is refused."""
    for mail_from, code in (("", 250), ("robot@example.com", 550)):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            smtp.ehlo()
            smtp.mail(mail_from)
            assert smtp.rcpt(f"bounce+{token}@fax.example.com")[0] == code
            if code == 250:
                smtp.data(b"Subject: back\r\n\r\nback\r\n")


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


async def _tokens(target: Target) -> dict[str, str] | None:
    """Those in the mail with the received fax, once it is there."""
    store = await Store.open(load(target.config).store.url, exclusive=False)
    try:
        async with store.read() as conn:
            rows = (await conn.execute(select(schema.outbox))).all()
    finally:
        await store.close()
    for row in rows:
        bounce, link = re.search(r"bounce\+([a-z2-7]+)@", row.mail_from), re.search(rb":9/fax/([a-z2-7]+)", row.content)
        if bounce and link:
            return {"bounce": bounce[1], "link": link[1].decode()}
    return None


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
