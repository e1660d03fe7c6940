"""uvicorn as a guest in our loop: it neither takes the signals nor ends the process where it cannot bind."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from fax_bridge.http_patience import PatientProtocol


class HttpListener(uvicorn.Server):
    """One listening HTTP server; :meth:`start` returns once it answers."""

    def __init__(self, app: Starlette, host: str, port: int, *, grace: int = 10) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # the webhook's path is a secret
                server_header=False,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=grace,
            )
        )
        self._address = (host, port)
        self._listening = asyncio.Event()
        self.running: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listen; ``port`` is then the one that was taken. Raises ``OSError`` where the address cannot be had."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
        self.port = listener.getsockname()[1]
        self.running = asyncio.create_task(self.serve(sockets=[listener]), name=f"http {host}:{self.port}")
        await self._listening.wait()
        if not self.started:
            await self.running  # it has failed; its reason is ours

    async def stop(self) -> None:
        """Stop listening and let the requests in hand come to their end."""
        self.should_exit = True
        if self.running:
            await self.running

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self._listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
