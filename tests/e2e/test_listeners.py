"""The whole daemon with every kind of listener: each speaks what its settings say."""

import asyncio
import smtplib
import ssl
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from fax_bridge.certificates import BadCertificate
from fax_bridge.daemon import running
from fax_bridge.setting_sources import load
from tests.certificates import authority, signed
from tests.integration.conftest import SETTINGS
from tests.ports import free_port

MORE = """
[smtp.tls]
cert_file = "{cert}"
key_file = "{key}"
[smtp.scanners]
listen = ["127.0.0.1:{scanners}"]
[webhook.tls]
cert_file = "{cert}"
key_file = "{key}"
[[users]]
name = "ayse"
password_hash = "{hash}"
[[senders]]
match = "ayse@login.example"
auth = ["ayse"]
[[senders]]
match = "scanner@clinic.example"
networks = ["127.0.0.0/8"]
scanner = true
report_to = ["office@example.com"]
"""
FAX = "902163334455@fax.example.com"


async def test_the_daemon_opens_every_listener_that_is_set(tmp_path: Path) -> None:
    """STARTTLS, TLS from the first octet, scanners, and the webhook under TLS; a mail by each of the three."""
    ca = authority(tmp_path)
    pair = signed(tmp_path, ca, "server")
    hash_ = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    tls_port, scanners = free_port(), free_port()
    path = tmp_path / "listeners.toml"
    text = SETTINGS.format(dir=tmp_path).replace(
        "[smtp]\n", f'[smtp]\nrequire_tls = true\nlisten_tls = ["127.0.0.1:{tls_port}"]\n'
    )
    path.write_text(text + MORE.format(cert=pair.cert, key=pair.key, hash=hash_, scanners=scanners))
    trusting = ssl.create_default_context(cafile=ca.cert)

    def send(smtp: smtplib.SMTP, sender: str, *, starttls: bool = False, user: str = "") -> None:
        with smtp:
            if starttls:
                smtp.starttls(context=trusting)
            if user:
                smtp.login(user, "correct horse")
            smtp.sendmail(sender, [FAX], f"From: {sender}\r\nTo: {FAX}\r\nSubject: {sender}\r\n\r\nMerhaba\r\n")

    async with running(load(path), grace=1) as up:
        await asyncio.to_thread(
            lambda: send(
                smtplib.SMTP("127.0.0.1", up.smtp, timeout=10), "ayse@login.example", starttls=True, user="ayse"
            )
        )
        await asyncio.to_thread(
            lambda: send(
                smtplib.SMTP_SSL("127.0.0.1", tls_port, timeout=10, context=trusting), "ayse@login.example", user="ayse"
            )
        )
        await asyncio.to_thread(lambda: send(smtplib.SMTP("127.0.0.1", scanners, timeout=10), "scanner@clinic.example"))
        with pytest.raises(smtplib.SMTPResponseException, match="STARTTLS"):
            await asyncio.to_thread(lambda: send(smtplib.SMTP("127.0.0.1", up.smtp, timeout=10), "ayse@example.com"))
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
            url = f"https://127.0.0.1:{up.webhook}/push/first-long-random-string"
            assert (await client.post(url, content=b"[]")).status_code == 200


async def test_the_daemon_does_not_start_with_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    """It would refuse every client, or worse, serve without TLS."""
    path = tmp_path / "listeners.toml"
    path.write_text(SETTINGS.format(dir=tmp_path) + '[smtp.tls]\ncert_file = "/dev/null"\n')
    with pytest.raises(BadCertificate, match=r"smtp\.tls: /dev/null does not hold what it should"):
        async with running(load(path), grace=1):
            pass
