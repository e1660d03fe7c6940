"""``fax-bridge doctor`` and ``test-fax`` beside a bridge that runs: real servers, real DNS over UDP, real TLS."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import httpx
import pytest

from fax_bridge.setting_sources import load
from fax_bridge.setup import machine, network
from fax_bridge.setup.finding import Finding, Verdict
from tests.e2e.conftest import SECRET, Bridge, bridge_in
from tests.e2e.test_cli import run
from tests.tools import tool

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"


class NameServer(asyncio.DatagramProtocol):
    """Knows one MX, and that there is none of other names."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = dns.message.from_wire(data)
        answer = dns.message.make_response(asked)
        name = asked.question[0].name
        if name.to_text() == "fax.example.com.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", "10 mail.example.com."))
        self.transport.sendto(answer.to_wire(), addr)  # type: ignore[attr-defined]  # a datagram transport


@asynccontextmanager
async def name_server() -> AsyncIterator[str]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    yield "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])
    transport.close()


async def doctor(bridge: Bridge, nameserver: str) -> tuple[int, dict[str, dict[str, Any]]]:
    config = bridge.directory / "fax-bridge.toml"
    done = await asyncio.to_thread(run, "doctor", "--json", "--nameserver", nameserver, "--config", str(config))
    assert done.stdout, done.stderr
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


async def test_all_is_looked_at_and_a_push_of_20_mb_comes_through(tmp_path: Path) -> None:
    """Exit status 0; FaxMAX saw nothing but a GET, and nothing was journalled by the probe."""
    async with bridge_in(tmp_path) as bridge, name_server() as names:
        config = tmp_path / "fax-bridge.toml"
        public = f'[webhook]\npublic_url = "http://127.0.0.1:{bridge.webhook_port}"\n'
        config.write_text(config.read_text().replace("[webhook]\n", public))
        config.chmod(0o600)
        status, found = await doctor(bridge, names)
        assert status == 0, found
        for name in ("settings", "permissions", "disk", "fsync", "database", "fonts", "converter", "templates",
                     "MX of fax.example.com", "relay", "FaxMAX", "clock", "webhook"):  # fmt: skip
            assert found[name]["verdict"] in ("good", "warning"), found[name]
        assert found["webhook"]["said"] == "20 MB came through whole"
        assert found["MX of fax.example.com"]["said"] == "mail.example.com"
        assert found["FaxMAX"]["verdict"] == "good"
        assert await bridge.faxes() == []
        listed = await asyncio.to_thread(run, "pushes", "list", "--json", "--config", str(config))
        assert json.loads(listed.stdout) == []


async def test_each_red_line_says_what_to_do(tmp_path: Path) -> None:
    """A proxy with a small limit, a settings file for all to read, FaxMAX away: exit status 1."""
    async with bridge_in(tmp_path, relay={"url": "smtp://127.0.0.1:9"}) as bridge, name_server() as names:
        config = tmp_path / "fax-bridge.toml"
        text = config.read_text().replace("[webhook]\n", f'[webhook]\npublic_url = "{bridge.sandbox.url}"\n')
        config.write_text(text)
        config.chmod(0o644)
        await bridge.sandbox.stop()
        status, found = await doctor(bridge, names)
        assert status == 1
        for name in ("permissions", "relay", "FaxMAX", "webhook"):
            assert found[name]["verdict"] == "bad", found[name]
            assert len(found[name]["mend"]) > 10
        assert f"chmod o= {config}" in found["permissions"]["mend"]


async def test_the_probe_is_answered_only_to_who_knows_the_secret(tmp_path: Path) -> None:
    """As the webhook itself, and no larger bodies than it takes."""
    async with bridge_in(tmp_path) as bridge, httpx.AsyncClient() as client:
        at = f"http://127.0.0.1:{bridge.webhook_port}/push"
        assert (await client.post(f"{at}/wrong-{SECRET}/probe", content=b"x")).status_code == 404
        assert (await client.get(f"{at}/{SECRET}/probe")).status_code == 405
        answer = await client.post(f"{at}/{SECRET}/probe", content=b"abc")
        assert (answer.status_code, answer.json()["bytes"]) == (200, 3)


@pytest.mark.parametrize(
    ("status", "body", "mend"),
    [
        (200, b"<html>a parked domain</html>", "Point the proxy at webhook.listen"),
        (404, b"", "Pass /push/ on"),
        (413, b"", "client_max_body_size"),
        (502, b"", "Start the daemon"),
        (401, b"", "without a login"),
    ],
)
def test_what_a_proxy_answers_is_explained(status: int, body: bytes, mend: str) -> None:
    """The usual ways in which one is in the way."""
    finding = network._judged(httpx.Response(status, content=body), b"x")  # noqa: SLF001 — the table is what is tested
    assert finding.verdict == Verdict.BAD
    assert mend in finding.mend


async def found_by(looks: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in looks]


async def test_a_certificate_that_ends_soon_is_a_warning_and_an_untrusted_one_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS as FaxMAX would meet it."""
    make = "req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [tool("openssl"), *make.split(), "-keyout", str(key), "-out", str(cert)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    (untrusted,) = await found_by(network._certificate(url))  # noqa: SLF001 — the rest of the look needs a proxy
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    (trusted,) = await found_by(network._certificate(url))  # noqa: SLF001
    server.close()
    await server.wait_closed()
    assert untrusted.verdict == Verdict.BAD
    assert (trusted.verdict, trusted.said) == (Verdict.WARNING, "good for 9 more days")


async def test_a_domain_without_mx_is_no_fault(tmp_path: Path) -> None:
    """Where the own mail server has a route there need be none."""
    text = GOOD.read_text().replace("fax.example.com", "other.example.com")
    (tmp_path / "s.toml").write_text(text)
    async with name_server() as names:
        (finding,) = await found_by(network.mx(load(tmp_path / "s.toml"), names))
    assert finding.verdict == Verdict.WARNING


async def test_a_slow_disk_and_a_missing_directory_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each accepted mail waits for the disk."""
    text = GOOD.read_text().replace("/tmp/fax-bridge.db", f"{tmp_path}/fax.db")
    (tmp_path / "s.toml").write_text(text)
    settings = load(tmp_path / "s.toml")
    monkeypatch.setattr(machine, "SLOW_FSYNC", -1.0)
    _, slow = await found_by(machine.disk(settings))
    assert slow.verdict == Verdict.WARNING
    (tmp_path / "s.toml").write_text(text.replace(str(tmp_path), str(tmp_path / "none")))
    (missing,) = await found_by(machine.disk(load(tmp_path / "s.toml")))
    assert missing.verdict == Verdict.BAD


async def test_a_test_fax_is_followed_to_its_end(tmp_path: Path, note: EmailMessage) -> None:
    """Each step on a line; 0 once it is delivered, and the report is in the mailbox. A busy line is 1."""
    async with bridge_in(tmp_path, confirm_within="20s") as bridge:
        words = ("--config", str(tmp_path / "fax-bridge.toml"), "--server", f"127.0.0.1:{bridge.smtp_port}")
        done = await asyncio.to_thread(run, "test-fax", "902163333344", "--to", "ayse@example.com", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        for word in ("Accepted as", "submitting", "submitted", "delivered"):
            assert word in done.stdout
        assert "+90 216 333 33 44" in str((await bridge.mail("ayse@example.com"))["Subject"])
        stranger = await asyncio.to_thread(run, "test-fax", "902163333344", "--to", "x@example.net", *words)
        assert stranger.returncode == 1
        assert "[[senders]]" in stranger.stderr
