"""The POST that sends a fax, and the one of five outcomes that it had.

Sending costs money, cannot be undone, and nothing in FaxMAX makes a repeated request harmless. So the client
knows whether the last byte of the request was handed to the socket: before that a failure is a *retry*,
after it whatever is not a readable answer is *unknown*, and is never sent again blindly.
"""

import asyncio
import email.utils
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx

from fax_bridge.errors import JSON_RPC_VERDICTS, Verdict, verdict_of_status
from fax_bridge.faxmax.wire import (
    Accepted,
    AcceptedBook,
    Answer,
    NotUnderstood,
    Rejected,
    RpcError,
    SendRequest,
    read_answer,
    read_book_answer,
)
from fax_bridge.settings import Account

CHUNK = 64 * 1024
MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read; a longer one is not FaxMAX's."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies always; ``ca_file`` replaces the system's authorities. Raises ``OSError`` where it holds none."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


@dataclass(frozen=True, slots=True)
class Failed:
    """The fax was not taken, or we cannot know; ``verdict`` says what to do, ``detail`` is for people."""

    verdict: Verdict
    detail: str
    retry_after: float | None = None


Outcome = Accepted | AcceptedBook | Failed


class Client:
    """One account's way to FaxMAX."""

    def __init__(self, account: Account, auth_error_codes: frozenset[int]) -> None:
        self._account = account
        self._auth_error_codes = auth_error_codes
        self._tls = tls_context(account.ca_file)

    async def send(self, request: SendRequest) -> Outcome:
        """POST the fax. Never raises but for cancellation: whatever happens on the way is an outcome.

        A fresh connection each time: a kept-alive one that died would fail after the request was written,
        which looks like an unknown outcome. No proxy from the environment, no redirects, no hidden retries.
        """
        timeout = httpx.Timeout(self._account.timeout, connect=min(30.0, self._account.timeout))
        # httpx's own limit is for each read: a server that sends a byte now and then would hold the fax for ever.
        limit = asyncio.timeout(None)
        body = Body(request, self._account.credentials(), partial(self._await_answer, limit))
        try:
            async with (
                limit,
                httpx.AsyncClient(
                    verify=self._tls, trust_env=False, proxy=self._account.proxy or None, timeout=timeout
                ) as http,
            ):
                return await self._exchange(http, body, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as fault:
            return Failed(Verdict.RETRY, f"FaxMAX cannot be reached: {_name(fault)}")
        except Exception as fault:  # noqa: BLE001 — whatever it is, it is known whether the request had left
            if not body.handed_over:
                return Failed(Verdict.RETRY, f"the connection broke while the fax was being sent: {_name(fault)}")
            return Failed(Verdict.UNKNOWN, f"the connection broke before an answer came: {_name(fault)}")

    def _await_answer(self, limit: asyncio.Timeout) -> None:
        """From now on the whole answer has to come within ``timeout``."""
        if limit.when() is None:
            limit.reschedule(asyncio.get_running_loop().time() + self._account.timeout)

    async def _exchange(self, http: httpx.AsyncClient, body: "Body", request: SendRequest) -> Outcome:
        async with http.stream("POST", self._account.url, content=body.chunks(), headers=body.headers) as response:
            body.ended()  # also where the answer came before all of it had left
            text = bytearray()
            async for chunk in response.aiter_bytes():
                text += chunk
                if len(text) > MAX_ANSWER:
                    break
        outcome = self._outcome(response, bytes(text), request)
        if not body.handed_over and isinstance(outcome, Failed) and outcome.verdict == Verdict.UNKNOWN:
            return Failed(Verdict.RETRY, f"answered before the fax was sent: {outcome.detail}", outcome.retry_after)
        return outcome

    def _outcome(self, response: httpx.Response, text: bytes, request: SendRequest) -> Outcome:
        answer: Answer | AcceptedBook
        try:
            answer = (
                read_book_answer(text)
                if request.is_kept_there
                else read_answer(text, api_id=request.api_id, number=request.number)
            )
        except NotUnderstood as fault:
            answer, odd = None, str(fault)
        else:
            odd = "the answer names the fax neither as accepted nor as rejected"
        if isinstance(answer, RpcError):
            return self._of_error(response, answer)
        if not response.is_success:
            return self._of_status(response, "")
        if isinstance(answer, Rejected):
            return Failed(Verdict.REFUSED, answer.reason)
        return answer or Failed(Verdict.UNKNOWN, odd)

    def _of_status(self, response: httpx.Response, words: str) -> Failed:
        retry_after = _retry_after(response.headers)
        verdict = verdict_of_status(response.status_code, "retry-after" in response.headers)
        return Failed(verdict, f"HTTP {response.status_code} {words}".rstrip(), retry_after)

    def _of_error(self, response: httpx.Response, error: RpcError) -> Failed:
        """A JSON-RPC error may come with HTTP 200 or with a status of its own, which then speaks first."""
        words = f"{error.message or 'error'} ({error.code})"
        if error.code in self._auth_error_codes:
            return Failed(Verdict.PAUSE, words)
        if not response.is_success:
            of_status = self._of_status(response, words)
            if of_status.verdict != Verdict.UNKNOWN:
                return of_status
        return Failed(JSON_RPC_VERDICTS.get(error.code or 0, Verdict.UNKNOWN), words)


class Body:
    """The multipart/form-data body (RFC 7578), streamed, and whether all of it was handed to the socket.

    The closing boundary goes out as a chunk of its own, last: until that is written, no server can have a
    whole request, so a failure before it is safe to repeat.
    """

    def __init__(self, request: SendRequest, credentials: Mapping[str, str], ended: Callable[[], None]) -> None:
        """``ended`` is called when the last chunk is given away; the answer is waited for from then on."""
        boundary = uuid4().hex
        self.handed_over = False
        self.ended = ended
        self._document = memoryview(request.document)
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="data"\r\n\r\n{request.data(credentials)}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="fax_file"; filename="{request.file_name}"\r\n'
            "Content-Type: application/pdf\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + len(self._document) + len(self._tail)),
            "Accept": "application/json",
        }

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._head
        for start in range(0, len(self._document), CHUNK):
            yield bytes(self._document[start : start + CHUNK])
        # Set before the yield: once these bytes are given away, we cannot know how far they got.
        self.handed_over = True
        self.ended()
        yield self._tail


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds in ``Retry-After`` (RFC 9110 §10.2.3), a number or a date; at most a day."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return min(float(value), 86400.0)
    parsed = email.utils.parsedate_tz(value) if value else None
    return min(max(email.utils.mktime_tz(parsed) - time.time(), 0.0), 86400.0) if parsed else None


def _name(fault: Exception) -> str:
    """The kind of fault and the system's words for it; httpx's own never hold the request."""
    return f"{type(fault).__name__}: {fault}".rstrip(": ")[:200]
