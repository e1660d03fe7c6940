"""The daemon: everything is built here, in order, top to bottom, and stopped in the order of the flow.

Listeners close first, then what is in hand comes to its end within a limit, then the database closes.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from fax_bridge import __version__
from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.expire import expire_forever, expire_held_forever
from fax_bridge.email_to_fax.prepare import Preparer
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.email_to_fax.report import Reporter
from fax_bridge.email_to_fax.submit import Submitter, fingerprint
from fax_bridge.errors import BridgeError
from fax_bridge.eventlog import event
from fax_bridge.fax import now
from fax_bridge.fax_to_email.convert import Converter
from fax_bridge.fax_to_email.events import Events
from fax_bridge.fax_to_email.webhook import webhook
from fax_bridge.http_listener import HttpListener
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.outgoing import Outgoing
from fax_bridge.mail.relay import Relay
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.store import accounts, clock, faxes, intake, messages, outbox, pushes, schema
from fax_bridge.store.lease import Queue, free_all
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.store import Store, Tx
from fax_bridge.store.worker import Handler, Worker

log = structlog.get_logger("daemon")

GRACE = 30.0
"""Seconds that what is in hand gets at a stop; a POST that takes longer is left in doubt, honestly."""

MAIL_GRACE = 10.0
"""Seconds that a mail gets to come in at a stop; its client, who heard no 250, sends it again."""


STAGED_FOR = 86_400_000
"""Milliseconds that the pieces of an unfinished mail are kept: longer than the slowest DATA may take."""


PURGE_EVERY = 600.0
"""Seconds between looks for what is past its time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that is up: where it listens, of interest where port 0 was asked for, and what must not end."""

    smtp: int
    webhook: int
    tasks: tuple["asyncio.Task[None]", ...]

    async def broken(self) -> str:
        """Wait until something ended that never should; its name. A daemon half alive must not go on."""
        ended, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        return ", ".join(sorted(task.get_name() for task in ended))


@contextlib.asynccontextmanager
async def running(settings: Settings, *, grace: float = GRACE) -> AsyncIterator[Running]:
    """The whole daemon, for as long as the block lasts. Raises ``BridgeError`` or ``OSError`` if it cannot start."""
    async with contextlib.AsyncExitStack() as stack:
        documents = await stack.enter_async_context(Documents())
        await documents.self_test()
        words = Words(settings.templates_dir)
        alerts = Alerts(settings, words)
        relay = Relay.from_url(
            settings.relay.url.get_secret_value(),
            timeout=settings.relay.timeout,
            ca_file=str(settings.relay.ca_file or ""),
        )
        store = await Store.open(settings.store.url)
        stack.push_async_callback(store.close)
        await store.write(lambda tx: _begin(tx, settings, not store.shared))
        submitter = Submitter(settings, store, words, alerts)
        workers = _workers(settings, store, documents, words, alerts, relay, submitter)
        tasks = [asyncio.create_task(w.run(), name=w.name) for w in workers]
        tasks.append(asyncio.create_task(expire_forever(store, settings.faxmax), name="expire"))
        tasks.append(asyncio.create_task(expire_held_forever(store, settings.faxmax), name="expire held"))
        tasks.append(asyncio.create_task(_purge_forever(settings, store), name="retention"))
        tasks.append(asyncio.create_task(clock.watch(store), name="clock"))
        stack.push_async_callback(_stop_workers, workers, tasks, grace)

        async def ready() -> bool:
            return store.healthy and not any(task.done() for task in tasks)

        app = webhook(settings, store, ready)
        https = [HttpListener(app, where.host, where.port) for where in settings.webhook.listen]
        for http in https:
            await http.start()
            stack.push_async_callback(http.stop)
        intake = Intake(settings, store)
        stack.push_async_callback(intake.stop, min(grace, MAIL_GRACE))
        smtp_ports = [await intake.listen_smtp(where) for where in settings.smtp.listen]
        for place in settings.lmtp.listen:
            await intake.listen_lmtp(place)
        never_end = (*tasks, store.task, *(http.running for http in https if http.running))
        up = Running(smtp_ports[0], https[0].port, never_end)
        event("started", version=__version__, smtp=up.smtp, webhook=up.webhook)
        yield up
        event("stopped")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises :class:`BridgeError` if a part of the daemon ended by itself."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as up:
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(up.broken())
        await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        broken.cancel()
    if not stop.is_set():
        raise BridgeError(f"a part of the daemon ended by itself: {broken.result()}. The log has its reason.")


async def _begin(tx: Tx, settings: Settings, alone: bool) -> None:
    """What a start owes to the run before it."""
    if alone:
        await free_all(tx, [schema.message, schema.fax, schema.push, schema.received, schema.outbox])
    names = settings.faxmax.account_names
    for name in await accounts.known(tx, {name: fingerprint(settings.faxmax.account(name)) for name in names}):
        event("resumed", account=name, why="other credentials")


async def _purge_forever(settings: Settings, store: Store) -> None:
    kept = Kept(int(settings.retention.content * 1000), int(settings.retention.metadata * 1000))
    while True:
        try:
            await purge(store, kept)
            await intake.purge_incomplete(store, before=now() - STAGED_FOR)
        except Exception:  # this task's edge: a database out of reach is waited out
            log.exception("purge failed")
        await asyncio.sleep(PURGE_EVERY)


def _workers(
    settings: Settings,
    store: Store,
    documents: Documents,
    words: Words,
    alerts: Alerts,
    relay: Relay,
    submitter: Submitter,
) -> list[Worker]:
    """One worker for each step, in the order of the flow."""
    lanes: dict[str | None, int] = {
        name: settings.faxmax.account(name).max_concurrent for name in settings.faxmax.account_names
    }

    events = Events(settings, store, alerts)

    def plain(queue: Queue, handle: Handler, slots: int) -> Worker:
        return Worker(store, queue, handle, {None: slots})

    return [
        plain(messages.PREPARE, Preparer(settings, store, documents, words).handle, 2),
        Worker(store, faxes.SUBMIT, submitter.handle_queued, lanes, submitter.open_accounts, submitter.limits),
        plain(faxes.PROMISED, submitter.handle_promised, 8),
        plain(messages.REPORT, Reporter(settings, store, words).handle, 4),
        plain(pushes.EVENTS, events.handle, 4),
        plain(pushes.ANNOUNCED, events.handle_announced, 1),
        plain(pushes.CONVERT, Converter(settings, store, documents, words).handle, 2),
        plain(outbox.MAIL, Outgoing(settings, store, relay, alerts).handle, 4),
    ]


async def _stop_workers(workers: list[Worker], tasks: list[asyncio.Task[None]], grace: float) -> None:
    await asyncio.gather(*(worker.stop(grace) for worker in workers))
    for task in tasks:
        task.cancel()
    for task, result in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
        if isinstance(result, Exception):
            log.error("task failed", task=task.get_name(), exc_info=result)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine on the fastest loop there is."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
