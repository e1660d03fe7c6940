"""Many clients that really send at the same time: ``python -m benchmarks.senders PORT FILE SESSIONS SUFFIX``.

smtp-source has many sessions, but writes one mail to its end before it turns to the next, so a server never has more
than one large mail half read. Recipients are made as smtp-source makes them.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from benchmarks.replies import expect
from benchmarks.smtp_load import DOMAIN, SENDER

CHUNK = 64 * 1024


async def send(port: int, text: memoryview, recipient: str, all_are_here: asyncio.Barrier) -> None:
    """One mail in a session of its own, begun when all clients are there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await expect(reader, b"220")
        for line, code in (
            ("EHLO bench.example.com", b"250"),
            (f"MAIL FROM:<{SENDER}>", b"250"),
            (f"RCPT TO:<{recipient}>", b"250"),
            ("DATA", b"354"),
        ):
            writer.write(f"{line}\r\n".encode())
            await expect(reader, code)
        await all_are_here.wait()
        for start in range(0, len(text), CHUNK):
            writer.write(text[start : start + CHUNK])
            await writer.drain()
        await expect(reader, b"250")
    finally:
        writer.close()


async def crowd(port: int, text: memoryview, sessions: int, suffix: str) -> None:
    barrier = asyncio.Barrier(sessions)
    async with asyncio.TaskGroup() as group:
        for number in range(1, sessions + 1):
            group.create_task(send(port, text, f"{number}{suffix}@{DOMAIN}", barrier))


if __name__ == "__main__":
    mail = Path(sys.argv[2]).read_bytes().replace(b"\n", b"\r\n") + b".\r\n"
    uvloop.run(crowd(int(sys.argv[1]), memoryview(mail), int(sys.argv[3]), sys.argv[4]))
