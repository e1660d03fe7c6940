"""Whether a push would reach us: ``fax-bridge doctor`` sends a large body the way that FaxMAX's pushes come.

The path is the webhook's with its secret, so that nobody else can have us read; the body is counted and let go, never
kept, and nothing is written or told but to the asker.
"""

import hashlib
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from fax_bridge.settings import Settings


async def answer(request: Request, settings: Settings, is_secret: Callable[[str], bool]) -> Response:
    """How many bytes came, and their SHA-256: a proxy that cuts or changes bodies is found by it."""
    if not is_secret(request.path_params["secret"]):
        return Response(status_code=404)
    limit, size, digest = settings.webhook.max_body_bytes, 0, hashlib.sha256()
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                return Response(status_code=413)
            digest.update(chunk)
    except ClientDisconnect:
        return Response(status_code=400)
    return JSONResponse({"fax_bridge": True, "bytes": size, "sha256": digest.hexdigest()})
