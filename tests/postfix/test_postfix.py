"""A real Postfix: a fax is mail to it, and so is the report that comes back."""

import asyncio
import base64
import io
import os
import re
import socketserver
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.postfix.conftest import SECRET, Site, site_at, until
from tests.tools import tool

MAILS = int(os.environ.get("POSTFIX_QUEUE", "200"))
"""How many pile up; ``scripts/postfix-queue`` asks for more. Their numbers have room for 6,000."""

DELIVERED = "Faks teslim edildi: +90 216 333 44 55"


def fax(number: int = 0) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@example.com>"
    mail["To"] = "902163334455@fax.example.com"
    mail["Subject"] = f"Sözleşme {number}"
    mail["Message-ID"] = f"<fax-{number}@example.com>"
    mail.set_content("Merhaba, ğüşıöç ĞÜŞİÖÇ.\n")
    return mail.as_bytes()


@pytest.mark.parametrize("by", ["smtp", "lmtp"])
async def test_sendmail_sends_a_fax_and_the_report_is_in_the_mailbox(place: Path, by: str) -> None:
    """By SMTP and by LMTP: the transport map is all that Postfix needs to know."""
    async with site_at(place, by=by) as site:
        await asyncio.to_thread(site.postfix.sendmail, fax(), "902163334455@fax.example.com")
        (report,) = await site.mails("ayse", 1)
        assert str(report["Subject"]).startswith(DELIVERED)
        assert str(report["Return-Path"]) == "<>"
        assert len(await site.faxes()) == 1
        await until(lambda: site.postfix.waiting() == 0)


async def test_a_number_that_is_none_bounces_from_postfix(place: Path) -> None:
    """The bridge refuses at RCPT, so it is Postfix that tells the sender, with the bridge's words."""
    async with site_at(place) as site:
        await asyncio.to_thread(site.postfix.sendmail, fax(), "12@fax.example.com")
        (bounce,) = await site.mails("ayse", 1)
        assert bounce.get_content_type() == "multipart/report"
        assert "5.1.3" in bounce.as_string()
        assert not await site.faxes()


class Greylist(socketserver.ThreadingTCPServer):
    """A policy service (SMTPD_POLICY_README) that puts each recipient off once."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), GreylistHandler)
        self.asked: Counter[str] = Counter()


class GreylistHandler(socketserver.StreamRequestHandler):
    server: Greylist

    def handle(self) -> None:
        recipient = ""
        for raw in self.rfile:
            line = raw.decode().strip()
            if line.startswith("recipient="):
                recipient = line.partition("=")[2]
            elif not line:
                self.server.asked[recipient] += 1
                action = "DUNNO" if self.server.asked[recipient] > 1 else "DEFER 4.7.1 greylisted, come again later"
                self.wfile.write(f"action={action}\n\n".encode())


@pytest.fixture
def greylist() -> Iterator[Greylist]:
    with Greylist() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


async def test_a_report_comes_through_a_greylisting(place: Path, greylist: Greylist) -> None:
    """Put off once, it is tried again, and comes once."""
    policy = f"check_policy_service inet:127.0.0.1:{greylist.server_address[1]}"
    async with site_at(place, more=f"smtpd_recipient_restrictions = {policy}, permit_mynetworks, reject") as site:
        await asyncio.to_thread(site.postfix.sendmail, fax(), "902163334455@fax.example.com")
        await site.mails("ayse", 1)
        assert greylist.asked["ayse@example.com"] == 2
        await asyncio.sleep(1.5)
        assert len(site.postfix.mails("ayse")) == 1


async def test_a_restart_of_either_side_loses_nothing(place: Path) -> None:
    """Postfix keeps the mail while the bridge is away, and the bridge the report while Postfix is."""
    async with site_at(place) as site:
        await site.stop_bridge()
        await asyncio.to_thread(site.postfix.sendmail, fax(1), "902163334455@fax.example.com")
        await until(lambda: "status=deferred" in site.postfix.log)
        await site.start_bridge()
        await asyncio.to_thread(site.postfix.flush)
        await site.mails("ayse", 1)
        # Now the other way: handed over, and then Postfix is gone before the report.
        site.hear_nothing()
        await asyncio.to_thread(site.postfix.sendmail, fax(2), "902163334455@fax.example.com")
        await handed_over(site, 2)
        await asyncio.to_thread(site.postfix.stop)
        site.hear()
        await asyncio.sleep(1.0)
        await asyncio.to_thread(site.postfix.start)
        reports = await site.mails("ayse", 2)
        assert [str(report["Subject"]).rpartition(" ")[2] for report in reports] == ["1", "2"]
        assert len(await site.faxes()) == 2


async def test_a_queue_becomes_as_many_faxes_and_reports(place: Path) -> None:
    """Each once: what piled up while the bridge was away comes in one go."""
    count = MAILS
    async with site_at(place) as site:
        await site.stop_bridge()

        def pile_up() -> None:
            for number in range(count):
                site.postfix.sendmail(fax(number), f"90216333{3000 + number}@fax.example.com")

        await asyncio.to_thread(pile_up)
        await site.start_bridge()
        await asyncio.to_thread(site.postfix.flush)
        reports = await site.mails("ayse", count, seconds=60 + count)
        subjects = Counter(str(report["Subject"]).rpartition(" ")[2] for report in reports)
        assert subjects == Counter(str(number) for number in range(count))
        assert len(await site.faxes()) == count
        await until(lambda: site.postfix.waiting() == 0)


@pytest.mark.parametrize("client", ["swaks", "msmtp"])
async def test_clients_that_people_use_send_through_it(place: Path, client: str) -> None:
    """swaks and msmtp, to Postfix as to any smart host."""
    program = tool(client)
    async with site_at(place) as site:
        to, where = "902163334455@fax.example.com", ("127.0.0.1", str(site.postfix.port))
        if client == "swaks":
            command = [program, "--server", ":".join(where), "--from", "ayse@example.com", "--to", to, "--data", "-"]
        else:
            options = ("--file=/dev/null", f"--host={where[0]}", f"--port={where[1]}", "--from=ayse@example.com")
            command = [program, *options, "--", to]
        done = await asyncio.to_thread(subprocess.run, command, input=fax(), capture_output=True, timeout=60)
        assert done.returncode == 0, done
        (report,) = await site.mails("ayse", 1)
        assert re.match(re.escape(DELIVERED), str(report["Subject"]))


async def test_a_received_fax_reaches_the_mailbox_and_its_reply_the_caller(place: Path) -> None:
    """Through Postfix both ways: the mail of the fax is from an address that Postfix sends to the bridge."""
    async with site_at(place) as site:
        await receive(site)
        (mail,) = await site.mails("reception", 1)
        reply_to = str(mail["Reply-To"] or mail["From"])
        assert "902163334455@fax.example.com" in reply_to
        await asyncio.to_thread(site.postfix.sendmail, fax(7), "902163334455@fax.example.com")
        await site.mails("ayse", 1)
        (sent,) = await site.faxes()
        assert [phone["phone"] for phone in sent["params"]["phones"]] == ["902163334455"]


async def receive(site: Site) -> None:
    """A fax of a page comes in at FaxMAX."""
    page = Image.new("1", (1728, 1100), 1)
    page.paste(0, (200, 200, 900, 260))
    tiff = io.BytesIO()
    page.save(tiff, "TIFF", compression="group3", dpi=(204, 98))
    content = base64.b64encode(tiff.getvalue()).decode()
    element = {"type": "INCOMING_FAX", "id": "in-1", "cli": "902163334455", "cld": "902162222525", "content": content}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"http://127.0.0.1:{site.webhook}/push/{SECRET}", json=[element])
    assert answer.status_code == 200


async def handed_over(site: Site, count: int) -> None:
    """Until FaxMAX has so many faxes."""
    async with asyncio.timeout(60):
        while len(await site.faxes()) < count:  # noqa: ASYNC110 — asks another program
            await asyncio.sleep(0.05)
