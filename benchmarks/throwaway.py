"""The other peer: stock aiosmtpd on uvloop, with a handler that throws the mail away, on the port that is named."""

import asyncio
import sys

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST = 64 * 1024 * 1024


class Handler:
    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 — aiosmtpd's name
        return "250 OK"


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    handler = Handler()
    # With a name given, it does not ask the resolver for one at each connection.
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="peer.example.com", data_size_limit=LARGEST, loop=loop),
        "127.0.0.1",
        port,
        backlog=512,
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
