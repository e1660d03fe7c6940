"""The operator's log: about a dozen events with fixed words, the id first, and how all logging is shown."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal, TextIO, cast

import structlog

from fax_bridge.service import journal

_log = structlog.get_logger("event")

Word = Literal[
    "accepted", "rejected", "document", "submitted", "retry", "unknown", "paused", "resumed", "ended", "fax_received",
    "converted", "push", "status", "mailed", "mail_retry", "mail_failed", "quarantined", "settings", "outage",
    "started", "stopped", "bounce", "passed_on", "handed_over", "hand_over_retry", "hand_over_failed", "link_fetched",
    "reloaded", "alert", "loop_test",
]  # fmt: skip


NEEDS_A_PERSON = frozenset({"paused", "quarantined", "mail_failed", "hand_over_failed", "outage", "alert"})
"""Told at the level of warnings."""


Listener = Callable[[Word, str, dict[str, Any]], None]
_listeners: list[Listener] = []
_journal: journal.JournalLogger | None = None


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within the block, ``listener`` hears every event too: its word, the id, the facts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def event(word: Word, subject: str = "-", **facts: Any) -> None:
    """One line: the event's word, the id that it is about, and facts; never a secret, never content."""
    for listener in _listeners:
        try:
            listener(word, subject, facts)
        except Exception:  # noqa: BLE001 — who listens must never turn what was committed into a fault of the work
            _log.exception("an event was not heard", word=word)
    tell = _log.warning if word in NEEDS_A_PERSON else _log.info
    tell(word, id=subject, **facts)


class _Unfailing:
    """Standard output that a full disk or a closed pipe cannot turn into a fault of the work that is told of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: the stream is closed
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def set_up(style: str, level: str, *, to_journal: bool = False) -> None:
    """Lines for people or for machines, to standard output; ``to_journal``: with each fact as a field of its own."""
    global _journal
    stream = _Unfailing(sys.stdout)
    if _journal is not None:
        _journal.close()
    own = _journal = journal.JournalLogger(stream.write) if to_journal else None
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty() and not to_journal,
            sort_keys=False,
            pad_event_to=12,
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            # The journal has its own time.
            *([] if to_journal else [structlog.processors.TimeStamper(fmt="iso", utc=False)]),
            _harmless,
            structlog.processors.format_exc_info if style == "json" else _as_it_is,
            journal.facts_apart(renderer) if to_journal else renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=((lambda *_: own) if own else structlog.PrintLoggerFactory(cast("TextIO", stream))),
        cache_logger_on_first_use=False,
    )
    # Libraries that log by the standard module: their warnings, on the same stream.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    # aiosmtpd logs each mail's addresses at INFO and a traceback for every client that goes away.
    logging.getLogger("mail.log").setLevel(logging.ERROR)


def _as_it_is(_logger: Any, _method: str, event_dict: Any) -> Any:
    return event_dict


def _harmless(_logger: Any, _method: str, event_dict: Any) -> Any:
    """What came from outside begins no line of its own, colours nothing and moves no cursor: a reader of the log sees
    each sign that is no letter by its number."""
    return {key: _shown(value) if key != "exc_info" else value for key, value in event_dict.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_letter, value))
    if isinstance(value, dict):
        return {_shown(key): _shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value


def _letter(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
