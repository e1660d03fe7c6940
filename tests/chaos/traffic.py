"""The people around the bridge: mail clients and FaxMAX's incoming faxes, who come again until they are heard.

A mail client that loses the answer to its DATA sends the same bytes again (RFC 5321 §4.5.4.1), and FaxMAX pushes
again what got no 200. Each writes down what it was promised: that is what the bridge is held to.
"""

import asyncio
import base64
import email
import io
import json
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from random import Random

import httpx
from PIL import Image, ImageDraw

from tests.chaos.node import Place

MOST_TRIES = 600
"""Of one mail or push, a few hundred milliseconds apart: longer than the daemon is ever away in a storm."""

FATES = ("", "", "", "", "0001", "0005", "0007", "0008", "0009", "0010", "0011", "0012", "0013", "0015")
"""Last four digits of called numbers (``fax_bridge.faxmax.sandbox_fates``); empty ones are delivered."""

AREAS = ("216", "212", "312", "232", "322", "224", "242", "262", "342", "362", "412", "442", "462", "332", "258")
"""Area codes of called and calling numbers."""

OUR_NUMBER = "902162222525"

RECEPTION = "reception@example.com"

BOUNCE = """\
From: <MAILER-DAEMON@example.com>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The mailbox is full.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.2.2

--b--
"""


@dataclass(slots=True)
class Mail:
    """One mail of a client, and how far it got with it."""

    message_id: str
    numbers: tuple[str, ...]
    """It is to become a fax to each of them, and to no other."""
    faxable: bool
    impatient: bool
    """Its client hangs up once before the answer comes, and sends it again."""
    content: bytes = field(repr=False)
    to: tuple[str, ...] = ()
    """Local parts of its recipients, where they are not the numbers."""
    notify: str = ""
    """NOTIFY of each RCPT (RFC 3461 §4.1)."""
    sent_whole: int = 0
    """How often all of it had left; each of these may have been accepted, even without an answer."""
    accepted: bool = False
    refusal: str = ""

    @property
    def is_preview(self) -> bool:
        return not self.numbers


@dataclass(slots=True)
class Push:
    """One received fax of FaxMAX's."""

    fax_id: str
    caller: str
    bodies: tuple[bytes, ...] = field(repr=False)
    """What is pushed for it, one after the other: the fax, at times announced before or repeated after."""
    announcement: bytes = field(repr=False)
    pushed: int = 0
    taken: bool = False
    refusal: str = ""
    """The HTTP status of the last try that was not taken."""
    comes_back: bool = False
    """Its mail to ``reception@`` cannot be delivered, which a bounce tells; the bounce is accepted at last."""
    returned: bool = False


@dataclass(slots=True)
class Ledger:
    mails: list[Mail] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        """Mails that were sent whole again, because their client never heard the 250."""
        return sum(mail.sent_whole > 1 for mail in self.mails)

    def unheard(self) -> list[str]:
        """What never was accepted, which nobody may blame on a daemon that is back."""
        mails = [f"mail {m.message_id} got no 250: {m.refusal or 'no answer'}" for m in self.mails if not m.accepted]
        mails += [f"push {push.fax_id} got no 200" for push in self.pushes if not push.taken]
        return mails + [
            f"the bounce of {push.fax_id} got no 250: {push.refusal}"
            for push in self.pushes
            if push.comes_back and not push.returned
        ]


class Traffic:
    """``places`` is asked at each try for the nodes that may be called upon."""

    def __init__(self, seed: int, places: Callable[[], list[Place]]) -> None:
        self._places = places
        self._plan = Random(seed)  # noqa: S311 — what is sent, to be had again by its seed
        self._chance = Random()  # noqa: S311 — when it is tried again
        self._heads = _heads()
        self._called: list[str] = []
        self.ledger = Ledger()

    async def mail(self, *, after: float) -> None:
        """Send a mail in up to ``after`` seconds, and again until it is accepted."""
        mail = self._mail()
        self.ledger.mails.append(mail)
        await asyncio.sleep(self._chance.uniform(0, after))
        await self.deliver(mail)

    async def push(self, *, after: float) -> None:
        """Push a received fax in up to ``after`` seconds, and again until it is taken; at times once more then."""
        push = self._push()
        self.ledger.pushes.append(push)
        await asyncio.sleep(self._chance.uniform(0, after))
        await self.give(push)

    async def give(self, push: Push) -> None:
        """Push it, again and again, until it is taken."""
        for body in push.bodies:
            push.taken = await self._post(body, push)
        if push.comes_back:
            await self._return(push)

    def number(self, fate: str = "") -> str:
        """One that nobody called yet, with the fate of those last four digits, or else to be delivered."""
        return next(self._heads) + (fate or "5000")

    def _number(self) -> str:
        """Mostly one that nobody called yet, so that a push fits one fax only; at times one that somebody did."""
        if self._called and self._plan.random() < 0.1:
            return self._plan.choice(self._called)
        number = next(self._heads) + (self._plan.choice(FATES) or str(self._plan.randint(5000, 9999)))
        self._called.append(number)
        return number

    # --- mails ---------------------------------------------------------------------------------------

    def _mail(self) -> Mail:
        wanted = [self._number() for _ in range(self._plan.choice((1, 1, 1, 2, 3)))]
        numbers = tuple(dict.fromkeys(wanted))  # twice the same would be one fax with two recipients
        faxable = self._plan.random() > 0.15
        drawing = b"" if faxable else b"\x00\x01"
        impatient = self._plan.random() < 0.15
        kind, serial = self._plan.random(), len(self.ledger.mails)
        if kind < 0.1:
            return preview_of(numbers, serial, drawing=drawing, impatient=impatient)
        mail = mail_to(numbers, serial, drawing=drawing, impatient=impatient, is_listed=kind < 0.2)
        if kind > 0.8:
            mail.notify = "SUCCESS,FAILURE,DELAY"
        return mail

    async def deliver(self, mail: Mail) -> None:
        """Send it, again and again, until it is accepted."""
        for _ in range(MOST_TRIES):
            try:
                await asyncio.to_thread(_send, mail, self._chance.choice(self._places()).smtp)
            except (OSError, smtplib.SMTPServerDisconnected) as fault:
                mail.refusal = f"{type(fault).__name__}: {fault}"
            if mail.accepted or mail.refusal.startswith("5"):
                return
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))

    # --- pushes --------------------------------------------------------------------------------------

    def received_fax(self) -> Push:
        """From a number that nobody called yet."""
        return push_from(self.number(), len(self.ledger.pushes))

    def _push(self) -> Push:
        push = self.received_fax()
        (whole,) = push.bodies
        push.bodies = self._plan.choice(((whole,), (whole,), (whole,), (push.announcement, whole), (whole, whole)))
        push.comes_back = self._plan.random() < 0.25
        return push

    async def _return(self, push: Push) -> None:
        """What the mailbox of ``reception@`` would not have comes back to where its mail came from."""
        for _ in range(4 * MOST_TRIES):  # in a long storm its mail may be a long time coming
            where = self._chance.choice(self._places())
            try:
                if came_from := await asyncio.to_thread(_sender_of, where.mailbox, push.caller):
                    await asyncio.to_thread(_bounce, push, came_from, where.smtp)
            except (OSError, smtplib.SMTPException) as fault:
                push.refusal = f"{type(fault).__name__}: {fault}"
            if push.returned:
                return
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))

    async def _post(self, body: bytes, push: Push) -> bool:
        for _ in range(MOST_TRIES):
            push.pushed += 1
            try:
                # A connection of its own for each: one that was kept could be a dead daemon's.
                async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
                    answer = await http.post(self._chance.choice(self._places()).push_url, content=body)
            except httpx.HTTPError:
                pass
            else:
                if answer.status_code == 200:
                    return True
                push.refusal = str(answer.status_code)
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))
        return False


def mail_to(
    numbers: tuple[str, ...], serial: int, *, drawing: bytes = b"", impatient: bool = False, is_listed: bool = False
) -> Mail:
    """A mail that no other serial number makes; a ``drawing`` is a part that cannot be faxed.

    Where it ``is_listed``, all but the first number stand in a distribution list that is attached.
    """
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@example.com>"
    mail["Subject"] = f"Fırtına {serial}"
    mail["Message-ID"] = message_id = f"<storm-{serial}@example.com>"
    mail.set_content("Merhaba, ğüşıöç ĞÜŞİÖÇ.\r\n")
    if drawing:
        mail.add_attachment(drawing, maintype="application", subtype="x-cad", filename="çizim.dwg")
    if is_listed and numbers[1:]:
        mail.add_attachment("\r\n".join(numbers[1:]), filename="distribution-list.txt")
        return Mail(
            message_id, numbers, not drawing, impatient, mail.as_bytes(policy=policy.SMTP), to=(numbers[0],),
        )  # fmt: skip
    return Mail(message_id, numbers, not drawing, impatient, mail.as_bytes(policy=policy.SMTP))


def preview_of(numbers: tuple[str, ...], serial: int, *, drawing: bytes = b"", impatient: bool = False) -> Mail:
    """The same mail, which asks what would become of it, and must become no fax."""
    mail = mail_to(numbers, serial, drawing=drawing, impatient=impatient)
    mail.numbers, mail.to = (), tuple(f"preview+{number}" for number in numbers)
    return mail


def push_from(caller: str, serial: int, *, trailing: int = 0) -> Push:
    """A received fax that no other serial number makes; ``trailing`` bytes behind its TIFF, which no reader minds."""
    element = {"type": "INCOMING_FAX", "id": f"in-{serial}", "cli": caller, "cld": OUR_NUMBER}
    content = base64.b64encode(_tiff(serial) + bytes(trailing)).decode()
    whole = json.dumps([element | {"content": content}]).encode()
    return Push(f"in-{serial}", caller, (whole,), json.dumps([element]).encode())


def _send(mail: Mail, port: int) -> None:
    """One SMTP session. Raises ``OSError`` or ``SMTPServerDisconnected`` where it breaks off."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.ehlo()
        replies = [smtp.mail("ayse@example.com")]
        notify = (f"NOTIFY={mail.notify}",) if mail.notify else ()
        replies += [smtp.rcpt(f"{local}@fax.example.com", notify) for local in mail.to or mail.numbers]
        replies.append(smtp.docmd("DATA"))
        if wrong := [reply for reply in replies if reply[0] >= 400]:
            mail.refusal = f"{wrong[0][0]} {wrong[0][1]!r}"
            return
        smtp.send(re.sub(rb"(?m)^\.", b"..", mail.content) + b".\r\n")
        mail.sent_whole += 1
        if mail.impatient and mail.sent_whole == 1:
            time.sleep(0.1)  # long enough to be accepted, mostly
            raise smtplib.SMTPServerDisconnected("this client waits no longer")
        code, words = smtp.getreply()
        mail.accepted = code == 250
        mail.refusal = "" if mail.accepted else f"{code} {words!r}"


def _sender_of(mailbox: Path, caller: str) -> str:
    """Which address the mail of that caller's fax to ``reception@`` left from; empty while it has not come."""
    for path in mailbox.glob("received-*"):
        mail = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        if mail["Delivered-To"] == RECEPTION and f"<{caller}@" in str(mail["From"]):
            return str(mail["Return-Path"]).strip("<>")
    return ""


def _bounce(push: Push, came_from: str, port: int) -> None:
    """A mail server's report to that address. Raises as :func:`_send`."""
    report = BOUNCE.format(recipient=RECEPTION).replace("\n", "\r\n")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail("")
        smtp.rcpt(came_from)
        code, words = smtp.data(report)
        push.returned = code == 250
        push.refusal = "" if push.returned else f"{code} {words!r}"


def _heads() -> Iterator[str]:
    """Turkish numbers without their last four digits, none of them twice."""
    for area in AREAS:
        for exchange in range(200, 900):
            yield f"90{area}{exchange}"


def _tiff(number: int) -> bytes:
    """A small fax page that no other push has."""
    page = Image.new("1", (1728, 300), 1)
    ImageDraw.Draw(page).text((100, 100), f"Fax {number}", fill=0)
    out = io.BytesIO()
    page.save(out, "TIFF", compression="group4", dpi=(204, 98))
    return out.getvalue()
