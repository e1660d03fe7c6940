"""The PROXY header, by which a proxy tells whom it speaks for (haproxy's PROXY protocol, versions 1 and 2).

Read by aiosmtpd's parser, from our own buffer: not an octet more than the header is taken.
"""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address

from aiosmtpd.proxy_protocol import get_proxy

from fax_bridge.networks import NOWHERE

LONGEST = 16 + 65_535
"""Octets of a version 2 header with all that may stand in it."""


class BadProxyHeader(Exception):
    """There is none, or it cannot be read."""


class _Octets:
    """What aiosmtpd's parser reads from."""

    def __init__(self, ahead: bytearray, more: Callable[[], Awaitable[bool]]) -> None:
        self._ahead = ahead
        self._more = more

    async def read(self, num_bytes: int | None = None) -> bytes:
        return await self.readexactly(num_bytes or 0)

    async def readexactly(self, n: int) -> bytes:
        while len(self._ahead) < n:
            await self._wait()
        return self._take(n)

    async def readuntil(self, until_chars: bytes | None = None) -> bytes:
        separator = until_chars or b"\n"
        while separator not in self._ahead:
            await self._wait()
        return self._take(self._ahead.index(separator) + len(separator))

    async def _wait(self) -> None:
        if len(self._ahead) > LONGEST or not await self._more():
            raise asyncio.IncompleteReadError(bytes(self._ahead), None)

    def _take(self, n: int) -> bytes:
        taken = bytes(self._ahead[:n])
        del self._ahead[:n]
        return taken


async def read_proxy_header(ahead: bytearray, more: Callable[[], Awaitable[bool]]) -> str:
    """Take the header off the front of ``ahead``; ``more`` waits for further octets there.

    The client's IP address; :data:`NOWHERE` where the proxy speaks for itself or does not know, so that its own
    address opens nothing. Raises :class:`BadProxyHeader`.
    """
    try:
        told = await get_proxy(_Octets(ahead, more))
    except (asyncio.IncompleteReadError, ValueError) as fault:
        raise BadProxyHeader("no PROXY header") from fault
    if not told.valid:
        raise BadProxyHeader(told.error or "unreadable")
    is_local = told.version == 2 and not told.command  # the proxy looks after our health
    is_address = isinstance(told.src_addr, IPv4Address | IPv6Address)
    return str(told.src_addr) if is_address and not is_local else NOWHERE
