"""What an SMTP server answers."""

import asyncio

from benchmarks.processes import Failed


async def expect(reader: asyncio.StreamReader, code: bytes) -> bytes:
    """The last line of a reply. Raises :class:`Failed` where it begins with another code."""
    while (line := await reader.readline())[3:4] == b"-":
        pass
    if not line.startswith(code):
        raise Failed(f"answered {line!r}")
    return line
