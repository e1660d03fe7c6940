"""``POST /api/v1``: the form, the call in it, and what the called numbers do to the answer.

An order of events that a client can rely on: a request that is malformed or not allowed is refused whatever
its numbers; then come the fates of the whole request, in the order in which a server would meet them.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from starlette.background import BackgroundTask
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from fax_bridge.faxmax import sandbox_fates as fates
from fax_bridge.faxmax.sandbox_exchange import Exchange
from fax_bridge.faxmax.sandbox_fates import fate_of
from fax_bridge.faxmax.sandbox_fax import LOST, FaxFile, Order, OutgoingFax
from fax_bridge.faxmax.sandbox_render import kind_of
from fax_bridge.faxmax.sandbox_request import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    UNAUTHORIZED,
    Recipient,
    RpcError,
    SendFax,
    read_call,
)
from fax_bridge.faxmax.sandbox_settings import MEBIBYTE, SandboxSettings

_DATA_LIMIT = 16 * MEBIBYTE
_TURNED_AWAY_BEFORE = 2
_MOST_TURNED_AWAY = 1000


class Api:
    def __init__(self, settings: SandboxSettings, exchange: Exchange, closing: asyncio.Event) -> None:
        self._settings = settings
        self._exchange = exchange
        self._closing = closing
        self._turned_away: OrderedDict[Recipient, int] = OrderedDict()

    async def endpoint(self, request: Request) -> Response:
        try:
            call, file = await self._read(request)
            return await self._send_fax(request, call, file)
        except RpcError as error:
            return JSONResponse(error.body(), error.status)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it

    async def _read(self, request: Request) -> tuple[SendFax, FaxFile]:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise RpcError(INVALID_REQUEST, "multipart/form-data with the parts fax_file and data is expected")
        try:
            async with request.form(max_files=4, max_fields=8, max_part_size=_DATA_LIMIT) as form:
                call = read_call(_data_of(form), self._settings)
                return call, await _file_of(form, call)
        except HTTPException as error:
            if error.status_code != 400:
                raise
            raise RpcError(INVALID_REQUEST, error.detail) from error

    async def _send_fax(self, request: Request, call: SendFax, file: FaxFile) -> Response:
        numbers = [recipient for recipient in call.recipients if recipient.is_number]
        met = {fate_of(recipient.phone) for recipient in numbers}
        if refusal := self._refusal(met, numbers, call):
            return refusal
        accepted = [recipient for recipient in numbers if fate_of(recipient.phone) is not fates.REJECTED]
        if fates.ERROR_AFTER in met:
            self._exchange.accept(Order(call, file), accepted, step=LOST)
            return _error_page(500)
        faxes = self._exchange.accept(Order(call, file), accepted)
        if fates.STALL in met:
            return await self._stall(request, faxes)
        answer = _answer(call, faxes)
        if fates.EARLY in met:
            await self._exchange.begin(faxes)
            await self._exchange.ended(faxes)
            return JSONResponse(answer)
        return JSONResponse(answer, background=BackgroundTask(self._exchange.begin, faxes))

    def _refusal(self, met: set[fates.NumberFate], numbers: Sequence[Recipient], call: SendFax) -> Response | None:
        """The answer of a server that takes nothing in."""
        if fates.UNAUTHORIZED in met:
            raise RpcError(UNAUTHORIZED, "the credentials are not those of the account", rpc_id=call.rpc_id)
        if fates.ERROR_BEFORE in met:
            return _error_page(500)
        if fates.UNAVAILABLE in met and self._is_turned_away(numbers):
            return _error_page(503, {"Retry-After": "1"})
        if fates.REFUSED in met:
            raise RpcError(INVALID_PARAMS, "this request is refused", rpc_id=call.rpc_id)
        return None

    def _is_turned_away(self, numbers: Sequence[Recipient]) -> bool:
        """Whether one of the recipients has not been here twice yet; once all are let in, they begin anew."""
        been_here = self._turned_away
        waiting = [recipient for recipient in numbers if fate_of(recipient.phone) is fates.UNAVAILABLE]
        early = [recipient for recipient in waiting if been_here.get(recipient, 0) < _TURNED_AWAY_BEFORE]
        for recipient in early:
            been_here[recipient] = been_here.get(recipient, 0) + 1
        if not early:
            for recipient in waiting:
                been_here.pop(recipient, None)  # a request may name one recipient twice
        while len(been_here) > _MOST_TURNED_AWAY:
            been_here.popitem(last=False)
        return bool(early)

    async def _stall(self, request: Request, faxes: Sequence[OutgoingFax]) -> Response:
        """Nothing is said until the client has gone; the faxes go out all the same."""
        gone = asyncio.create_task(_disconnected(request))
        closing = asyncio.create_task(self._closing.wait())
        await asyncio.wait((gone, closing), return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, closing):
            task.cancel()
        if self._closing.is_set():
            return _error_page(503)
        await self._exchange.begin(faxes)
        return Response(status_code=408)  # nobody is left to read it


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _data_of(form: FormData) -> str:
    strangers = {name for name, _ in form.multi_items()} - {"data", "fax_file"}
    if strangers:
        raise RpcError(INVALID_REQUEST, f"{len(strangers)} of the parts are neither data nor fax_file")
    match form.getlist("data"):
        case [str(data)]:
            return data
    raise RpcError(INVALID_REQUEST, "exactly one part data is expected, a field and not a file")


async def _file_of(form: FormData, call: SendFax) -> FaxFile:
    match form.getlist("fax_file"):
        case [UploadFile(filename=str(name)) as upload] if name:
            data = await upload.read()
        case _:
            detail = "exactly one part fax_file with a file name is expected"
            raise RpcError(INVALID_PARAMS, detail, rpc_id=call.rpc_id)
    kind = kind_of(data)
    if kind is None:
        raise RpcError(INVALID_PARAMS, "fax_file is not PDF, TIFF, JPEG or PNG", rpc_id=call.rpc_id)
    digest = await asyncio.to_thread(hashlib.sha256, data)
    return FaxFile(name, kind, data, digest.hexdigest())


def _answer(call: SendFax, faxes: Sequence[OutgoingFax]) -> dict[str, Any]:
    """The answer of the API page; what an entry of ``rejected`` looks like is not shown there."""
    rejected = [
        {"phone": r.phone, "api_id": r.api_id, "reason": reason} for r in call.recipients if (reason := _reason(r))
    ]
    data = {
        "count": len(faxes),
        "phones": [{"api_id": fax.api_id, "fax_id": fax.fax_id} for fax in faxes],
        "rejected": rejected,
        "request_id": faxes[0].order.request_id if faxes else str(uuid4()),
    }
    return {"id": call.rpc_id, "jsonrpc": "2.0", "result": {"message": {"data": data}}}


def _reason(recipient: Recipient) -> str:
    if not recipient.is_number:
        return "Geçersiz numara"
    return "Numara kabul edilmedi" if fate_of(recipient.phone) is fates.REJECTED else ""


def _error_page(status: int, headers: dict[str, str] | None = None) -> Response:
    """What a proxy in front of a broken service answers: HTML, not JSON-RPC."""
    title = {500: "500 Internal Server Error", 503: "503 Service Unavailable"}[status]
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HTMLResponse(page, status, headers)
