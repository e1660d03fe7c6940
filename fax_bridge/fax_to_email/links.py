"""The signed links of received faxes: whoever has the address gets the file, until its time is over.

Everything else is the same plain 404. The token stands in no log: it is the right itself.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.fax_to_email.deliver import link_id
from fax_bridge.signed_tokens import SignedTokens
from fax_bridge.store import deliveries
from fax_bridge.store.store import Store

_HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
MOST_TOKEN = 100


def links(store: Store, tokens: SignedTokens) -> Route:
    """``GET /fax/TOKEN``."""

    async def fetch(request: Request) -> Response:
        token = request.path_params["token"]
        claim = tokens.read("link", token, now()) if len(token) <= MOST_TOKEN else None
        if claim is None:
            return Response(status_code=404, headers=_HEADERS)
        async with store.read() as conn:
            file = await deliveries.linked(conn, link_id(claim))
        if file is None or file.give_up_at < now():
            return Response(status_code=404, headers=_HEADERS)
        client = request.client.host if request.client else "unix"
        event("link_fetched", claim.received_id, client=client, name=file.name)
        shown = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"}
        return Response(file.content, media_type=file.content_type, headers=_HEADERS | shown)

    return Route("/fax/{token}", fetch, methods=["GET"])
