"""What the sandbox shows of itself under ``/sandbox/``: the faxes, their pages, the pushes; and a way to send
a fax *to* the account.

No credentials are asked for here: it is a tool for one's own machine and listens on loopback by default. What
a caller handed in is served as a download, or in a page that may neither run nor load anything.
"""

from html import escape
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.faxmax.sandbox_exchange import Exchange
from fax_bridge.faxmax.sandbox_fates import fate_table
from fax_bridge.faxmax.sandbox_fax import IncomingFax, OutgoingFax, written
from fax_bridge.faxmax.sandbox_push import Pusher
from fax_bridge.faxmax.sandbox_render import FaxPages, kind_of, render, tiff_page_count

_MEDIA_TYPES = {
    PartKind.PDF: "application/pdf",
    PartKind.TIFF: "image/tiff",
    PartKind.JPEG: "image/jpeg",
    PartKind.PNG: "image/png",
}
_HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}

_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>FaxMAX sandbox</title></head><body>
<h1>FaxMAX sandbox</h1>
<p>A stand-in for FaxMAX: it takes faxes at <code>POST /api/v1</code> as the API page describes, renders them,
and pushes what became of them to the account's notification URL. Nothing leaves for a telephone line.</p>
<ul>
<li><a href="faxes">faxes</a>: what was sent, as JSON, with links to each document, cover and rendered fax</li>
<li><a href="pushes">pushes</a>: what was pushed, and what was answered, as JSON</li>
</ul>
<p>A fax to the account, from a TIFF or a PDF:</p>
<pre>curl -F cli=902125550001 -F cld=902162222525 -F file=@fax.pdf {incoming}</pre>
<p>The last four digits of the called number choose what happens:</p>
<pre>{fates}</pre>
</body></html>
"""


class Pages:
    def __init__(self, exchange: Exchange, pusher: Pusher, documents: Documents) -> None:
        self._exchange = exchange
        self._pusher = pusher
        self._documents = documents

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/sandbox/", self.index, methods=["GET"]),
            Route("/sandbox/faxes", self.faxes, methods=["GET"]),
            Route("/sandbox/faxes/{fax_id}/file", self.file, methods=["GET"], name="file"),
            Route("/sandbox/faxes/{fax_id}/pages.tif", self.pages, methods=["GET"], name="pages"),
            Route("/sandbox/faxes/{fax_id}/cover.html", self.cover, methods=["GET"], name="cover"),
            Route("/sandbox/pushes", self.pushes, methods=["GET"]),
            Route("/sandbox/incoming", self.incoming, methods=["POST"], name="incoming"),
        ]

    async def index(self, request: Request) -> Response:
        incoming = escape(str(request.url_for("incoming")))
        return HTMLResponse(_INDEX.format(incoming=incoming, fates=escape(fate_table())))

    async def faxes(self, request: Request) -> Response:
        return JSONResponse([_shown(fax, request) for fax in self._exchange.faxes])

    async def file(self, request: Request) -> Response:
        file = self._fax(request).order.file
        disposition = f"attachment; filename*=utf-8''{quote(file.name, safe='')}"  # RFC 6266 §4.3
        headers = {**_HARMLESS, "Content-Disposition": disposition}
        return Response(file.data, headers=headers, media_type=_MEDIA_TYPES[file.kind])

    async def pages(self, request: Request) -> Response:
        pages = await self._exchange.pages(self._fax(request).fax_id)
        if pages is None or pages.fault:
            raise HTTPException(404, pages.fault if pages else "this fax was never rendered")
        return Response(pages.tiff, headers=_HARMLESS, media_type="image/tiff")

    async def cover(self, request: Request) -> Response:
        cover = self._fax(request).order.call.cover_html
        if not cover:
            raise HTTPException(404, "this fax has no cover")
        return HTMLResponse(cover, headers=_HARMLESS)

    async def pushes(self, _request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "at": written(push.at),
                    "fax_id": push.fax_id,
                    "attempt": push.attempt,
                    "elements": push.elements,
                    "answer": push.answer,
                    "fault": push.fault,
                }
                for push in self._pusher.journal
            ]
        )

    async def incoming(self, request: Request) -> Response:
        """A fax to the account: a TIFF is passed on as it is, a PDF is sent as a fax machine would."""
        async with request.form(max_files=1, max_fields=8) as form:
            cli, cld, station = (form.get(name, "") for name in ("cli", "cld", "remote_station_id"))
            upload = form.get("file")
            if not (isinstance(cli, str) and isinstance(cld, str) and cld and isinstance(station, str)):
                raise HTTPException(400, "the fields cli and cld are expected, numbers both")
            if not isinstance(upload, UploadFile):
                raise HTTPException(400, "the file of the fax is expected in the field file")
            data = await upload.read()
        pages = await self._received(data)
        fax = IncomingFax(cli, cld, pages.tiff, pages.count, station, str(uuid4()))
        self._exchange.receive(fax)
        return JSONResponse({"fax_id": fax.fax_id})

    async def _received(self, data: bytes) -> FaxPages:
        match kind_of(data):
            case PartKind.TIFF:
                return FaxPages(data, tiff_page_count(data))
            case PartKind.PDF:
                pages = await render(self._documents, SourcePart(kind=PartKind.PDF, name="fax.pdf", data=data))
                if pages.fault:
                    raise HTTPException(400, f"the PDF cannot be rendered: {pages.fault}")
                return pages
        raise HTTPException(400, "the file is neither TIFF nor PDF")

    def _fax(self, request: Request) -> OutgoingFax:
        fax = self._exchange.fax(request.path_params["fax_id"])
        if fax is None:
            raise HTTPException(404, "no such fax, or none any more")
        return fax


def _shown(fax: OutgoingFax, request: Request) -> dict[str, Any]:
    """A fax for ``/sandbox/faxes``; the parameters lost their secrets when they were read."""
    order = fax.order

    def url(name: str) -> str:
        return str(request.url_for(name, fax_id=fax.fax_id))

    return {
        "fax_id": fax.fax_id,
        "api_id": fax.api_id,
        "phone": fax.phone,
        "request_id": order.request_id,
        "requested_on": written(order.requested_on),
        "params": order.call.params,
        "fax_file": {"name": order.file.name, "sha256": order.file.sha256, "url": url("file")},
        "cover_html": order.call.cover_html or None,
        "cover_url": url("cover") if order.call.cover_html else None,
        "status": fax.step.status,
        "result_message": fax.step.result,
        "page_count": fax.pages,
        "pages_url": url("pages"),
    }
