"""The daemon: everything is built here, in order, top to bottom, and stopped in the order of the flow.

Listeners close first, then what is in hand comes to its end within a limit, then the database closes.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette

from fax_bridge import __version__, eventlog
from fax_bridge.certificates import certificates_of
from fax_bridge.check import missing_covers
from fax_bridge.documents.worker import Documents
from fax_bridge.email_to_fax.expire import expire_forever, expire_held_forever
from fax_bridge.email_to_fax.notify import Notifier
from fax_bridge.email_to_fax.prepare import Preparer
from fax_bridge.email_to_fax.preview import Previewer
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.email_to_fax.report import Reporter
from fax_bridge.email_to_fax.submit import Submitter, fingerprint
from fax_bridge.email_to_fax.system_mail import SystemMail
from fax_bridge.errors import BridgeError
from fax_bridge.eventlog import event
from fax_bridge.fax import DeliveryKind, now
from fax_bridge.fax_to_email.convert import Converter
from fax_bridge.fax_to_email.deliver import Composer
from fax_bridge.fax_to_email.events import Events
from fax_bridge.fax_to_email.links import links
from fax_bridge.fax_to_email.sinks import Sinks
from fax_bridge.fax_to_email.webhook import webhook
from fax_bridge.http_listener import HttpListener
from fax_bridge.mail.alerts import Alerts
from fax_bridge.mail.outgoing import Outgoing
from fax_bridge.mail.relay import Relay
from fax_bridge.mail.words import Words
from fax_bridge.ops.metrics import Metrics
from fax_bridge.ops.observer import Observer
from fax_bridge.ops.pages import pages
from fax_bridge.ops.watch import Watch
from fax_bridge.service import journal, sockets
from fax_bridge.service.notify import Notifier as ServiceNotifier
from fax_bridge.service.reload import take_over
from fax_bridge.service.watchdog import LoopLag, beat_forever
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings, SettingsError
from fax_bridge.signed_tokens import SignedTokens
from fax_bridge.store import (
    accounts,
    clock,
    deliveries,
    faxes,
    intake,
    keys,
    messages,
    notices,
    outbox,
    pushes,
    schema,
)
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


SINK_SLOTS: dict[str | None, int] = {DeliveryKind.DIRECTORY: 2, DeliveryKind.WEBHOOK: 4}
"""Received faxes that are being handed over at once, by where to."""


PURGE_EVERY = 600.0
"""Seconds between looks for what is past its time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that is up: where it listens, of interest where port 0 was asked for, and what must not end."""

    smtp: int
    webhook: int
    tasks: tuple["asyncio.Task[None]", ...]
    what_is_dead: Callable[[], list[str]]
    """Names those of our own parts that should live and do not."""
    ops: int = 0
    """The port of the operator's pages; 0 where there are none."""

    async def broken(self) -> str:
        """Wait until something ended that never should; its name. A daemon half alive must not go on."""
        ended, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        return ", ".join(sorted(task.get_name() for task in ended))


@contextlib.asynccontextmanager
async def running(
    settings: Settings, *, grace: float = GRACE, handed: sockets.Handed = sockets.NONE
) -> AsyncIterator[Running]:
    """The whole daemon, for as long as the block lasts. Raises ``BridgeError`` or ``OSError`` if it cannot start.

    ``handed`` are sockets that listen already; they stand in for ``listen`` of the same section.
    """
    async with contextlib.AsyncExitStack() as stack:
        metrics = Metrics()
        stack.enter_context(eventlog.heard_by(metrics.hear))
        documents = await stack.enter_async_context(Documents())
        # In a process of its own, and half of the time that a start takes: all else goes on meanwhile.
        tested = asyncio.create_task(documents.self_test(), name="self-test")
        stack.callback(tested.cancel)
        words = await asyncio.to_thread(Words, settings.templates_dir)
        if faults := missing_covers(settings, words):
            raise BridgeError(" ".join(faults))
        alerts = Alerts(settings, words)
        relay = Relay.from_url(
            settings.relay.url.get_secret_value(),
            timeout=settings.relay.timeout,
            ca_file=str(settings.relay.ca_file or ""),
        )
        store = await Store.open(settings.store.url)
        stack.push_async_callback(store.close)
        await tested
        await store.write(lambda tx: _begin(tx, settings, not store.shared))
        tokens = SignedTokens(await keys.key_of(store))
        submitter = Submitter(settings, store, documents, words, alerts)
        workers = _workers(settings, store, documents, words, alerts, relay, submitter, tokens)
        tasks = [asyncio.create_task(w.run(), name=w.name) for w in workers]
        tasks.append(asyncio.create_task(expire_forever(store, settings.faxmax), name="expire"))
        tasks.append(asyncio.create_task(expire_held_forever(store, settings.faxmax), name="expire held"))
        tasks.append(asyncio.create_task(_purge_forever(settings, store), name="retention"))
        tasks.append(asyncio.create_task(clock.watch(store), name="clock"))
        tasks.append(asyncio.create_task(LoopLag(metrics.loop_lag).forever(), name="loop lag"))
        never_end: list[asyncio.Task[None]] = [*tasks, store.task]
        listening: dict[str, Callable[[], bool]] = {}

        def what_is_dead() -> list[str]:
            ended = [task.get_name() for task in never_end if task.done()]
            return ended + [name for name, listens in listening.items() if not listens()]

        observer = Observer(settings, store, what_is_dead, submitter.outages)
        watch = Watch(settings, store, observer, documents, alerts)
        tasks.append(asyncio.create_task(watch.forever(), name="watch"))
        never_end.append(tasks[-1])
        stack.push_async_callback(_stop_workers, workers, tasks, grace)

        async def ready() -> bool:
            takes_mail = "mail" in listening and listening["mail"]()
            return takes_mail and store.healthy and not any(task.done() for task in tasks)

        app = webhook(settings, store, ready, [links(store, tokens)])
        https = _webhook_listeners(app, settings, handed)
        ops = [HttpListener(pages(settings, observer, metrics), at.host, at.port) for at in settings.ops.listen]
        for http in (*ops, *https):
            await http.start()
            stack.push_async_callback(http.stop)
            never_end += [http.running] if http.running else []
            listening[f"http port {http.port}"] = lambda http=http: http.listens  # type: ignore[misc]  # mypy sees no default
        intake = Intake(settings, store, SystemMail(settings, store, tokens, alerts))
        stack.push_async_callback(intake.stop, min(grace, MAIL_GRACE))
        smtp_ports = await _listen(intake, settings, handed)
        listening["mail"] = lambda: intake.listens
        up = Running(
            smtp_ports[0] if smtp_ports else 0, https[0].port, tuple(never_end), what_is_dead, ops[0].port if ops else 0
        )
        event("started", version=__version__, smtp=up.smtp, webhook=up.webhook)
        yield up
        event("stopped")


def _webhook_listeners(app: Starlette, settings: Settings, handed: sockets.Handed) -> list[HttpListener]:
    """Raises :class:`BridgeError` where the webhook's certificate cannot be used."""
    certificates = certificates_of("webhook.tls", settings.webhook.tls)
    tls = certificates.context if certificates else None
    proxies = [str(network) for network in settings.webhook.trusted_proxies]
    if handed.webhook:
        return [HttpListener(app, "", 0, handed=one, tls=tls, trusted_proxies=proxies) for one in handed.webhook]
    return [HttpListener(app, at.host, at.port, tls=tls, trusted_proxies=proxies) for at in settings.webhook.listen]


async def _listen(intake: Intake, settings: Settings, handed: sockets.Handed) -> list[int]:
    """Take mail; the ports of SMTP."""
    if handed.smtp:
        ports = [await intake.take_over(listener, lmtp=False) for listener in handed.smtp]
    else:
        ports = [await intake.listen_smtp(where) for where in settings.smtp.listen]
    for where in settings.smtp.listen_tls:
        await intake.listen_smtp_tls(where)
    for where in settings.smtp.scanners.listen:
        await intake.listen_scanners(where)
    if handed.lmtp:
        for listener in handed.lmtp:
            await intake.take_over(listener, lmtp=True)
    else:
        for place in settings.lmtp.listen:
            await intake.listen_lmtp(place)
    return ports


async def serve(settings: Settings, config: Path | None = None) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads ``config`` again. Raises :class:`BridgeError` if a part of the daemon
    ended by itself.
    """
    stop, reload_asked = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload_asked.set)
    notifier = ServiceNotifier.from_environment(os.environ)
    async with running(settings, handed=sockets.handed_over(os.environ)) as up:
        notifier.ready(f"takes mail on port {up.smtp}, pushes on port {up.webhook}")
        aside = [asyncio.create_task(_reload_forever(settings, config, reload_asked, notifier), name="reload")]
        if notifier.watchdog:
            aside.append(asyncio.create_task(beat_forever(notifier, up.what_is_dead), name="watchdog"))
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(up.broken())
        await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        notifier.stopping()
        for task in (asked, broken, *aside):
            task.cancel()
    if not stop.is_set():
        raise BridgeError(f"a part of the daemon ended by itself: {broken.result()}. The log has its reason.")


async def _reload_forever(
    settings: Settings, config: Path | None, asked: asyncio.Event, notifier: ServiceNotifier
) -> None:
    """At each SIGHUP, what can change does; a file that cannot run changes nothing, and the log says why."""
    while True:
        await asked.wait()
        asked.clear()
        notifier.reloading()
        try:
            told = take_over(settings, await asyncio.to_thread(load, config))
            to_journal = settings.log.journal and journal.is_ours(os.environ, sys.stderr)
            eventlog.set_up(settings.log.format, settings.log.level, to_journal=to_journal)
            event("reloaded", changed=list(told.applied), need_restart=list(told.need_restart))
            status = str(told)
        except SettingsError as fault:
            log.error("the settings are kept as they were", faults=fault.faults)
            status = f"reload refused, the old settings hold: {fault.faults[0]}"
        except Exception:  # this task's edge: a reload must never end the daemon
            log.exception("reload failed; the old settings hold")
            status = "reload failed, the old settings hold"
        notifier.ready(status)


async def _begin(tx: Tx, settings: Settings, alone: bool) -> None:
    """What a start owes to the run before it."""
    if alone:
        await free_all(tx, schema.LEASED)
    names = settings.faxmax.account_names
    for name in await accounts.known(tx, {name: fingerprint(settings.faxmax.account(name)) for name in names}):
        event("resumed", account=name, why="other credentials")


async def _purge_forever(settings: Settings, store: Store) -> None:
    while True:
        kept = Kept(int(settings.retention.content * 1000), int(settings.retention.metadata * 1000))
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
    tokens: SignedTokens,
) -> list[Worker]:
    """One worker for each step, in the order of the flow."""
    lanes: dict[str | None, int] = {
        name: settings.faxmax.account(name).max_concurrent for name in settings.faxmax.account_names
    }

    previewer = Previewer(settings, store, documents, words)
    events = Events(settings, store, alerts)
    composer = Composer(settings, words, tokens, alerts)

    def plain(queue: Queue, handle: Handler, slots: int) -> Worker:
        return Worker(store, queue, handle, {None: slots})

    return [
        plain(messages.PREPARE, Preparer(settings, store, documents, words, previewer).handle, 2),
        Worker(store, faxes.SUBMIT, submitter.handle_queued, lanes, submitter.open_accounts, submitter.limits),
        plain(faxes.PROMISED, submitter.handle_promised, 8),
        plain(messages.REPORT, Reporter(settings, store, documents, words).handle, 4),
        plain(notices.NOTICE, Notifier(settings, store, words).handle, 2),
        plain(pushes.EVENTS, events.handle, 4),
        plain(pushes.ANNOUNCED, events.handle_announced, 1),
        plain(pushes.CONVERT, Converter(settings, store, documents, composer).handle, 2),
        Worker(store, deliveries.DELIVER, Sinks(settings, store, alerts).handle, SINK_SLOTS),
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
