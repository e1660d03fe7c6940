"""How long an HTTP client may take to say what it wants, and how many may be at it: uvicorn asks neither.

Without it, a stranger who opens connections and sends a byte a minute takes one file handle after the other, until the
mail listeners have none. A client that has said its request is served without a hurry.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

REQUEST_WITHIN = 10.0
"""Seconds from the connection to the end of a request's header."""

NEXT_WITHIN = 30.0
"""The same from the answer before. Longer than uvicorn keeps an idle connection: its rule ends those."""

MOST_CONNECTIONS = 512
"""Of one listener; one more is closed at once."""


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # it is chosen when uvicorn is imported
    """uvicorn's own, with an end to the wait for a request."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
        else:
            self._wait(REQUEST_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait(NEXT_WITHIN)

    def _wait(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
