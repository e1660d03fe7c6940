"""The push webhook: a secret path, the raw body committed, then 200. And the two health pages.

Nothing in a push proves who sent it, so the path holds a secret, compared in constant time; a wrong one
is a plain 404. FaxMAX repeats a push that got no 200, so only failing to store one is a 5xx.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence

import structlog
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from ulid import ULID

from fax_bridge.eventlog import event
from fax_bridge.fax_to_email import probe
from fax_bridge.networks import NOWHERE, is_in
from fax_bridge.setting_types import UNIX, Network, is_ip
from fax_bridge.settings import Settings
from fax_bridge.store import pushes
from fax_bridge.store.store import Store

BODY_WITHIN = 300.0
"""Seconds for a whole push; at its largest, 100 MiB, that is 350 KB a second."""

log = structlog.get_logger("webhook")


def webhook(
    settings: Settings, store: Store, ready: Callable[[], Awaitable[bool]], more: Sequence[Route] = ()
) -> Starlette:
    """The application. ``ready`` tells whether mail and pushes can really be taken; ``more`` is served beside."""

    async def push(request: Request) -> Response:
        client = _client_of(request)
        is_secret = _is_secret(request.path_params["secret"], settings.webhook.secrets)
        if not _may_push(client, settings.webhook.allow_from):
            event("rejected", client=client, why="push from elsewhere", right_secret=is_secret)
            return Response(status_code=404)
        if not is_secret:
            return Response(status_code=404)
        try:
            async with asyncio.timeout(BODY_WITHIN):
                body = await _body(request, settings.webhook.max_body_bytes)
        except ClientDisconnect:
            return Response(status_code=400)
        except TimeoutError:
            return Response(status_code=408, headers={"Connection": "close"})
        if body is None:
            event("rejected", client=client, why="push too large", limit=settings.webhook.max_body_bytes)
            return Response(status_code=413)
        push_id = str(ULID())
        try:
            await store.write_each(pushes.journal, pushes.NewPush(push_id, client, body))
        except Exception:  # the webhook's edge: FaxMAX keeps what we could not store, and comes again
            log.exception("push not stored")
            return Response(status_code=503, headers={"Retry-After": "30"})
        event("push", push_id, client=client, size=len(body))
        return Response(status_code=200)

    async def probed(request: Request) -> Response:
        return await probe.answer(request, settings, lambda given: _is_secret(given, settings.webhook.secrets))

    async def healthz(_: Request) -> Response:
        return Response(status_code=200 if store.healthy else 503)

    async def readyz(_: Request) -> Response:
        return Response(status_code=200 if await ready() else 503)

    return Starlette(
        routes=[
            Route("/push/{secret}", push, methods=["POST"]),
            Route("/push/{secret}/probe", probed, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            *more,
        ]
    )


def _client_of(request: Request) -> str:
    """An address, or ``unix``; what a proxy forwarded may be anything, and is kept and logged only if it is one."""
    if request.client is None:
        return UNIX
    return request.client.host if is_ip(request.client.host) else NOWHERE


def _may_push(client: str, networks: tuple[Network, ...]) -> bool:
    return not networks or is_in(client, networks)


def _is_secret(given: str, secrets: tuple[SecretStr, ...]) -> bool:
    """Compared with every secret, so that the time tells neither which fits nor how much of it."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(given.encode(), secret.get_secret_value().encode())
    return found


async def _body(request: Request, limit: int) -> bytes | None:
    """The whole body; ``None`` once it is larger than the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
