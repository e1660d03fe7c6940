"""TLS on the real listeners: renewed certificates, broken ones, clients with one of their own."""

import asyncio
import contextlib
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fax_bridge import certificates
from fax_bridge.certificates import BadCertificate, Certificates
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.fax_to_email.webhook import webhook
from fax_bridge.http_listener import HttpListener
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen
from fax_bridge.settings import Settings, SmtpTls, Tls
from fax_bridge.store.store import Store
from tests.certificates import Pair, authority, signed
from tests.integration.conftest import SETTINGS

ANY = Listen(host="127.0.0.1", port=0)


@pytest.fixture
def ca(tmp_path: Path) -> Pair:
    return authority(tmp_path)


@pytest.fixture
def pair(tmp_path: Path, ca: Pair) -> Pair:
    return signed(tmp_path, ca, "server")


@pytest.fixture
def always_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are looked at with every handshake, so that no test has to wait for the next second."""
    monkeypatch.setattr(certificates, "LOOK_EVERY", 0.0)


def settings_with(directory: Path, more: str) -> Settings:
    path = directory / "tls.toml"
    path.write_text(SETTINGS.format(dir=directory) + more)
    return load(path)


@contextlib.asynccontextmanager
async def smtps(settings: Settings, store: Store) -> AsyncIterator[int]:
    intake = Intake(settings, store)
    try:
        yield await intake.listen_smtp_tls(ANY)
    finally:
        await intake.stop(grace=1)


async def shown_by(port: int, ca: Pair, client: Pair | None = None) -> ssl.SSLObject:
    """The session after a handshake and the greeting. Raises ``ssl.SSLError`` or ``ConnectionError``."""
    context = ssl.create_default_context(cafile=ca.cert)
    if client:
        context.load_cert_chain(client.cert, client.key)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        greeting = await asyncio.wait_for(reader.readline(), 5)
        if not greeting.startswith(b"220"):
            raise ConnectionResetError("no greeting")
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return session
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def common_name(session: ssl.SSLObject) -> str:
    return certificates.names_in(dict(session.getpeercert() or {}))[0]


@pytest.mark.usefixtures("always_looks")
async def test_a_renewed_certificate_is_used_without_a_restart(
    tmp_path: Path, ca: Pair, pair: Pair, store: Store
) -> None:
    """Files are replaced; the next handshake shows the new one."""
    settings = settings_with(tmp_path, f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n')
    async with smtps(settings, store) as port:
        assert common_name(await shown_by(port, ca)) == "server"
        renewed = signed(tmp_path, ca, "renewed")
        shutil.copy(renewed.key, pair.key)
        shutil.copy(renewed.cert, pair.cert)
        assert common_name(await shown_by(port, ca)) == "renewed"


@pytest.mark.usefixtures("always_looks")
async def test_a_broken_new_pair_keeps_the_old_one_and_is_told(
    tmp_path: Path, ca: Pair, pair: Pair, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A renewal caught half-way, an empty file, none: mail goes on, and the whole pair is taken later."""
    settings = settings_with(tmp_path, f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n')
    renewed = signed(tmp_path, ca, "renewed")
    async with smtps(settings, store) as port:
        shutil.copy(renewed.cert, pair.cert)  # the key is still the old one
        assert common_name(await shown_by(port, ca)) == "server"
        assert "key values mismatch" in capsys.readouterr().out
        pair.cert.write_bytes(b"")
        assert common_name(await shown_by(port, ca)) == "server"
        pair.cert.unlink()
        assert common_name(await shown_by(port, ca)) == "server"
        assert "the old one stays" in capsys.readouterr().out
        shutil.copy(renewed.cert, pair.cert)
        shutil.copy(renewed.key, pair.key)
        assert common_name(await shown_by(port, ca)) == "renewed"


async def test_old_tls_is_not_spoken(tmp_path: Path, ca: Pair, pair: Pair, store: Store) -> None:
    """TLS 1.2 and newer (RFC 8996); the handshake of an older client fails."""
    settings = settings_with(tmp_path, f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n')
    context = ssl.create_default_context(cafile=ca.cert)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion.TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with smtps(settings, store) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bad_certificate_at_the_start_is_named(tmp_path: Path, content: str) -> None:
    """The daemon does not start with it, and says which file it is."""
    file = tmp_path / "cert.pem"
    file.write_text(content)
    with pytest.raises(BadCertificate, match=r"cert\.pem does not hold what it should"):
        Certificates(Tls(cert_file=file))


def test_a_key_with_a_password_is_refused_and_asks_nobody(tmp_path: Path, pair: Pair) -> None:
    """OpenSSL would ask on the terminal, and a daemon would hang."""
    locked = tmp_path / "locked.key"
    words = ["openssl", "ec", "-in", str(pair.key), "-aes128", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    with pytest.raises(BadCertificate, match="the key has a password"):
        Certificates(Tls(cert_file=pair.cert, key_file=locked))


async def test_a_client_certificate_can_be_the_condition(tmp_path: Path, ca: Pair, pair: Pair, store: Store) -> None:
    """Who shows a name of the entry may send; with another, or none, not; a stranger cannot even shake hands."""
    tls = f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\nclient_ca_file = "{ca.cert}"\n'
    entry = '[[senders]]\nmatch = "*@clinic.example"\ncertificates = ["*.clinic.example"]\n'
    settings = settings_with(tmp_path, tls + entry)
    stranger = signed(tmp_path, authority(tmp_path, "other"), "mail.clinic.example2")
    clients = {
        "mail.clinic.example": signed(tmp_path, ca, "mail.clinic.example"),
        "mail.elsewhere.example": signed(tmp_path, ca, "mail.elsewhere.example"),
    }

    def code(port: int, client: Pair | None) -> int:
        context = ssl.create_default_context(cafile=ca.cert)
        if client:
            context.load_cert_chain(client.cert, client.key)
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=10, context=context) as smtp:
            smtp.ehlo("client.example.com")
            smtp.mail("ayse@clinic.example")
            return smtp.rcpt("902163334455@fax.example.com")[0]

    async with smtps(settings, store) as port:
        assert await asyncio.to_thread(code, port, clients["mail.clinic.example"]) == 250
        assert await asyncio.to_thread(code, port, clients["mail.elsewhere.example"]) == 550
        assert await asyncio.to_thread(code, port, None) == 550
        with pytest.raises((OSError, smtplib.SMTPException)):
            await asyncio.to_thread(code, port, stranger)


@pytest.mark.usefixtures("always_looks")
async def test_a_required_client_certificate_keeps_others_out_also_after_a_renewal(
    tmp_path: Path, ca: Pair, pair: Pair, store: Store
) -> None:
    """A new server certificate does not forget what clients have to bring."""
    settings = settings_with(
        tmp_path,
        f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
        f'client_ca_file = "{ca.cert}"\nrequire_client_certificate = true\n',
    )
    client = signed(tmp_path, ca, "client")
    assert isinstance(settings.smtp.tls, SmtpTls)
    async with smtps(settings, store) as port:
        for _ in range(2):
            await shown_by(port, ca, client)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await shown_by(port, ca)
            renewed = signed(tmp_path, ca, "renewed")
            shutil.copy(renewed.key, pair.key)
            shutil.copy(renewed.cert, pair.cert)


@pytest.mark.usefixtures("always_looks")
async def test_the_webhook_has_tls_of_its_own(tmp_path: Path, ca: Pair, pair: Pair, store: Store) -> None:
    """HTTPS without a proxy before it, and its certificate is renewed as well."""
    settings = settings_with(tmp_path, f'[webhook.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n')
    assert settings.webhook.tls

    async def ready() -> bool:
        return True

    context = Certificates(settings.webhook.tls).context
    listener = HttpListener(webhook(settings, store, ready), "127.0.0.1", 0, tls=context)
    await listener.start()
    try:
        for name in ("server", "renewed"):
            trusting = ssl.create_default_context(cafile=ca.cert)
            async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
                url = f"https://127.0.0.1:{listener.port}/push/first-long-random-string"
                async with client.stream("POST", url, content=b"[]") as answer:
                    assert answer.status_code == 200
                    session = answer.extensions["network_stream"].get_extra_info("ssl_object")
                    assert common_name(session) == name
            renewed = signed(tmp_path, ca, "renewed")
            shutil.copy(renewed.key, pair.key)
            shutil.copy(renewed.cert, pair.cert)
    finally:
        await listener.stop()
