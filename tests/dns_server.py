"""A small name server on loopback that the tests tell what to say; real packets, over UDP and TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from fax_bridge.setting_types import Listen


@dataclass
class Zone:
    """What it says, by name and kind; and what it was asked."""

    port: int = 0
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Names for which it answers SERVFAIL."""
    silent: set[str] = field(default_factory=set)
    """Names for which it never answers."""
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str, *values: str) -> None:
        self.records[name, kind] = list(values)

    def text(self, name: str, value: str) -> None:
        """A TXT record, in pieces of at most 255 octets."""
        pieces = [value[i : i + 255] for i in range(0, len(value), 255)]
        self.add(name, "TXT", " ".join(f'"{piece}"' for piece in pieces))

    @property
    def where(self) -> Listen:
        return Listen(host="127.0.0.1", port=self.port)

    def answer(self, packet: bytes, limit: int) -> bytes | None:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        if name in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        found = self.records.get((name, kind))
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        wire = response.to_wire()
        if len(wire) > limit:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        return wire


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if answer := self._zone.answer(data, 512):
            self._transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[Zone]:
    """One, for as long as the block lasts; UDP and TCP on the same free port."""
    zone = Zone()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while length := int.from_bytes(await reader.readexactly(2), "big"):
                if answer := zone.answer(await reader.readexactly(length), 65_535):
                    writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    tcp = await asyncio.start_server(talk, "127.0.0.1", 0)
    zone.port = tcp.sockets[0].getsockname()[1]
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Udp(zone), local_addr=("127.0.0.1", zone.port)
    )
    try:
        yield zone
    finally:
        udp.close()
        tcp.close()
