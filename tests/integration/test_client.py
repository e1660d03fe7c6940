"""The client against servers that misbehave at every point of the exchange: retry, refused, pause or unknown."""

import asyncio
import email
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from fax_bridge.errors import Verdict
from fax_bridge.faxmax.client import Client, Failed, Outcome
from fax_bridge.faxmax.wire import Accepted, SendRequest
from fax_bridge.settings import Account

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ANSWER = {
    "result": {"message": {"data": {"phones": [{"api_id": "F1", "fax_id": "x"}], "rejected": [], "request_id": "r"}}}
}


@asynccontextmanager
async def server(conversation: Conversation) -> AsyncIterator[str]:
    """A server that says exactly what it is told to; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await conversation(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/api/v1"
    finally:
        listening.close()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """A whole request: header and body by its Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def send(url: str, *, document: bytes = b"%PDF-1.7", timeout: float = 2.0, **account: str) -> Outcome:  # noqa: ASYNC109 — the setting of that name
    client = Client(
        Account.model_validate({"url": url, "token": "T", "timeout": f"{int(timeout * 1000)}ms"} | account),
        frozenset({401}),
    )
    return await client.send(SendRequest("u", "F1", "902162222525", document, "fax.pdf", "<p>ş</p>", "", "A4", "fine"))


async def answered(status: str, body: bytes, *headers: str) -> Outcome:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(http(status, body, *headers))
        await writer.drain()

    async with server(conversation) as url:
        return await send(url)


async def test_an_accepted_fax_has_its_id() -> None:
    """The ordinary case."""
    assert await answered("200 OK", json.dumps(ANSWER).encode()) == Accepted("x", "r")


async def test_the_request_is_two_multipart_parts() -> None:
    """fax_file with its name, and data with the JSON: what the page shows, readable by any parser."""
    seen: list[bytes] = []

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(http("200 OK", json.dumps(ANSWER).encode()))

    async with server(conversation) as url:
        await send(url, document=b"%PDF\r\n--x" * 50_000)
    (request,) = seen

    header, _, body = request.partition(b"\r\n\r\n")
    kind = next(line for line in header.split(b"\r\n") if line.lower().startswith(b"content-type"))
    message = email.message_from_bytes(kind + b"\r\n\r\n" + body)
    data, file = list(message.walk())[1:]
    assert data.get_param("name", header="content-disposition") == "data"
    assert json.loads(str(data.get_payload()))["params"]["token_"] == "T"
    assert file.get_filename() == "fax.pdf"
    assert b"Authorization" not in header


@pytest.mark.parametrize(
    ("status", "body", "headers", "verdict"),
    [
        ("400 Bad Request", b"no", (), Verdict.REFUSED),
        ("413 Too Large", b"<html>", (), Verdict.REFUSED),
        ("401 Unauthorized", b"", (), Verdict.PAUSE),
        ("403 Forbidden", b"{}", (), Verdict.PAUSE),
        ("429 Slow Down", b"", ("Retry-After: 7",), Verdict.RETRY),
        ("503 Busy", b"", ("Retry-After: 7",), Verdict.RETRY),
        ("503 Busy", b"", (), Verdict.UNKNOWN),
        ("500 Oops", b"<html>", (), Verdict.UNKNOWN),
        ("502 Bad Gateway", json.dumps(ANSWER).encode(), (), Verdict.UNKNOWN),
        ("302 Found", b"", ("Location: http://127.0.0.1:1/",), Verdict.UNKNOWN),
        ("200 OK", b"", (), Verdict.UNKNOWN),
        ("200 OK", b"<html>", (), Verdict.UNKNOWN),
        ("200 OK", b'{"result": {"message": {"data": {"phones": [], "rejected": []}}}}', (), Verdict.UNKNOWN),
        ("200 OK", b'{"result": {"message": {"data": {"rejected": ["902162222525"]}}}}', (), Verdict.REFUSED),
        ("200 OK", b'{"error": {"code": -32602, "message": "phones"}}', (), Verdict.REFUSED),
        ("500 Oops", b'{"error": {"code": -32602, "message": "phones"}}', (), Verdict.REFUSED),
        ("200 OK", b'{"error": {"code": -32603, "message": "internal"}}', (), Verdict.UNKNOWN),
        ("200 OK", b'{"error": {"code": 401, "message": "token"}}', (), Verdict.PAUSE),
        ("200 OK", b'{"error": {"code": 77, "message": "?"}}', (), Verdict.UNKNOWN),
    ],
)
async def test_an_answer_maps_to_one_verdict(
    status: str, body: bytes, headers: tuple[str, ...], verdict: Verdict
) -> None:
    """The table of outcomes, over a real socket."""
    outcome = await answered(status, body, *headers)
    assert isinstance(outcome, Failed)
    assert outcome.verdict == verdict
    if "Retry-After: 7" in headers:
        assert outcome.retry_after == 7


async def test_nobody_listening_is_a_retry() -> None:
    """Nothing was sent."""
    async with server(lambda r, w: asyncio.sleep(0)) as url:
        pass
    outcome = await send(url)
    assert isinstance(outcome, Failed)
    assert outcome.verdict == Verdict.RETRY


async def test_a_connection_that_breaks_before_the_last_byte_is_a_retry() -> None:
    """No server can have a whole request without the closing boundary."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with server(conversation) as url:
        outcome = await send(url, document=b"x" * 20_000_000)
    assert isinstance(outcome, Failed)
    assert outcome.verdict == Verdict.RETRY


@pytest.mark.parametrize("how", ["silent", "reset", "half"])
async def test_once_the_request_has_left_no_answer_means_unknown(how: str) -> None:
    """Stalled, reset, or an answer cut in the middle."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        if how == "silent":
            await reader.read()  # until the client gives up
        elif how == "half":
            writer.write(http("200 OK", json.dumps(ANSWER).encode())[:-20])
            await writer.drain()
        else:
            writer.transport.abort()

    async with server(conversation) as url:
        outcome = await send(url, timeout=0.5)
    assert isinstance(outcome, Failed)
    assert outcome.verdict == Verdict.UNKNOWN


@pytest.mark.parametrize("what", ["header", "body"])
async def test_an_answer_that_trickles_is_given_up_when_its_time_is_over(what: str) -> None:
    """A byte now and then keeps no fax in hand for ever: ``timeout`` is for the whole answer."""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: " if what == "header" else http("200 OK", bytes(1000))[:-1000])
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with server(conversation) as url, asyncio.timeout(3):
        outcome = await send(url, timeout=0.5)
    assert isinstance(outcome, Failed)
    assert outcome.verdict == Verdict.UNKNOWN


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fax must not go through a machine that nobody set for it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert await answered("200 OK", json.dumps(ANSWER).encode()) == Accepted("x", "r")


async def test_no_outcome_shows_the_token() -> None:
    """Details go into logs and reports."""
    outcome = await answered("400 Bad Request", b'{"error": {"code": 1, "message": "x"}}')
    assert isinstance(outcome, Failed)
    assert "T" not in outcome.detail.replace("HTTP", "")
