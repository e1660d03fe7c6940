"""What Prometheus reads. Counters and histograms grow with the events of the operator's log, so that no step of the
flow knows of metrics; gauges are read from the store when they are asked for.

Latencies come from the ids: each is a ULID, which begins with the time at which the thing came. Labels are words from
closed lists; what comes from outside is put into one of them, or is ``other``.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from ulid import ULID

from fax_bridge import __version__
from fax_bridge.fax import FaxState, ResultClass, now
from fax_bridge.ops.observer import Facts

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
MINUTES = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 86400)
LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_CODE = re.compile(r"[45]\d\d ([45]\.\d\.\d{1,2})\b")
_REASONS = {"sender": "sender", "push too large": "push_too_large"}


class Metrics:
    """One daemon's, in a registry of its own. :meth:`hear` takes the events, :meth:`page` gives the text."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._now = _Now()
        registry.register(self._now)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"fax_bridge_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float]) -> Histogram:
            return Histogram(f"fax_bridge_{name}_seconds", text, buckets=tuple(buckets), registry=registry)

        self._mails = counter("mails_accepted", "Mails that got their 250.")
        self._bytes = counter("mail_accepted_bytes", "Bytes of those mails.")
        self._faxes = counter("faxes_accepted", "Faxes that came of those mails.")
        self._rejections = counter("rejections", "Recipients and pushes that were refused, by the reason.", "reason")
        self._documents = counter("documents", "Mails that were made into a document, or could not be.", "outcome")
        self._submissions = counter("submissions", "What handing a fax to FaxMAX brought.", "outcome")
        self._ended = counter("faxes_ended", "Faxes whose end was told to their sender.", "state", "result")
        self._corrected = counter("faxes_corrected", "Faxes whose told end was corrected later.")
        self._pushes = counter("pushes", "Pushes that got their 200.")
        self._statuses = counter("statuses", "Statuses in them.", "final")
        self._quarantined = counter("quarantined", "Pushes that could not be understood.")
        self._received = counter("faxes_received", "Received faxes.")
        self._conversions = counter("conversions", "Received faxes made into PDFs.", "outcome")
        self._relayed = counter("relay_mails", "Tries to hand a mail to the relay.", "outcome")
        self._outages = counter("faxmax_outages", "Times that FaxMAX was taken to be out of reach.")
        self._loop_tests = counter("loop_tests", "Test faxes to the own number, sent and home again.", "outcome")
        self._accept_time = histogram("accept", "From a mail's DATA to its 250.", SECONDS)
        self._submit_time = histogram("submit", "From a mail's DATA to FaxMAX's fax id.", MINUTES)
        self._delivery_time = histogram("delivery", "From a mail's DATA to the confirmed delivery.", MINUTES)
        self._conversion_time = histogram("conversion", "From a push to the mail with the received fax.", MINUTES)
        self._loop_time = histogram("loop_test", "From sending a test fax to its coming back.", MINUTES)
        lag = Histogram(
            "fax_bridge_event_loop_lag_seconds", "How late the event loop comes.", buckets=LAG, registry=registry
        )
        self.loop_lag: Callable[[float], None] = lag.observe
        """Takes each measured delay of the event loop, in seconds."""

    def page(self, facts: Facts, *, ready: bool) -> bytes:
        """The text exposition format, version 0.0.4."""
        self._now.facts, self._now.ready = facts, ready
        return generate_latest(self._registry)

    def hear(self, word: str, subject: str, facts: dict[str, Any]) -> None:
        """An event of the operator's log; those that nobody counts are passed over."""
        hear = getattr(self, f"_hear_{word}", None)
        if hear is not None:
            hear(subject, facts)

    def _hear_accepted(self, subject: str, facts: dict[str, Any]) -> None:
        self._mails.inc()
        self._bytes.inc(facts.get("size", 0))
        self._faxes.inc(len(facts.get("faxes", ())))
        _observe(self._accept_time, subject)

    def _hear_rejected(self, _: str, facts: dict[str, Any]) -> None:
        why = str(facts.get("why", ""))
        code = _CODE.match(why)
        self._rejections.labels(code[1] if code else _REASONS.get(why, "other")).inc()

    def _hear_document(self, _: str, facts: dict[str, Any]) -> None:
        self._documents.labels("refused" if "refused" in facts else "made").inc()

    def _hear_submitted(self, subject: str, _: dict[str, Any]) -> None:
        self._submissions.labels("submitted").inc()
        _observe(self._submit_time, subject)

    def _hear_retry(self, *_: Any) -> None:
        self._submissions.labels("retry").inc()

    def _hear_unknown(self, _: str, facts: dict[str, Any]) -> None:
        if "attempt" in facts:  # without one, it is the promised time that has come
            self._submissions.labels("unknown").inc()

    def _hear_paused(self, *_: Any) -> None:
        self._submissions.labels("paused").inc()

    def _hear_ended(self, subject: str, facts: dict[str, Any]) -> None:
        """Told twice: by the step that ends it, and with its message when the report is written. The latter counts."""
        if "message" not in facts:
            return
        if facts.get("correction"):
            self._corrected.inc()
            return
        state = _one_of(FaxState, facts.get("state"))
        self._ended.labels(state, _one_of(ResultClass, facts.get("result"))).inc()
        if state == FaxState.DELIVERED:
            _observe(self._delivery_time, subject)

    def _hear_push(self, *_: Any) -> None:
        self._pushes.inc()

    def _hear_status(self, _: str, facts: dict[str, Any]) -> None:
        self._statuses.labels("true" if facts.get("final") else "false").inc()

    def _hear_quarantined(self, *_: Any) -> None:
        self._quarantined.inc()

    def _hear_fax_received(self, *_: Any) -> None:
        self._received.inc()

    def _hear_converted(self, subject: str, facts: dict[str, Any]) -> None:
        self._conversions.labels("damaged" if facts.get("problem") else "whole").inc()
        _observe(self._conversion_time, subject)

    def _hear_mailed(self, *_: Any) -> None:
        self._relayed.labels("sent").inc()

    def _hear_mail_retry(self, *_: Any) -> None:
        self._relayed.labels("retry").inc()

    def _hear_mail_failed(self, *_: Any) -> None:
        self._relayed.labels("failed").inc()

    def _hear_loop_test(self, subject: str, facts: dict[str, Any]) -> None:
        outcome = "home" if facts.get("outcome") == "home" else "sent"
        self._loop_tests.labels(outcome).inc()
        if outcome == "home":
            _observe(self._loop_time, subject)

    def _hear_outage(self, *_: Any) -> None:
        self._outages.inc()


def _one_of(words: type[FaxState] | type[ResultClass], value: object) -> str:
    """The word, ``none`` where there is none, ``other`` for one that is not on the list."""
    if value is None:
        return "none"
    return str(value) if value in set(words) else "other"


def _observe(histogram: Histogram, ulid: str) -> None:
    try:
        born = ULID.from_str(ulid).milliseconds
    except ValueError:
        return
    histogram.observe(max(0, now() - born) / 1000)  # below 0, the clock was set back


class _Now(Collector):
    """The gauges, made of the facts at the moment of the scrape."""

    facts: Facts | None = None
    ready = False

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("fax_bridge_build", "The program.", {"version": __version__})
        facts = self.facts
        if facts is None:
            return
        yield _gauge("ready", "Whether a mail that came now would get on its way.", self.ready)
        yield _gauge("database_up", "Whether the database answers.", facts.depths is not None)
        yield _gauge("database_read_seconds", "What the last look into the database took.", facts.database_seconds)
        if facts.database_bytes is not None:
            yield _gauge("database_bytes", "The size of SQLite's file.", facts.database_bytes)
        if facts.disk_free_bytes is not None:
            yield _gauge("disk_free_bytes", "Room on its disk.", facts.disk_free_bytes)
        yield from _accounts(facts)
        yield from _queues(facts)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fax_bridge_{name}", text, value=float(value))


def _accounts(facts: Facts) -> Iterator[Metric]:
    outage = GaugeMetricFamily("fax_bridge_account_outage", "Whether FaxMAX is out of reach.", labels=["account"])
    paused = GaugeMetricFamily("fax_bridge_account_paused", "Whether it refuses the account.", labels=["account"])
    waiting = {name for name, _ in facts.depths.paused} if facts.depths else set()
    for name, down in facts.outages.items():
        outage.add_metric([name], float(down))
        paused.add_metric([name], float(name in waiting))
    yield from (outage, paused)


def _queues(facts: Facts) -> Iterator[Metric]:
    if facts.depths is None:
        return
    rows = GaugeMetricFamily("fax_bridge_queue_rows", "What waits, by state.", labels=["queue", "state"])
    oldest = GaugeMetricFamily(
        "fax_bridge_queue_oldest_seconds", "How long the oldest does.", labels=["queue", "state"]
    )
    leased = GaugeMetricFamily("fax_bridge_queue_leases", "What a worker has in hand.", labels=["queue", "state"])
    at = now()
    for depth in facts.depths.queues:
        labels = [depth.queue, depth.state]
        rows.add_metric(labels, depth.rows)
        oldest.add_metric(labels, max(0, at - depth.oldest_at) / 1000)
        leased.add_metric(labels, depth.leased)
    yield from (rows, oldest, leased)
    waits = facts.depths.oldest_fax_at
    text = "How long the fax waits that waits longest to be handed over; 0 where none does."
    yield _gauge("oldest_waiting_fax_seconds", text, max(0, at - waits) / 1000 if waits else 0)
    if facts.depths.last_push_at:
        yield _gauge("last_push_timestamp_seconds", "When FaxMAX last pushed.", facts.depths.last_push_at / 1000)
