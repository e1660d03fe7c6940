"""The operator's pages, on a port of their own: ``/metrics``, ``/healthz``, ``/readyz``."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fax_bridge.ops import health
from fax_bridge.ops.metrics import Metrics
from fax_bridge.ops.observer import Observer
from fax_bridge.settings import Settings


def pages(settings: Settings, observer: Observer, metrics: Metrics) -> Starlette:
    async def checks() -> list[health.Check]:
        return health.ready(await observer.facts(), min_free_bytes=settings.smtp.min_free_bytes)

    async def healthz(_: Request) -> Response:
        return _told(health.healthy(observer.what_is_dead()))

    async def readyz(_: Request) -> Response:
        return _told(await checks())

    async def metrics_page(_: Request) -> Response:
        ready = all(check.ok for check in await checks())
        return Response(metrics.page(await observer.facts(), ready=ready), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/metrics", metrics_page, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
        ]
    )


def _told(checks: list[health.Check]) -> Response:
    told = health.as_json(checks)
    return JSONResponse(told, status_code=200 if told["ok"] else 503, headers={"Cache-Control": "no-store"})
