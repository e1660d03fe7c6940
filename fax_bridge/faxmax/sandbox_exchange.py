"""The telephone exchange of the sandbox: keeps the faxes and leads each through its life.

A request's document is rendered once, however many numbers it goes to. Memory is bounded: above a thousand
faxes, or half a gibibyte of documents and pages, the oldest are forgotten together with what was left of
their lives. Everything here runs on the event loop, so no two steps of it overlap.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from uuid import uuid4

from fax_bridge.documents.worker import Documents, SourcePart
from fax_bridge.faxmax import sandbox_fates as fates
from fax_bridge.faxmax.sandbox_fates import fate_of
from fax_bridge.faxmax.sandbox_fax import (
    QUEUED,
    UNREADABLE,
    IncomingFax,
    Order,
    OutgoingFax,
    Step,
    incoming_element,
    istanbul_now,
    outgoing_element,
    steps_of,
)
from fax_bridge.faxmax.sandbox_push import Pusher
from fax_bridge.faxmax.sandbox_render import FaxPages, render
from fax_bridge.faxmax.sandbox_request import Recipient
from fax_bridge.faxmax.sandbox_settings import SandboxSettings

log = logging.getLogger(__name__)


class Exchange:
    def __init__(self, settings: SandboxSettings, documents: Documents, pusher: Pusher) -> None:
        self._settings = settings
        self._documents = documents
        self._pusher = pusher
        self._faxes: OrderedDict[str, OutgoingFax] = OrderedDict()
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._renderings: dict[str, asyncio.Task[FaxPages]] = {}

    @property
    def faxes(self) -> Sequence[OutgoingFax]:
        """The faxes that are still kept, in the order in which they came."""
        return tuple(self._faxes.values())

    def fax(self, fax_id: str) -> OutgoingFax | None:
        return self._faxes.get(fax_id)

    def accept(self, order: Order, recipients: Sequence[Recipient], *, step: Step = QUEUED) -> Sequence[OutgoingFax]:
        """Keep one fax for each recipient. They rest at ``step`` until :meth:`begin`."""
        faxes = [OutgoingFax(str(uuid4()), r.phone, r.api_id, fate_of(r.phone), order, step) for r in recipients]
        self._faxes.update((fax.fax_id, fax) for fax in faxes)
        self._forget_old()
        return faxes

    async def begin(self, faxes: Sequence[OutgoingFax]) -> None:
        """Set the faxes going; returns at once."""
        for fax in faxes:
            if fax.fax_id in self._faxes:
                self._rendering(fax.order)
                self._lives[fax.fax_id] = self._start(self._live(fax.fax_id), fax.fax_id)

    async def ended(self, faxes: Sequence[OutgoingFax]) -> None:
        """Wait until the faxes have lived and the hook has taken all that there is to say of them."""
        lives = [self._lives[fax.fax_id] for fax in faxes if fax.fax_id in self._lives]
        if lives:
            await asyncio.wait(lives)
        for fax in faxes:
            await self._pusher.emptied(fax.fax_id)

    async def pages(self, fax_id: str) -> FaxPages | None:
        """The pages of a fax, waited for while they are being rendered; ``None`` if they never were."""
        fax = self._faxes.get(fax_id)
        rendering = self._renderings.get(fax.order.request_id) if fax else None
        if rendering is None:
            return None
        await asyncio.wait([rendering])
        return None if rendering.cancelled() else rendering.result()

    def receive(self, fax: IncomingFax) -> None:
        """A fax for the account: push it, content and all."""
        self._pusher.put(fax.fax_id, incoming_element(fax, self._settings))

    async def stop(self) -> None:
        """Break off every life and rendering; the faxes stay as they are."""
        broken_off = {name: task for name, task in self._renderings.items() if not task.done()}
        for name in broken_off:
            del self._renderings[name]
        tasks = [*self._lives.values(), *broken_off.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, fax_id: str) -> None:
        fax = self._faxes[fax_id]
        held: list[OutgoingFax] = []
        tell = held.append if fax.fate is fates.DISORDER else self._push
        tell(fax)
        # Shielded: the rendering belongs to all faxes of the request, not to this one.
        pages = await asyncio.shield(self._rendering(fax.order))
        for step in (UNREADABLE,) if pages.fault else steps_of(fax.fate):
            await asyncio.sleep(self._settings.pace)
            fax = self._advance(fax_id, step, pages.count)
            tell(fax)
        for moment in (*held[-1:], *held[:-1]):
            self._push(moment)
            await asyncio.sleep(self._settings.pace)
        self._loop_back(fax, pages)

    def _advance(self, fax_id: str, step: Step, pages: int) -> OutgoingFax:
        fax, now = self._faxes[fax_id], istanbul_now()
        self._faxes[fax_id] = fax = replace(
            fax,
            step=step,
            pages=pages,
            tried_on=now if step.tries > fax.step.tries else fax.tried_on,
            sent_on=now if step.delivers else None,
        )
        return fax

    def _push(self, fax: OutgoingFax) -> None:
        times = {fates.SILENCE: 0, fates.TWICE: 2}.get(fax.fate, 1)
        for _ in range(times):
            self._pusher.put(fax.fax_id, outgoing_element(fax, self._settings))

    def _loop_back(self, fax: OutgoingFax, pages: FaxPages) -> None:
        """What was delivered to a number of this account has arrived at this account."""
        if fax.is_delivered and fax.phone in self._settings.numbers:
            cli = fax.order.call.cli
            self.receive(IncomingFax(cli, fax.phone, pages.tiff, pages.count, f"+{cli}" if cli else ""))

    def _rendering(self, order: Order) -> asyncio.Task[FaxPages]:
        """The one rendering of a request's document, begun by whoever asks first."""
        if order.request_id not in self._renderings:
            document = SourcePart(kind=order.file.kind, name=order.file.name, data=order.file.data)
            call = order.call
            self._renderings[order.request_id] = asyncio.create_task(
                render(
                    self._documents,
                    document,
                    cover_html=call.cover_html,
                    paper=call.paper,
                    resolution=call.resolution,
                )
            )
        return self._renderings[order.request_id]

    def _start(self, life: Coroutine[None, None, None], fax_id: str) -> asyncio.Task[None]:
        task = asyncio.create_task(life)
        task.add_done_callback(lambda ended: self._close(fax_id, ended))
        return task

    def _close(self, fax_id: str, ended: asyncio.Task[None]) -> None:
        self._lives.pop(fax_id, None)
        if not ended.cancelled() and (error := ended.exception()):
            log.error("the life of fax %s broke off", fax_id, exc_info=error)

    def _forget_old(self) -> None:
        while len(self._faxes) > self._settings.kept_faxes or self._is_too_much():
            fax_id, fax = self._faxes.popitem(last=False)
            if life := self._lives.pop(fax_id, None):
                life.cancel()
            self._drop_rendering(fax.order.request_id)

    def _drop_rendering(self, request_id: str) -> None:
        """Once the last fax of its request is forgotten."""
        if any(fax.order.request_id == request_id for fax in self._faxes.values()):
            return
        if rendering := self._renderings.pop(request_id, None):
            rendering.cancel()

    def _is_too_much(self) -> bool:
        if len(self._faxes) < 2:
            return False  # the newest is always kept
        orders = {fax.order.request_id: fax.order for fax in self._faxes.values()}
        held = sum(order.size for order in orders.values()) + sum(map(_size, self._renderings.values()))
        return held > self._settings.kept_bytes


def _size(rendering: asyncio.Task[FaxPages]) -> int:
    """Bytes of the pages; 0 while there are none, or if the rendering broke off."""
    if not rendering.done() or rendering.cancelled() or rendering.exception():
        return 0
    return len(rendering.result().tiff)
