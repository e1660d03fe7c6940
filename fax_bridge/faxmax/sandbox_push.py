"""The pushes to the account's notification URL: in order for each fax, repeated until they are taken.

The API page promises to try again later when the site cannot be reached or answers with an error. A fax whose
push is not taken never holds up another fax. What was tried, and what was answered, is kept for the people
who look at ``/sandbox/pushes``; the URL is not, because its path is a secret.
"""

import asyncio
import json
import ssl
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import httpx

from fax_bridge.faxmax.sandbox_fax import Element, istanbul_now
from fax_bridge.faxmax.sandbox_settings import MEBIBYTE

_TRIES = 200
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 30.0
_TIMEOUT = httpx.Timeout(30.0)
_JOURNAL = 1000
_MOST_WAITING = 2000
_MOST_WAITING_BYTES = 256 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class PushTry:
    """One try to push; ``answer`` is the HTTP status, or ``None`` with the reason in ``fault``."""

    at: datetime
    fax_id: str
    attempt: int
    elements: tuple[Element, ...]
    """As they were pushed, but for ``content``, of which only the length is kept."""
    answer: int | None
    fault: str


@dataclass(frozen=True, slots=True)
class _Push:
    fax_id: str
    body: bytes
    elements: tuple[Element, ...]


@dataclass(slots=True)
class _Line:
    """The pushes of one fax that wait, and the task that takes them to the hook one after the other."""

    waiting: deque[_Push] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Pusher:
    def __init__(self, notify_url: str) -> None:
        self.notify_url = notify_url
        """Read anew at each try; while it is empty, nothing is pushed, as with a FaxMAX account that has none."""
        self._journal: deque[PushTry] = deque(maxlen=_JOURNAL)
        self._lines: OrderedDict[str, _Line] = OrderedDict()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Reading the trusted authorities costs 20 ms: once, not for each push."""
        return httpx.create_ssl_context(trust_env=False)

    @property
    def journal(self) -> Sequence[PushTry]:
        return tuple(self._journal)

    def put(self, fax_id: str, element: Element) -> None:
        """Line a push up behind the earlier ones of its fax; returns at once."""
        push = _Push(fax_id, json.dumps([element]).encode("ascii"), (_without_content(element),))
        if not self.notify_url:
            self._note(push, 0, None, "no notification URL is set")
            return
        line = self._lines.setdefault(fax_id, _Line())
        line.waiting.append(push)
        if line.task is None:
            line.task = asyncio.create_task(self._work_off(fax_id, line))
        self._give_up_old()

    async def emptied(self, fax_id: str) -> None:
        """Wait until nothing of this fax waits to be pushed."""
        line = self._lines.get(fax_id)
        if line and line.task:
            await asyncio.wait([line.task])

    async def stop(self) -> None:
        """Give up all that waits."""
        tasks = [line.task for line in self._lines.values() if line.task]
        self._lines.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work_off(self, fax_id: str, line: _Line) -> None:
        while line.waiting:
            await self._deliver(line.waiting[0])
            line.waiting.popleft()
        # No await since the look at the line, so nothing can have joined it.
        del self._lines[fax_id]

    async def _deliver(self, push: _Push) -> None:
        delay = _FIRST_DELAY
        for attempt in range(1, _TRIES + 1):
            answer, fault = await self._post(push.body)
            self._note(push, attempt, answer, fault)
            if answer is not None and answer < 300:
                return
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
        self._note(push, _TRIES, None, "given up")

    async def _post(self, body: bytes) -> tuple[int | None, str]:
        """A connection of its own for each push: none is left to die unused between two of them."""
        headers = {"Content-Type": "application/json", "User-Agent": "FaxMAX-sandbox"}
        client = httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=_TIMEOUT)
        try:
            async with client:
                response = await client.post(self.notify_url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return None, type(error).__name__  # its text can hold the URL
        return response.status_code, ""

    def _note(self, push: _Push, attempt: int, answer: int | None, fault: str) -> None:
        self._journal.append(PushTry(istanbul_now(), push.fax_id, attempt, push.elements, answer, fault))

    def _give_up_old(self) -> None:
        """Bound what a hook that stays away can pile up here: the oldest faxes' pushes go first."""
        while len(self._lines) > 1 and self._is_overfull():
            _, line = self._lines.popitem(last=False)
            if line.task:
                line.task.cancel()
            self._note(line.waiting[0], 0, None, "given up: too much is waiting")

    def _is_overfull(self) -> bool:
        waiting = [push for line in self._lines.values() for push in line.waiting]
        return len(waiting) > _MOST_WAITING or sum(len(push.body) for push in waiting) > _MOST_WAITING_BYTES


def _without_content(element: Element) -> Element:
    if "content" not in element:
        return element
    return {**element, "content": f"<{len(element['content'])} characters>"}
