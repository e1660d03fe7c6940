"""A mail server within the benchmark's process that takes every mail, and tells when its 250 left."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail: when its 250 was written, and its bytes as they came (dots stuffed)."""

    at: float
    content: bytes


class SiteRelay(asyncio.Protocol):
    """RFC 5321 as far as the bridge's relay speaks it, and no further."""

    def __init__(self, taken: "asyncio.Queue[Taken]") -> None:
        self._taken = taken
        self._received = bytearray()
        self._in_data = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._say("220 relay.example.com ESMTP")

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n.\r\n" if self._in_data else b"\r\n")
            if not end:
                return
            self._received = bytearray(rest)
            if self._in_data:
                self._in_data = False
                self._say("250 2.0.0 taken")
                self._taken.put_nowait(Taken(time.monotonic(), bytes(head)))
            else:
                self._answer(bytes(head[:4]).upper())

    def _answer(self, verb: bytes) -> None:
        self._in_data = verb == b"DATA"
        if verb == b"EHLO":
            self._say("250-relay.example.com\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8")
        elif verb == b"DATA":
            self._say("354 go on")
        elif verb == b"QUIT":
            self._say("221 2.0.0 bye")
            if self._transport:
                self._transport.close()
        else:
            self._say("250 2.0.0 ok")

    def _say(self, line: str) -> None:
        if self._transport:
            self._transport.write(f"{line}\r\n".encode())
