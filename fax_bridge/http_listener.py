"""uvicorn as a guest in our loop: it neither takes the signals nor ends the process where it cannot bind."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.applications import Starlette

from fax_bridge.http_patience import PatientProtocol


class HttpListener(uvicorn.Server):
    """One listening HTTP server; :meth:`start` returns once it answers."""

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        *,
        grace: int = 10,
        handed: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        """``handed`` listens already, and is taken instead of ``host`` and ``port``.

        ``trusted_proxies``: addresses or networks whose X-Forwarded-For is believed.
        """
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # the webhook's path is a secret
                server_header=False,
                ssl_context_factory=(lambda _config, _default: tls) if tls else None,
                proxy_headers=bool(trusted_proxies),  # uvicorn would believe everybody on this machine
                forwarded_allow_ips=list(trusted_proxies),
                timeout_keep_alive=15,
                timeout_graceful_shutdown=grace,
            )
        )
        self._address = (host, port)
        self._handed = handed
        self._listening = asyncio.Event()
        self.running: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listen; ``port`` is then the one that was taken. Raises ``OSError`` where the address cannot be had."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = self._handed or socket.create_server((host, port), family=family, backlog=1024)
        self.port = listener.getsockname()[1]
        self.running = asyncio.create_task(self.serve(sockets=[listener]), name=f"http {host}:{self.port}")
        await self._listening.wait()
        if not self.started:
            await self.running  # it has failed; its reason is ours

    @property
    def listens(self) -> bool:
        return self.running is not None and not self.running.done() and all(s.is_serving() for s in self.servers)

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
