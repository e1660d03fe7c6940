"""The daemon under a service manager: readiness, signs of life, reload, sockets that outlive it. Real processes."""

import asyncio
import re
import signal
import smtplib
import socket
from pathlib import Path

import httpx
import pytest

from tests.service.manager import Service, listening, service, write_settings

SECRET = "a-long-random-string"


def greeting(port: int) -> str:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        return str(smtp.ehlo()[0])


def reply_to_rcpt(port: int, sender: str) -> int:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail(sender)
        return smtp.rcpt("902163333344@fax.example.com")[0]


def smtp_port(status: str) -> int:
    found = re.search(r"mail on port (\d+)", status)
    assert found, status
    return int(found[1])


async def test_ready_is_told_once_mail_is_taken_and_stopping_before_the_end(tmp_path: Path) -> None:
    """Type=notify: READY=1 comes when the port answers; at the stop STOPPING=1, then the end."""
    write_settings(tmp_path)
    async with service(tmp_path) as daemon:
        ready = await daemon.told()
        assert ready["READY"] == "1"
        assert await asyncio.to_thread(greeting, smtp_port(ready["STATUS"])) == "250"
        daemon.process.send_signal(signal.SIGTERM)
        assert (await daemon.until("STOPPING"))["STOPPING"] == "1"
        assert await daemon.process.wait() == 0


async def test_signs_of_life_come_while_the_loop_turns_and_not_when_it_hangs(tmp_path: Path) -> None:
    """WatchdogSec=: three signs in each interval; a process that stands still gives none."""
    write_settings(tmp_path)
    async with service(tmp_path, environment={"WATCHDOG_USEC": "600000"}) as daemon:
        await daemon.until("READY")
        for _ in range(4):
            await daemon.until("WATCHDOG", 5)
        daemon.process.send_signal(signal.SIGSTOP)
        await drained(daemon)
        with pytest.raises(TimeoutError):
            await daemon.told(1.0)
        daemon.process.send_signal(signal.SIGCONT)
        await daemon.until("WATCHDOG", 5)


async def drained(daemon: Service) -> None:
    """What was sent before it stood still."""
    await asyncio.sleep(0.1)
    try:
        while True:
            daemon.notified.recv(65536)
    except BlockingIOError:
        return


async def test_a_reload_changes_what_can_change_and_a_wrong_file_changes_nothing(tmp_path: Path) -> None:
    """SIGHUP: RELOADING=1, then READY=1 with the outcome in STATUS. New senders hold at once."""
    config = write_settings(tmp_path)
    async with service(tmp_path) as daemon:
        port = smtp_port((await daemon.told())["STATUS"])
        assert await asyncio.to_thread(reply_to_rcpt, port, "new@example.org") == 550
        sender = '[[senders]]\nmatch = "*@example.org"\nnetworks = ["127.0.0.0/8"]\n'
        good = config.read_text()
        config.write_text(
            good.replace("[webhook]\nlisten", '[webhook]\npublic_url = "https://x.test"\nlisten') + sender
        )
        config.write_text(config.read_text().replace('timeout = "1500ms"', 'timeout = "2s"'))
        daemon.process.send_signal(signal.SIGHUP)
        assert (await daemon.told())["RELOADING"] == "1"
        told = await daemon.told()
        assert told["READY"] == "1"
        assert told["STATUS"] == "changed: webhook.public_url, senders; need a restart: faxmax.timeout"
        assert await asyncio.to_thread(reply_to_rcpt, port, "new@example.org") == 250
        config.write_text(good.replace("domains = ", "domians = "))
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.until("RELOADING")
        refused = (await daemon.told())["STATUS"]
        assert refused.startswith("reload refused, the old settings hold: smtp.dom")
        assert await asyncio.to_thread(reply_to_rcpt, port, "new@example.org") == 250
        assert "the settings are kept as they were" in (tmp_path / "log").read_text()


async def test_sockets_that_were_handed_over_are_listened_on_and_left_in_place(tmp_path: Path) -> None:
    """SMTP, LMTP on a Unix socket and the webhook, each by its name; the Unix socket is there after the stop."""
    write_settings(tmp_path)
    path = tmp_path / "lmtp.sock"
    handed = {"lmtp": listening(socket.AF_UNIX, path), "webhook": listening(), "smtp": listening()}
    smtp, http = (handed[name].getsockname()[1] for name in ("smtp", "webhook"))
    async with service(tmp_path, handed) as daemon:
        assert smtp_port((await daemon.told())["STATUS"]) == smtp
        assert await asyncio.to_thread(greeting, smtp) == "250"
        with smtplib.LMTP(str(path)) as lmtp:
            assert lmtp.ehlo()[0] == 250
        async with httpx.AsyncClient() as client:
            pushed = await client.post(f"http://127.0.0.1:{http}/push/{SECRET}", content=b"[]")
        assert pushed.status_code == 200
        assert await daemon.stop() == 0
    assert path.is_socket()
    for one in handed.values():
        one.close()


async def test_a_restart_refuses_no_connection(tmp_path: Path) -> None:
    """Under load, with a socket unit: clients that come while nobody is there wait, and are all greeted."""
    write_settings(tmp_path)
    with listening() as listener:
        port = listener.getsockname()[1]
        greeted, over = 0, False
        faults: list[OSError] = []
        turned_away: list[OSError] = []

        async def client() -> None:
            nonlocal greeted
            while not over:
                try:
                    said = await asyncio.to_thread(greeting, port)
                    assert said in {"250", "421"}  # by one that is stopping; a mail server comes again
                    greeted += said == "250"
                except (smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException) as fault:
                    turned_away.append(fault)  # with a 421, by one that is stopping; a mail server comes again
                except OSError as fault:
                    faults.append(fault)
                await asyncio.sleep(0.01)

        async with service(tmp_path, {"smtp": listener}) as first:
            await first.until("READY")
            clients = [asyncio.create_task(client()) for _ in range(4)]
            await asyncio.sleep(0.5)
            assert await first.stop() == 0
        before = greeted
        async with service(tmp_path, {"smtp": listener}) as second:
            await second.until("READY")
            await asyncio.sleep(0.5)
            over = True
            await asyncio.gather(*clients)
            assert await second.stop() == 0
    assert faults == []
    assert 0 < before < greeted
