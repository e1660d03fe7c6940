"""A faithful stand-in for FaxMAX: the API, the rendering, the pushes, on a port of one's own.

For the demo, for administrators who have no account yet, and for every test that needs the other side. It knows
nothing of fax-bridge: whatever speaks to FaxMAX can speak to it.
"""

import asyncio

from starlette.applications import Starlette
from starlette.routing import Route

from fax_bridge.documents.worker import Documents
from fax_bridge.faxmax.sandbox_api import Api
from fax_bridge.faxmax.sandbox_exchange import Exchange
from fax_bridge.faxmax.sandbox_fates import FATES, NumberFate, fate_of, fate_table
from fax_bridge.faxmax.sandbox_pages import Pages
from fax_bridge.faxmax.sandbox_push import Pusher
from fax_bridge.faxmax.sandbox_settings import SandboxSettings
from fax_bridge.http_listener import HttpListener

__all__ = ["FATES", "NumberFate", "Sandbox", "SandboxSettings", "fate_of", "fate_table"]

_GRACE = 2
"""Seconds that requests in hand have when the sandbox stops."""


class Sandbox:
    def __init__(self, settings: SandboxSettings, documents: Documents) -> None:
        self._settings = settings
        self._closing = asyncio.Event()
        self._pusher = Pusher(settings.notify_url)
        self._exchange = Exchange(settings, documents, self._pusher)
        api = Api(settings, self._exchange, self._closing)
        pages = Pages(self._exchange, self._pusher, documents)
        self._app = Starlette(
            routes=[Route("/api/v1", api.endpoint, methods=["POST"]), *pages.routes],
            max_body_size=settings.body_limit,
        )
        self._listener: HttpListener | None = None
        self._port = 0

    @property
    def app(self) -> Starlette:
        return self._app

    @property
    def notify_url(self) -> str:
        """Where the pushes go; may be set at any time, since a webhook's port may be known only later."""
        return self._pusher.notify_url

    @notify_url.setter
    def notify_url(self, url: str) -> None:
        self._pusher.notify_url = url

    @property
    def port(self) -> int:
        """The port that is listened on, once started; what the system chose if 0 was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """The API's endpoint, once started."""
        host, _ = self._settings.address
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{reached}]' if ':' in reached else reached}:{self._port}/api/v1"

    async def start(self) -> None:
        """Listen. Raises ``OSError`` if the address cannot be had, ``ValueError`` if it is none."""
        host, port = self._settings.address
        self._closing.clear()
        self._listener = HttpListener(self._app, host, port, grace=_GRACE)
        await self._listener.start()
        self._port = self._listener.port

    async def stop(self) -> None:
        """Stop listening, and give up the faxes and pushes that are under way. The list of faxes stays."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        self._closing.set()
        await self._break_off()
        await listener.stop()
        # A request that was in hand may have set more going meanwhile.
        await self._break_off()

    async def serve(self) -> None:
        """Run until cancelled."""
        try:
            await self.start()
            await self._closing.wait()
        finally:
            await self.stop()

    async def _break_off(self) -> None:
        await self._exchange.stop()
        await self._pusher.stop()
