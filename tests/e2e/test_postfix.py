"""Behind a real Postfix that is set up as docs/postfix.md says: who reaches the bridge, and who does not."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen
from fax_bridge.store.schema import message
from fax_bridge.store.store import Store
from tests.e2e.postfix import postfix
from tests.integration.conftest import SETTINGS

FAX = "902163334455@fax.example.com"
INSIDE, OUTSIDE = "127.1.0.5", "127.9.0.9"
"""Both are this machine; ``mynetworks`` is 127.1.0.0/16."""


@pytest.fixture
async def relayed(tmp_path: Path) -> AsyncIterator[tuple[int, Store]]:
    """Postfix's port, and the store of the bridge behind it."""
    path = tmp_path / "fax-bridge.toml"
    path.write_text(SETTINGS.format(dir=tmp_path))
    settings = load(path)
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.store.url)
        stack.push_async_callback(store.close)
        intake = Intake(settings, store)
        stack.push_async_callback(intake.stop, 1)
        port = await intake.listen_smtp(Listen(host="127.0.0.1", port=0))
        yield await stack.enter_async_context(postfix(port)), store


def hand_in(port: int, client: str, mail_from: str, *, user: str = "", to: str = FAX) -> str:
    with smtplib.SMTP("127.0.0.1", port, timeout=30, source_address=(client, 0)) as smtp:
        smtp.ehlo("client.example.com")
        if user:
            smtp.login(user, user[::-1])
        for code, words in (smtp.mail(mail_from), smtp.rcpt(to)):
            if code != 250:
                return f"{code} {words.decode()}"
        code, words = smtp.data(f"From: {mail_from}\r\nTo: {to}\r\nSubject: {client}\r\n\r\nMerhaba\r\n")
        return f"{code} {words.decode()}"


async def arrived(store: Store, count: int) -> list[str]:
    """The envelope senders in the bridge, once there are so many; a queue manager takes a moment."""
    async with asyncio.timeout(30):
        while True:
            async with store.read() as conn:
                found = list((await conn.execute(select(message.c.mail_from).order_by(message.c.id))).scalars())
            if len(found) >= count:
                return found
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_postfix_as_documented_lets_nobody_in_from_outside(relayed: tuple[int, Store]) -> None:
    """A forged sender is refused at RCPT, inside clients and logged-in users reach the bridge, owners are held to."""
    port, store = relayed

    async def answer(client: str, mail_from: str, user: str = "", to: str = FAX) -> str:
        return await asyncio.to_thread(hand_in, port, client, mail_from, user=user, to=to)

    assert (await answer(OUTSIDE, "ayse@example.com")).startswith("554 5.7.1")
    assert (await answer(OUTSIDE, "director@example.com")).startswith("553 5.7.1")
    assert (await answer(OUTSIDE, "mallory@evil.example")).startswith("554 5.7.1")
    assert (await answer(OUTSIDE, "ayse@example.com", to="somebody@elsewhere.example"))[:3] in {"454", "554"}
    assert (await answer(INSIDE, "ayse@example.com")).startswith("250")
    assert (await answer(INSIDE, "director@example.com")).startswith("553 5.7.1")
    assert (await answer(OUTSIDE, "director@example.com", "director")).startswith("250")
    assert (await answer(OUTSIDE, "director@example.com", "ayse")).startswith("553 5.7.1")
    assert sorted(await arrived(store, 2)) == ["ayse@example.com", "director@example.com"]
