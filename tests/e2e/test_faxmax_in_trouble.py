"""FaxMAX answers late, in bytes, in garbage or not at all, and pushes when it likes: one POST, one fax, one report.

The sandbox has a fate for what FaxMAX does of its own; here a server says exactly what a test wants, and the test
pushes in its own order.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import NOTHING, OUR_NUMBER, SECRET, Bridge, bridge_in, until
from tests.e2e.test_fates import first_line
from tests.integration.test_client import http, request_of, server

NUMBER = "902163333344"
FAX_ID = "5b0c6a4e-faxmax"

Answer = Callable[["FaxMax", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FaxMax:
    """Its POSTs, one after the other, each answered as the test wants it."""

    answer: Answer
    posts: list[str] = field(default_factory=list)
    """The ``api_id`` of each."""
    pushed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test when it has pushed what is to come before the answer."""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await request_of(reader)
        found = re.search(rb'"api_id": ?"([^"]+)"', request)
        assert found, "a request without an api_id"
        self.posts.append(found[1].decode())
        await self.answer(self, writer)

    def accepted(self, **changes: str) -> bytes:
        phone = {"phone": NUMBER, "api_id": self.posts[-1], "fax_id": FAX_ID} | changes
        data = {"phones": [phone], "rejected": [], "request_id": "r"}
        return http("200 OK", json.dumps({"jsonrpc": "2.0", "result": {"message": {"data": data}}}).encode())


async def stalls(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
    """Nothing, until the client gives up."""
    while not writer.is_closing():  # noqa: ASYNC110 — there is no event for it
        await asyncio.sleep(0.05)


async def trickles(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
    """The right answer, at a byte every tenth of a second."""
    for octet in faxmax.accepted():
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(0.1)


def says(answer: bytes) -> Answer:
    async def say(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


async def names_another_fax(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
    writer.write(faxmax.accepted(api_id="somebody-elses", phone="902160000000"))
    await writer.drain()


async def is_cut(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
    writer.write(faxmax.accepted()[:-25])
    await writer.drain()


async def waits_for_the_pushes(faxmax: FaxMax, writer: asyncio.StreamWriter) -> None:
    await faxmax.pushed.wait()
    writer.write(faxmax.accepted())
    await writer.drain()


@asynccontextmanager
async def world(
    directory: Path, answer: Answer, *, patience: str = "5s", unknown_window: str = "20s"
) -> AsyncIterator[tuple[Bridge, FaxMax]]:
    faxmax = FaxMax(answer)
    times = {"timeout": patience, "unknown_window": unknown_window, "confirm_within": "20s"}
    async with server(faxmax.converse) as url, bridge_in(directory, relay=NOTHING, at=url, edit=str, **times) as bridge:
        yield bridge, faxmax


async def push(bridge: Bridge, status: str, message: str = "", **changes: Any) -> None:
    """As FaxMAX tells of the fax, which has the same id however often it is told of."""
    element = {
        "type": "OUTGOING_FAX", "id": FAX_ID, "cli": OUR_NUMBER, "cld": NUMBER, "status": status,
        "result_message": message, "tried_count": 1,
    } | changes  # fmt: skip
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}"
        assert (await client.post(url, content=json.dumps([element]))).status_code == 200


async def told_once(bridge: Bridge, words: str) -> None:
    """One report in the mailbox, with these words, and nothing after it."""
    report = await bridge.mail("ayse@example.com")
    assert words in first_line(report)
    await asyncio.sleep(0.6)
    assert len(bridge.mails()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(http("200 OK", b"<html><h1>It works!</h1></html>")), id="HTML with 200"),
        pytest.param(says(http("200 OK", b"\x00\xff\xfe{{{")), id="garbage"),
        pytest.param(says(http("500 Internal Server Error", b"<html>Oops</html>")), id="HTML with 500"),
        pytest.param(says(http("502 Bad Gateway", b"<html>nginx</html>")), id="HTML with 502"),
        pytest.param(says(b"220 mail.example.com ESMTP\r\n"), id="no HTTP"),
        pytest.param(names_another_fax, id="another fax's answer"),
        pytest.param(is_cut, id="cut"),
        pytest.param(stalls, id="stalls"),
        pytest.param(trickles, id="trickles"),
    ],
)
async def test_a_push_that_fits_tells_what_the_answer_did_not(
    tmp_path: Path, note: EmailMessage, answer: Answer
) -> None:
    """Whatever came instead of an answer, nothing is sent again; the push is adopted and the sender is told once."""
    async with world(tmp_path, answer, patience="600ms") as (bridge, faxmax):
        await bridge.send(note, NUMBER)
        await bridge.ended("unknown")
        await push(bridge, "QUEUED")
        await push(bridge, "DELIVERED", "OK")
        assert (await bridge.ended("delivered"))["faxmax_id"] == FAX_ID
        await told_once(bridge, "teslim edildi")
        assert len(faxmax.posts) == 1


@pytest.mark.parametrize("answer", [stalls, trickles])
async def test_without_a_push_it_is_uncertain_and_a_late_one_corrects_it_once(
    tmp_path: Path, note: EmailMessage, answer: Answer
) -> None:
    """The sender hears that it is not known, later what came of it; never a second POST, however often it is pushed."""
    async with world(tmp_path, answer, patience="300ms", unknown_window="300ms") as (bridge, faxmax):
        await bridge.send(note, NUMBER)
        assert "belirsiz" in first_line(await bridge.mail("ayse@example.com"))
        for _ in range(3):
            await push(bridge, "DELIVERED", "OK")
        correction = await bridge.mail("ayse@example.com", 2)
        assert "teslim edildi" in first_line(correction)
        await asyncio.sleep(0.6)
        assert len(bridge.mails()) == 2
        assert len(faxmax.posts) == 1


@pytest.mark.parametrize(
    "order",
    [("QUEUED", "SENDING", "DELIVERED"), ("DELIVERED", "SENDING", "QUEUED"), ("DELIVERED",) * 3],
    ids=["in order", "the final one first", "three times the final one"],
)
async def test_pushes_that_come_before_the_answer_wait_for_it(
    tmp_path: Path, note: EmailMessage, order: tuple[str, ...]
) -> None:
    """The POST is still under way: nothing is guessed, and once the answer names the fax all of it holds."""
    async with world(tmp_path, waits_for_the_pushes) as (bridge, faxmax):
        await bridge.send(note, NUMBER)
        await until(lambda: _posted(faxmax))
        for status in order:
            await push(bridge, status)
        await asyncio.sleep(0.3)
        (fax,) = await bridge.faxes()
        assert (fax["state"], fax["faxmax_id"]) == ("submitting", None)
        assert bridge.mails() == []
        faxmax.pushed.set()
        await bridge.ended("delivered")
        await told_once(bridge, "teslim edildi")
        assert len(faxmax.posts) == 1


async def test_a_push_that_comes_while_the_answer_is_lost_is_adopted_at_the_timeout(
    tmp_path: Path, note: EmailMessage
) -> None:
    """The final push is there before we know that no answer will come."""
    async with world(tmp_path, stalls, patience="1500ms") as (bridge, faxmax):
        await bridge.send(note, NUMBER)
        await until(lambda: _posted(faxmax))
        await push(bridge, "DELIVERED", "OK")
        await bridge.ended("delivered")
        await told_once(bridge, "teslim edildi")
        assert len(faxmax.posts) == 1


async def test_the_same_push_three_times_and_an_older_one_after_it_change_nothing(
    tmp_path: Path, note: EmailMessage
) -> None:
    """A report is not corrected by what it said, nor by what was before it."""
    async with world(tmp_path, waits_for_the_pushes) as (bridge, faxmax):
        faxmax.pushed.set()
        await bridge.send(note, NUMBER)
        await bridge.ended("submitted")
        for _ in range(3):
            await push(bridge, "FAILED", "BUSY", tried_count=2)
        await push(bridge, "SENDING", tried_count=1)
        await push(bridge, "FAILED", "NO_ANSWER", tried_count=1)
        assert (await bridge.ended("failed"))["result"] == "busy"
        await told_once(bridge, "hat meşguldü")
        assert (await bridge.faxes())[0]["result"] == "busy"
        assert len(faxmax.posts) == 1


async def _posted(faxmax: FaxMax) -> bool | None:
    return bool(faxmax.posts) or None
