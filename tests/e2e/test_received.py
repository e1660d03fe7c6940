"""A received fax on all its ways, over real sockets: mail, bounce, fallback, directory, webhook, link, postmaster."""

import asyncio
import base64
import email
import hmac
import io
import json
import re
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fax_bridge.http_listener import HttpListener
from fax_bridge.received_faxes import as_file
from fax_bridge.store.schema import bounce, delivery, outbox, received
from tests.e2e.conftest import Bridge, bridge_in, until
from tests.e2e.test_relay_in_trouble import ARCHIVE, OPERATOR, RECEPTION, MailServer, outbox_ends, rows, site
from tests.e2e.test_round_trips import fax_tiff, incoming, pdf_in

BOUNCE = """\
From: MAILER-DAEMON@mail.example.com
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

sorry

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; {to}
Action: {action}
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

--b
Content-Type: message/rfc822

Subject: fax

{padding}
--b--
"""


def say(port: int, mail_from: str, to: list[str], content: str | None) -> list[tuple[int, str]]:
    """A dialogue; the replies to each RCPT and to the mail, where there is one."""
    replies = []
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
        smtp.ehlo("mail.example.com")
        smtp.mail(mail_from)
        for address in to:
            code, text = smtp.rcpt(address)
            replies.append((code, text.decode()))
        if content is not None and any(code == 250 for code, _ in replies):
            code, text = smtp.data(content.replace("\n", "\r\n").encode())
            replies.append((code, text.decode()))
    return replies


async def bounced(bridge: Bridge, address: str, to: str, action: str = "failed", padding: str = "") -> tuple[int, str]:
    content = BOUNCE.format(to=to, action=action, padding=padding)
    return (await asyncio.to_thread(say, bridge.smtp_port, "", [address], content))[-1]


async def pushed(bridge: Bridge, **element: Any) -> None:
    assert await incoming(bridge, content=base64.b64encode(fax_tiff()).decode(), **element) == 200


async def mailed(bridge: Bridge) -> Any:
    """The outbox row of the fax's first mail, once it is sent."""

    async def look() -> Any | None:
        return next((row for row in await rows(bridge, outbox) if row.kind == "received" and row.state == "sent"), None)

    return await until(look)


async def test_a_fax_whose_mail_comes_back_reaches_the_fallback_once_and_the_operator_hears_of_each(
    tmp_path: Path,
) -> None:
    """A full mailbox downstream loses nothing: however many bounces come, one more mail and one alert for each
    recipient; a delay brings nothing."""
    server = MailServer()
    await server.start()
    async with site(tmp_path, server) as bridge:
        await pushed(bridge)
        row = await mailed(bridge)
        assert re.fullmatch(r"bounce\+[a-z2-7]{52}@fax\.example\.com", row.mail_from)
        assert (await bounced(bridge, row.mail_from, RECEPTION, "delayed"))[0] == 250
        assert await rows(bridge, bounce) == []
        for _ in range(3):
            assert (await bounced(bridge, row.mail_from.upper(), RECEPTION.upper(), padding="x" * 70_000))[0] == 250
        ends = await outbox_ends(bridge, mails=3)
        assert ends == {"received": "sent", "fallback": "sent", f"alert-bounce-received-{row.about}": "sent"}
        (fallback,) = [mail for to, mail in server.taken if to == OPERATOR and [*mail.iter_attachments()]]
        assert pdf_in(fallback)
        assert fallback["X-Received-Fax-Fallback"] == "bounced"
        assert "teslim edilemeden geri" in " ".join(str(fallback.get_body(("plain",)).get_content()).split())  # type: ignore[union-attr]  # it has one
        (alert,) = [mail for to, mail in server.taken if to == OPERATOR and not [*mail.iter_attachments()]]
        assert "mailbox full" in alert.as_string()
        await bounced(bridge, row.mail_from, ARCHIVE)
        await outbox_ends(bridge, mails=4)
        assert sum(to == OPERATOR and bool([*mail.iter_attachments()]) for to, mail in server.taken) == 1
        assert {one.recipient for one in await rows(bridge, bounce)} == {RECEPTION, ARCHIVE}
        assert [one.state for one in await rows(bridge, received)] == ["mailed"]


async def test_a_bounce_of_the_fallback_mail_itself_keeps_the_fax_and_makes_no_circle(tmp_path: Path) -> None:
    """There is no further mailbox: failed, kept, told once."""
    server = MailServer()
    await server.start()
    async with site(tmp_path, server) as bridge:
        await pushed(bridge)
        await bounced(bridge, (await mailed(bridge)).mail_from, RECEPTION)
        await outbox_ends(bridge, mails=3)
        fallback = next(row for row in await rows(bridge, outbox) if row.kind == "fallback")
        for _ in range(2):
            assert (await bounced(bridge, fallback.mail_from, OPERATOR))[0] == 250
        await outbox_ends(bridge, mails=4)
        (fax,) = await rows(bridge, received)
        assert (fax.state, fax.tiff) == ("failed", fax_tiff())


async def test_only_a_null_sender_with_a_true_token_is_heard(bridge: Bridge) -> None:
    """Anything else is an address that is not here, in the same words; and nothing is kept."""
    await pushed(bridge)
    true = (await mailed(bridge)).mail_from
    false = true.replace(true[7], "a" if true[7] != "a" else "b", 1)
    port = bridge.smtp_port
    unknown = (550, "5.1.1 there is no such address here")
    for mail_from, to in (("", false), ("", "bounce@fax.example.com"), ("", "bounce+@fax.example.com"),
                          ("ayse@example.com", true), ("ayse@example.com", "bounces@fax.example.com")):  # fmt: skip
        assert await asyncio.to_thread(say, port, mail_from, [to], "x") == [unknown], to
    ((code, _),) = await asyncio.to_thread(say, port, "", ["902163333344@fax.example.com"], "x")
    assert code == 550
    assert await rows(bridge, bounce) == []


async def test_postmaster_and_abuse_are_taken_from_anybody_and_passed_on(bridge: Bridge) -> None:
    """RFC 5321 §4.5.1: without a domain and from the null sender too; a repeat is passed on once, a loop is refused."""
    mail = "From: x@example.org\nSubject: you spam us\n\nplease stop\n"
    for mail_from, to in (
        ("stranger@example.org", "Postmaster"),
        ("", "abuse@fax.example.com"),
        ("", "abuse@fax.example.com"),
    ):
        replies = await asyncio.to_thread(say, bridge.smtp_port, mail_from, [to], mail)
        assert [code for code, _ in replies] == [250, 250]

    async def both() -> list[bytes] | None:
        found = [path.read_bytes() for path in (bridge.directory / "Maildir" / "new").glob("*")]
        return found if len(found) == 2 else None

    passed = [email.message_from_bytes(content, policy=policy.default) for content in await until(both)]
    assert {str(mail["X-Fax-Bridge-Passed-On"]) for mail in passed} == {"Postmaster", "abuse@fax.example.com"}
    assert all(mail["Subject"] == "you spam us" for mail in passed)
    again = "X-Fax-Bridge-Passed-On: abuse\n" + mail
    assert (await asyncio.to_thread(say, bridge.smtp_port, "", ["abuse@fax.example.com"], again))[-1][0] == 554
    assert (await asyncio.to_thread(say, bridge.smtp_port, "", ["abuse@fax.example.com"], "x" * 1_200_000))[-1][
        0
    ] == 552


async def test_one_mail_has_no_more_of_such_recipients_than_of_numbers(bridge: Bridge) -> None:
    """What needs no right must cost no more than what does."""
    replies = await asyncio.to_thread(say, bridge.smtp_port, "", ["abuse@fax.example.com"] * 102, None)
    assert [code for code, _ in replies] == [250] * 100 + [452] * 2


async def test_a_fax_and_a_mail_to_postmaster_are_two_mails(bridge: Bridge, note: EmailMessage) -> None:
    """The second kind is put off, and a mail server sends it by itself."""
    to = ["902163333344@fax.example.com", "postmaster@fax.example.com"]
    replies = await asyncio.to_thread(say, bridge.smtp_port, "ayse@example.com", to, note.as_string())
    assert [code for code, _ in replies] == [250, 452, 250]
    replies = await asyncio.to_thread(say, bridge.smtp_port, "ayse@example.com", to[::-1], "Subject: x\n\nx\n")
    assert [code for code, _ in replies] == [250, 452, 250]


# --- other ways than mail ----------------------------------------------------------------------------


@asynccontextmanager
async def hook(answers: list[int]) -> AsyncIterator[tuple[str, list[Request]]]:
    """A site's own server, which gives these answers in turn and then 200; what it was told."""
    told: list[Request] = []

    async def take(request: Request) -> Response:
        await request.body()
        told.append(request)
        status = answers.pop(0) if answers else 200
        return Response(status_code=status, headers={"Location": "http://127.0.0.1:1/elsewhere"})

    listener = HttpListener(Starlette(routes=[Route("/hook", take, methods=["POST"])]), "127.0.0.1", 0)
    await listener.start()
    try:
        yield f"http://127.0.0.1:{listener.port}/hook?key=s3cret", told
    finally:
        await listener.stop()


@asynccontextmanager
async def routed(directory: Path, inbound: str, more: str, **relay: str) -> AsyncIterator[Bridge]:
    """A bridge with other ``[inbound]`` keys, and these routes instead of the usual one."""

    def edit(text: str) -> str:
        return text.partition("[[routes]]")[0].replace("[inbound]\n", f"[inbound]\n{inbound}\n")

    fast = {"retry_first": "50ms", "retry_longest": "100ms"}
    async with bridge_in(directory, relay=fast | relay, more=more, edit=edit) as bridge:
        yield bridge


async def all_delivered(bridge: Bridge, count: int, state: str = "delivered") -> list[Any]:
    async def look() -> list[Any] | None:
        found = [row for row in await rows(bridge, delivery) if row.state == state]
        return found if len(found) == count else None

    return await until(look)


async def test_a_fax_goes_to_a_directory_and_to_a_signed_webhook(tmp_path: Path) -> None:
    """Whole files under their names, nothing half; the post is signed, repeated with the same key and body."""
    (tmp_path / "hot").mkdir()
    async with hook([503, 429]) as (url, told):
        more = f"""
[[routes]]
called = ["90216*"]
[[routes.directories]]
path = "{tmp_path}/hot"
format = "both"
file_name = "../{{calling}} {{date}}"
[[routes.webhooks]]
url = "{url}"
secret = "a-long-shared-secret"
"""
        async with routed(tmp_path, "", more) as bridge:
            await pushed(bridge, remoteStationId="x")
            await all_delivered(bridge, 3)
            (fax,) = await until(lambda: _mailed_rows(bridge))
            names = sorted(path.name for path in (tmp_path / "hot").iterdir())
            assert [name.rpartition(".")[2] for name in names] == ["pdf", "tif"]
            assert all(name.startswith("902163334455 20") and fax.id in name for name in names)
            assert (tmp_path / "hot" / names[1]).read_bytes() == fax_tiff()
            assert len(told) == 3
            bodies = {await one.body() for one in told}
            assert len(bodies) == len({one.headers["idempotency-key"] for one in told}) == 1
            found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", told[-1].headers["x-fax-bridge-signature"])
            assert found
            (body,) = bodies
            expected = hmac.new(b"a-long-shared-secret", f"{found[1]}.".encode() + body, "sha256").hexdigest()
            assert found[2] == expected
            facts = json.loads(body)["fax"]
            assert facts["id"] == fax.id
            assert base64.b64decode(facts["files"][0]["content"]).startswith(b"%PDF")
            assert bridge.mails() == []
            assert "s3cret" not in str(bridge.settings.shown())


async def _mailed_rows(bridge: Bridge) -> list[Any] | None:
    return [row for row in await rows(bridge, received) if row.state == "mailed"] or None


@pytest.mark.parametrize("answers", [[410], [302]])
async def test_a_webhook_that_refuses_brings_the_fax_to_the_fallback_mailbox(
    tmp_path: Path, answers: list[int]
) -> None:
    """A redirect is a refusal: no answer decides where faxes go."""
    async with hook(answers) as (url, told):
        more = f'\n[[routes]]\n[[routes.webhooks]]\nurl = "{url}"\nsecret = "a-long-shared-secret"\n'
        async with routed(tmp_path, "", more) as bridge:
            await pushed(bridge)
            (row,) = await all_delivered(bridge, 1, "failed")
            assert len(told) == 1
            assert row.last_error.startswith("127.0.0.1 answered")
            assert await outbox_ends(bridge, mails=2)
            mails = bridge.mails(OPERATOR)
            assert sum(bool([*mail.iter_attachments()]) for mail in mails) == 1
            assert len(mails) == 2
            assert not any("s3cret" in mail.as_string() for mail in mails)
            await until(lambda: _mailed_rows(bridge))


async def test_a_directory_that_is_gone_is_waited_for_then_told(tmp_path: Path) -> None:
    """Once it is back the file is there; nothing half stands beside it."""
    hot = tmp_path / "hot"
    hot.mkdir()
    more = f'\n[[routes]]\n[[routes.directories]]\npath = "{hot}"\n'
    async with routed(tmp_path, "", more) as bridge:
        hot.rmdir()
        await pushed(bridge)

        async def tried() -> bool | None:
            return any(row.claims >= 3 and row.last_error for row in await rows(bridge, delivery)) or None

        await until(tried)
        hot.mkdir()
        await all_delivered(bridge, 1)
        (file,) = hot.iterdir()
        assert file.read_bytes().startswith(b"%PDF")


async def test_a_link_gives_the_fax_to_whoever_has_it_and_a_plain_404_to_all_others(tmp_path: Path) -> None:
    """The mail holds none of the fax; the answer is not to be kept, indexed or sniffed; its time ends."""
    inbound = 'privacy = "link"\nlink_url = "http://127.0.0.1:9"\nlink_lifetime = "8s"'
    async with routed(tmp_path, inbound, '\n[[routes]]\nto = ["reception@example.com"]\n') as bridge:
        await pushed(bridge)
        mail = await bridge.mail(RECEPTION)
        assert not [*mail.iter_attachments()]
        text = mail.get_body(("plain",))
        assert text is not None
        found = re.search(r"http://127\.0\.0\.1:9(/fax/\S+)", text.get_content())
        assert found
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bridge.webhook_port}", trust_env=False) as http:
            answer = await http.get(found[1])
            assert answer.status_code == 200
            assert answer.content.startswith(b"%PDF")
            assert answer.headers["content-type"] == "application/pdf"
            assert answer.headers["cache-control"] == "private, no-store"
            assert "noindex" in answer.headers["x-robots-tag"]
            assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''faks-")
            forged = found[1][:-2] + ("b" if found[1][-2] == "a" else "a") + found[1][-1]
            for path in ("/fax/", "/fax/x", forged, "/fax/" + "a" * 5000, "/fax/%C3%A7"):
                assert (await http.get(path)).status_code == 404
            assert (await http.post(found[1])).status_code == 405

            async def over() -> bool | None:
                return (await http.get(found[1])).status_code == 404 or None

            await until(over, 15)


def noise() -> bytes:
    """A page that nothing makes smaller."""
    out = io.BytesIO()
    page = Image.frombytes("1", (1728, 1143), Random(7).randbytes(1728 * 1143 // 8))  # noqa: S311 — noise
    page.save(out, "TIFF", compression="group4", dpi=(204, 98))
    return out.getvalue()


@pytest.mark.parametrize(
    ("limit", "link", "attached"), [(4.0, "", 2), (2.2, "", 1), (0.5, "", 0), (0.5, "http://127.0.0.1:9", 0)]
)
async def test_a_mail_that_would_be_too_large_loses_its_tiff_then_the_fax(
    tmp_path: Path, limit: float, link: str, attached: int
) -> None:
    """The limit is held, the reader is told; without a link the operator too, who can save the fax."""
    tiff = noise()
    most = int(len(tiff) * limit)
    inbound = f'format = "both"\nmax_mail_bytes = {most}\nlink_url = "{link}"'
    async with routed(tmp_path, inbound, '\n[[routes]]\nto = ["reception@example.com"]\n') as bridge:
        assert await incoming(bridge, content=base64.b64encode(tiff).decode()) == 200
        mail = await bridge.mail(RECEPTION)
        (path,) = [path for path in (tmp_path / "Maildir" / "new").iterdir() if b"reception@" in path.read_bytes()]
        assert path.stat().st_size <= most
        assert len([*mail.iter_attachments()]) == attached
        body = mail.get_body(("plain",))
        assert body is not None
        told = " ".join(body.get_content().split())
        assert ("fazla büyük" in told) == (attached < 2)
        assert ("http://127.0.0.1:9/fax/" in told) == bool(link)
        if attached or link:
            return
        alert = await bridge.mail(OPERATOR)
        fax_id = str(mail["X-Received-Fax-Id"])
        assert f"fax-bridge received save {fax_id}" in " ".join(alert.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]  # it has one
        assert await as_file(bridge.settings, fax_id, as_pdf=False) == tiff
        assert (await as_file(bridge.settings, fax_id, as_pdf=True)).startswith(b"%PDF")


async def test_a_fax_too_large_for_the_fallback_mailbox_too_is_behind_a_link_there(tmp_path: Path) -> None:
    """Handed over to nobody, and larger than a mail may be: still somebody has it."""
    async with hook([410]) as (url, _):
        inbound = 'max_mail_bytes = 200_000\nlink_url = "http://127.0.0.1:9"'
        more = f'\n[[routes]]\n[[routes.webhooks]]\nurl = "{url}"\nsecret = "a-long-shared-secret"\n'
        async with routed(tmp_path, inbound, more) as bridge:
            assert await incoming(bridge, content=base64.b64encode(noise()).decode()) == 200
            await until(lambda: _mailed_rows(bridge))
            (mail,) = [mail for mail in bridge.mails(OPERATOR) if mail["X-Received-Fax-Fallback"] == "not_handed_over"]
            body = mail.get_body(("plain",))
            assert body is not None
            found = re.search(r"http://127\.0\.0\.1:9(/fax/\S+)", body.get_content())
            assert found
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bridge.webhook_port}", trust_env=False) as http:
                assert (await http.get(found[1])).content.startswith(b"%PDF")


async def test_all_routes_that_fit_get_the_fax_each_in_its_own_shape(tmp_path: Path) -> None:
    """Copies in Bcc stand in no header; nobody gets the same twice."""
    more = """
[[routes]]
name = "board"
to = ["board@example.com"]
bcc = ["archive@example.com"]
language = "en"
subject = "Fax {calling} {pages}p"
[[routes]]
called = ["90212*"]
to = ["other@example.com"]
[[routes]]
to = ["board@example.com", "desk@example.com"]
privacy = "attachment"
format = "tiff"
"""
    server = MailServer()
    await server.start()
    inbound = 'routing = "all"\nfrom = "fixed"'
    async with routed(tmp_path, inbound, more, url=f"smtp://127.0.0.1:{server.port}") as bridge:
        await pushed(bridge)
        await outbox_ends(bridge, mails=2)
        assert sorted(to for to, _ in server.taken) == ["archive@example.com", "board@example.com", "desk@example.com"]
        board = next(mail for to, mail in server.taken if to == "archive@example.com")
        assert "archive@" not in board.as_string()
        assert board["Subject"] == "Fax +90 216 333 44 55 1p"
        assert board["From"].addresses[0].addr_spec == "fax@fax.example.com"
        assert board["Reply-To"] is not None
        desk = next(mail for to, mail in server.taken if to == "desk@example.com")
        assert [part.get_content_type() for part in desk.iter_attachments()] == ["image/tiff"]
    await server.stop()
