"""``fax-bridge demo``: the bridge, the sandbox and a Maildir on free loopback ports, and both round trips by real mail.

The demo plays the people around the bridge: a user with a mail client, a remote fax machine, a mailbox.
"""

import asyncio
import contextlib
import json
import secrets
import smtplib
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx
from rich.console import Console

from fax_bridge import daemon, eventlog
from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox import Sandbox, SandboxSettings
from fax_bridge.mail.words import templates_root
from fax_bridge.setting_sources import load

T = TypeVar("T")

OUR_NUMBER = "902162222525"
THEIR_NUMBER = "902163334455"
SENDER = "ayse@example.com"
RECEPTION = "reception@example.com"
PATIENCE = 60.0
"""Seconds for each step; on an idle machine one takes two or three."""

CONFIG = """\
# Written by fax-bridge demo. Secrets in here are worth nothing outside of it.
[smtp]
listen = ["127.0.0.1:0"]
domains = ["fax.example.com"]

[store]
url = "sqlite:///{dir}/fax-bridge.db"

[faxmax]
url = "{faxmax}"
token = "{token}"
cli = "{number}"

[webhook]
listen = ["127.0.0.1:0"]
secrets = ["{secret}"]

[relay]
url = "maildir://{dir}/Maildir"
from = "Fax <fax@fax.example.com>"

[inbound]
fallback = "postmaster@example.com"

[log]
level = "warning"

[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8", "::1/128"]

[[routes]]
called = "{number}"
to = ["{reception}"]
"""

BODY = """\
<html><body style="font-family: Arial">
<p>Sayın yetkili,</p>
<p>Ekteki sayfayı <b>faks</b> olarak iletiyorum. Daireler yuvarlak, harfler eksiksiz olmalı: <b>ğüşıöç ĞÜŞİÖÇ</b>.</p>
<p>Saygılarımla,<br>Ayşe Yıldız</p>
</body></html>
"""


@dataclass
class _Table:
    """What the demo lays on the table: a directory with files to open, and words to the person who watches."""

    directory: Path
    console: Console

    def say(self, step: str, text: str = "") -> None:
        self.console.print(f"[bold]{step}[/bold] {text}", highlight=False, soft_wrap=True)

    def lay(self, name: str, data: bytes) -> None:
        path = self.directory / name
        path.write_bytes(data)
        self.console.print(f"      {path}", highlight=False, soft_wrap=True)


async def demo(directory: Path | None, *, once: bool) -> bool:
    """Run the demo; true if every step was seen. Without ``once`` it stays up until it is cancelled."""
    home = (directory or Path(tempfile.mkdtemp(prefix="fax-bridge-demo-"))).resolve()
    home.mkdir(parents=True, exist_ok=True)
    table = _Table(home, Console())
    secret, token = secrets.token_urlsafe(24), secrets.token_urlsafe(12)
    async with contextlib.AsyncExitStack() as stack:
        documents = await stack.enter_async_context(Documents())
        sandbox = Sandbox(SandboxSettings(listen="127.0.0.1:0", token=token, numbers=(OUR_NUMBER,)), documents)
        await sandbox.start()
        stack.push_async_callback(sandbox.stop)
        config = home / "fax-bridge.toml"
        values = {"dir": home, "faxmax": sandbox.url, "token": token, "number": OUR_NUMBER}
        config.write_text(CONFIG.format(**values, secret=secret, reception=RECEPTION), encoding="utf-8")
        settings = load(config)
        eventlog.set_up(settings.log.format, settings.log.level)
        async with daemon.running(settings) as up:
            sandbox.notify_url = f"http://127.0.0.1:{up.webhook}/push/{secret}"
            table.say("Up.", f"SMTP on 127.0.0.1:{up.smtp}, sandbox FaxMAX at {sandbox.url}, files in:")
            table.say("     ", str(home))
            page = await documents.html_to_pdf((templates_root() / "demo" / "page.html").read_text(encoding="utf-8"))
            seen = await _email_to_fax(table, sandbox, up.smtp, page) and await _fax_to_email(table, sandbox)
            table.say("Both round trips were seen." if seen else "A step was not seen; the files tell how far it came.")
            if not once:
                await _stay(table, up.smtp, sandbox)
            return seen


async def _email_to_fax(table: _Table, sandbox: Sandbox, port: int, page: bytes) -> bool:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"Ayşe Yıldız <{SENDER}>"
    mail["To"] = f"{THEIR_NUMBER}@fax.example.com"
    mail["Subject"] = "Sözleşme: ğüşıöç ĞÜŞİÖÇ"
    mail["Message-ID"] = f"<{secrets.token_hex(8)}@example.com>"
    mail.set_content("Bu iletinin HTML hali vardır.")
    mail.add_alternative(BODY, subtype="html")
    mail.add_attachment(page, maintype="application", subtype="pdf", filename="sözleşme.pdf")
    answer = await asyncio.to_thread(_send, mail, port)
    table.say("1 →", f"{SENDER} sent a mail with a PDF to {mail['To']}; the bridge said: {answer}")
    table.lay("1-mail.eml", mail.as_bytes())
    root = sandbox.url.removesuffix("/api/v1")
    fax = await _wait(lambda: _sent_fax(root))
    if fax is None:
        table.say("2 ✗", "the sandbox got no fax")
        return False
    table.say("2 →", f"FaxMAX (the sandbox) got one document and a cover, and faxed these pages to +{THEIR_NUMBER}")
    table.lay("2-document.pdf", await _get(urljoin(root, fax["fax_file"]["url"])))
    table.lay("2-cover.html", (fax["cover_html"] or "").encode())
    table.lay("2-fax-pages.tif", await _get(urljoin(root, fax["pages_url"])))
    report = await _wait(lambda: _mail_to(table.directory, SENDER, str(mail["Message-ID"])))
    if report is None:
        table.say("3 ✗", "no report came")
        return False
    table.say("3 →", f"the report came back: {_subject(report)}")
    table.lay("3-report.eml", report)
    return True


async def _fax_to_email(table: _Table, sandbox: Sandbox) -> bool:
    pages = (table.directory / "2-fax-pages.tif").read_bytes()
    root = sandbox.url.removesuffix("/api/v1")
    async with httpx.AsyncClient(trust_env=False) as http:
        made = await http.post(
            f"{root}/sandbox/incoming",
            data={"cli": THEIR_NUMBER, "cld": OUR_NUMBER},
            files={"file": ("fax.tif", pages, "image/tiff")},
        )
    made.raise_for_status()
    table.say("4 ←", f"+{THEIR_NUMBER} faxed the same pages back to +{OUR_NUMBER}")
    mail = await _wait(lambda: _mail_to(table.directory, RECEPTION, None))
    if mail is None:
        table.say("5 ✗", "no mail came")
        return False
    table.say("5 ←", f"{RECEPTION} has the fax as a PDF: {_subject(mail)}")
    table.lay("5-received.eml", mail)
    pdf = _attached_pdf(mail)
    if pdf is None:
        table.say("5 ✗", "the mail has no PDF")
        return False
    table.lay("5-received.pdf", pdf)
    return True


async def _stay(table: _Table, port: int, sandbox: Sandbox) -> None:
    to = f"{THEIR_NUMBER}@fax.example.com"
    root = sandbox.url.removesuffix("/api/v1")
    table.say("Play with it", "(Ctrl-C ends it). Send a mail of your own:")
    server = f"127.0.0.1:{port}"
    table.say("  swaks", f"--server {server} --from {SENDER} --to {to} --h-Subject Deneme --attach @FILE.pdf")
    table.say("  curl", f"smtp://{server} --mail-from {SENDER} --mail-rcpt {to} -T {table.directory}/1-mail.eml")
    table.say("Send a fax to it:")
    table.say("  curl", f"-F cli={THEIR_NUMBER} -F cld={OUR_NUMBER} -F file=@FILE.pdf {root}/sandbox/incoming")
    table.say("Numbers that end in 0001 to 0015 fail in their own ways:", "fax-bridge sandbox --help")
    table.say("The mailbox:", f"{table.directory}/Maildir/new")
    await asyncio.Event().wait()


def _send(mail: EmailMessage, port: int) -> str:
    """Send by SMTP as a mail client does; what the server said to the DATA."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
        smtp.ehlo("demo.example.com")
        smtp.mail(SENDER)
        smtp.rcpt(mail["To"])
        code, text = smtp.data(mail.as_bytes())
    return f"{code} {text.decode()}"


async def _wait(look: Callable[[], Awaitable[T | None]]) -> T | None:
    try:
        async with asyncio.timeout(PATIENCE):
            while (found := await look()) is None:  # noqa: ASYNC110 — looks at a server and a directory
                await asyncio.sleep(0.05)
            return found
    except TimeoutError:
        return None


async def _sent_fax(root: str) -> dict[str, Any] | None:
    """The fax that the sandbox has sent, once its pages are there."""
    faxes = json.loads(await _get(f"{root}/sandbox/faxes"))
    return faxes[0] if faxes and faxes[0]["status"] == "DELIVERED" else None


async def _get(url: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
    answer.raise_for_status()
    return answer.content


async def _mail_to(directory: Path, address: str, in_reply_to: str | None) -> bytes | None:
    """The first mail in the Maildir to that address, if given in reply to that mail."""
    for path in sorted((directory / "Maildir" / "new").glob("*")):
        content = path.read_bytes()
        mail = BytesParser(policy=policy.default).parsebytes(content, headersonly=True)
        if address in str(mail["To"]) and (in_reply_to is None or str(mail["In-Reply-To"]).strip() == in_reply_to):
            return content
    return None


def _subject(mail: bytes) -> str:
    return str(BytesParser(policy=policy.default).parsebytes(mail, headersonly=True)["Subject"])


def _attached_pdf(mail: bytes) -> bytes | None:
    for part in BytesParser(policy=policy.default).parsebytes(mail).walk():
        if part.get_content_type() == "application/pdf":
            data = part.get_payload(decode=True)
            return data if isinstance(data, bytes) else None
    return None
