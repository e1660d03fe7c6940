"""Attacks on the listeners themselves: what is too much, too slow, or not what it seems."""

import asyncio
import json
import socket
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.hostile.conftest import STRANGER, Target

CONNECTIONS = 120


async def test_commands_without_an_end_cost_no_memory(target: Target) -> None:
    """Twenty clients with a megabyte that never ends in a line: each is told so, or cut off."""
    async with target.attacked():
        for _ in range(20):
            told = await asyncio.to_thread(target.dialogue, b"MAIL FROM:<" + b"a" * 1_000_000)
            assert b"250" not in told


async def test_clients_that_say_a_letter_at_a_time_are_cut_off(target: Target) -> None:
    """Slowloris on SMTP: as many as there may be from one address, and the honest user is served all the while."""
    async with target.attacked():
        with ExitStack() as held:
            socks = [held.enter_context(target.connect(target.smtp)) for _ in range(CONNECTIONS)]
            for _ in range(12):
                for sock in socks:
                    _drip(sock, b"E")
                await asyncio.sleep(0.25)
            closed = await asyncio.to_thread(lambda: sum(map(_is_closed, socks)))
        assert closed >= CONNECTIONS - 50, "no more than one address may have"


async def test_http_clients_that_never_end_their_request_are_cut_off(target: Target) -> None:
    """Slowloris on HTTP: the wait for a request has an end, whatever drips meanwhile."""
    async with target.attacked():
        with ExitStack() as held:
            socks = [held.enter_context(target.connect(target.http)) for _ in range(CONNECTIONS)]
            for sock in socks:
                _drip(sock, b"POST /push/x HTTP/1.1\r\nHost: x\r\n")
            for _ in range(24):
                for sock in socks:
                    _drip(sock, b"X-A: b\r\n")
                await asyncio.sleep(0.5)
            closed = await asyncio.to_thread(lambda: sum(map(_is_closed, socks)))
            assert closed == CONNECTIONS
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://127.0.0.1:{target.http}/healthz")).status_code == 200


async def test_a_body_that_is_announced_to_a_wrong_path_is_not_waited_for(target: Target) -> None:
    """A stranger's terabyte: 404, and the connection ends."""
    async with target.attacked():
        with target.connect(target.http, timeout=40) as sock:
            head = b"POST /push/wrong HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\nx"
            told = await asyncio.to_thread(target.said, sock, head)
        assert told.startswith(b"HTTP/1.1 404")


async def test_pipelined_commands_get_no_more_than_single_ones(target: Target) -> None:
    """AUTH, MAIL and the mail in one segment, before anything was answered: judged one by one."""
    mail = b"From: a@b\r\n\r\nx\r\n.\r\n"
    told = await asyncio.to_thread(
        target.dialogue,
        b"EHLO x\r\nAUTH PLAIN AGF5c2UAcGFzc3dvcmQ=\r\nMAIL FROM:<mallory@example.org>\r\n",
        b"RCPT TO:<902163330000@fax.example.com>\r\nDATA\r\n" + mail + b"QUIT\r\n",
    )
    assert b"235" not in told
    assert b"550 5.7.1" in told
    assert b"accepted as" not in told


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'[{"type":"OUTGOING_FAX","id":' + b"9" * 1_000_000 + b"}]",
        b'[{"type":"OUTGOING_FAX","id":"x","page_count":1e999999999,"tried_count":-1e400}]',
        b'{"type":"OUTGOING_FAX","type":"INCOMING_FAX","id":"a","id":"b","content":"!!!!"}',
        b"\xff\xfe[\x00",
        b"[" + b"1," * 500_000 + b"1]",
    ],
    ids=["arrays", "objects", "huge-integer", "huge-floats", "double-keys", "no-utf8", "many-elements"],
)
async def test_json_that_is_a_bomb_is_kept_and_quarantined(target: Target, body: bytes) -> None:
    """It comes by the right secret, so it is kept as it came; reading it costs nobody anything."""
    async with target.attacked(), httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(target.push_url, content=body)).status_code == 200
    assert "Traceback" not in target.log


async def test_forged_and_guessed_pushes_move_nothing(target: Target) -> None:
    """Without the secret: the same 404 as for any path. With it, a fax id that was never given out moves no fax."""
    await target.honest()
    forged = json.dumps([{"type": "OUTGOING_FAX", "id": str(n), "status": "DELIVERED"} for n in range(200)]).encode()
    async with target.attacked(), httpx.AsyncClient(trust_env=False) as http:
        replies = {}
        for path in (
            "/push/",
            "/push/a",
            "/push/a-long-random-strin",
            "/push/A-LONG-RANDOM-STRING",
            "/nothing",
            "/push/%00",
        ):
            answer = await http.post(f"http://127.0.0.1:{target.http}{path}", content=forged)
            replies[path] = (answer.status_code, answer.content.replace(b"Not Found", b""), "date" in answer.headers)
        assert {reply[0] for reply in replies.values()} == {404}
        assert (await http.post(target.push_url, content=forged)).status_code == 200
    assert "unknown" not in (await target.states()).values()


def _drip(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
    except OSError:
        return


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_the_attackers_come_from_elsewhere() -> None:
    """Or the limit of one address would hit the honest user, and prove nothing."""
    assert STRANGER != "127.0.0.1"
