"""A FaxMAX within the benchmark's process that takes every fax, and tells when the first byte of each POST came."""

import asyncio
import json
import re
import time

_API_ID = re.compile(rb'"api_id": ?"([^"]+)"')
_LENGTH = re.compile(rb"(?im)^content-length: *([0-9]+)")


class Counterpart(asyncio.Protocol):
    """One connection, one POST; the bridge makes a new one for each."""

    def __init__(self, begun: "asyncio.Queue[float]") -> None:
        self._begun = begun
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._begun.put_nowait(time.monotonic())
        self._received += data
        head, gap, body = bytes(self._received).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if gap and length and len(body) >= int(length[1]) and self._transport:
            self._transport.write(_accepted(body))
            self._transport.close()


def _accepted(body: bytes) -> bytes:
    found = _API_ID.search(body)
    api_id = found[1].decode() if found else ""
    data = {"count": 1, "phones": [{"api_id": api_id, "fax_id": f"f-{api_id}"}], "rejected": [], "request_id": "r"}
    answer = json.dumps({"jsonrpc": "2.0", "id": None, "result": {"message": {"data": data}}}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n"
    )
    return head.encode() + b"\r\n" + answer
