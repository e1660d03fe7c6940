"""``fax-bridge`` that dies between two steps: ``python -m tests.chaos.steps LEASE_MS POINT … -- serve --config FILE``.

Each point is one life. The daemon is imported once and forked for each of them; a life that died at its point is
followed by the next one, and the last one, which has no point, goes on until SIGTERM. Production code has no hook:
the public calls named in :data:`STEPS` are wrapped here.

``before:STEP`` dies when the step is called: inside its transaction, of which nothing is committed. ``after:STEP`` dies
once the database has said that it is committed, before anybody in the daemon hears of it; for a step that is no
database work, once it has been done. ``:3`` behind it means its third call in that life.
"""

import ctypes
import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from sqlalchemy.engine.default import DefaultDialect

from fax_bridge.cli import main
from fax_bridge.documents.worker import Documents
from fax_bridge.store import intake, worker

STORE = "fax_bridge.store."

STEPS: dict[str, tuple[str, str]] = {
    "spool.write": (STORE + "spool", "SpooledMail.write"),
    "spool.sync": (STORE + "spool", "SpooledMail.sync"),
    "intake.stage": (STORE + "intake", "stage"),
    "intake.accept": (STORE + "intake", "accept"),
    "intake.let_go": (STORE + "intake", "let_go"),
    "messages.prepared": (STORE + "messages", "prepared"),
    "messages.refused": (STORE + "messages", "refused"),
    "messages.reported": (STORE + "messages", "reported"),
    "messages.previewed": (STORE + "messages", "previewed"),
    "notices.told": (STORE + "notices", "told"),
    "distribution.add": (STORE + "distribution", "add"),
    "quota.charge": (STORE + "quota", "charge"),
    "audit.record": (STORE + "audit", "record"),
    "faxes.held_as": (STORE + "faxes", "held_as"),
    "faxes.submitting": (STORE + "faxes", "submitting"),
    "faxes.accepted": (STORE + "faxes", "accepted"),
    "faxes.retried": (STORE + "faxes", "retried"),
    "faxes.refused": (STORE + "faxes", "refused"),
    "faxes.lost": (STORE + "faxes", "lost"),
    "faxes.promise_due": (STORE + "faxes", "promise_due"),
    "faxes.take_status": (STORE + "faxes", "take_status"),
    "pushes.journal": (STORE + "pushes", "journal"),
    "pushes.take_received": (STORE + "pushes", "take_received"),
    "pushes.worked_through": (STORE + "pushes", "worked_through"),
    "pushes.converted": (STORE + "pushes", "converted"),
    "pushes.ended": (STORE + "pushes", "ended"),
    "pushes.to_fallback": (STORE + "pushes", "to_fallback"),
    "bounces.take": (STORE + "bounces", "take"),
    "deliveries.put": (STORE + "deliveries", "put"),
    "deliveries.tried": (STORE + "deliveries", "tried"),
    "sinks.lay_down": ("fax_bridge.fax_to_email.sinks", "lay_down"),
    "outbox.put": (STORE + "outbox", "put"),
    "outbox.tried": (STORE + "outbox", "tried"),
    "client.send": ("fax_bridge.faxmax.client", "Client.send"),
    "relay.send": ("fax_bridge.mail.relay", "Relay.send"),
}
"""Where each step is found: its module, and its name there. Most are coroutine functions."""

DEEDS = frozenset({"spool.write", "spool.sync", "client.send", "relay.send", "sinks.lay_down"})
"""Those that are no part of a transaction."""


@dataclass(frozen=True, slots=True)
class Point:
    when: Literal["before", "after"]
    step: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.when}:{self.step}:{self.count}"

    @classmethod
    def read(cls, text: str) -> "Point":
        when, step, count = text.split(":")
        return cls(cast("Literal['before', 'after']", when), step, int(count))

    @property
    def commits(self) -> bool:
        """Whether the step is a part of a transaction, and not a deed of its own."""
        return self.step not in DEEDS


def arm(point: Point) -> None:
    """Wrap the step in this process, so that it ends there."""
    module, name = STEPS[point.step]
    *within, name = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in within:
        owner = getattr(owner, part)
    step: Callable[..., Any] = getattr(owner, name)
    calls = 0
    done = False

    def begin() -> bool:
        nonlocal calls
        calls += 1
        is_it = calls == point.count  # now: another one may be called while this one is under way
        if is_it and point.when == "before":
            _die(point)
        return is_it

    def end(is_it: bool) -> None:
        nonlocal done
        done = done or is_it
        if done and not point.commits:
            _die(point)

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        is_it = begin()
        value = await step(*args, **kwargs)
        end(is_it)
        return value

    def called(*args: Any, **kwargs: Any) -> Any:
        is_it = begin()
        value = step(*args, **kwargs)
        end(is_it)
        return value

    do_commit: Callable[[DefaultDialect, Any], None] = DefaultDialect.do_commit

    def committed(self: DefaultDialect, connection: Any) -> None:
        do_commit(self, connection)
        # There is one writer: what is committed next after the step is the transaction that it was a part of.
        if done:
            _die(point)

    setattr(owner, name, awaited if inspect.iscoroutinefunction(step) else called)
    if point.when == "after" and point.commits:
        DefaultDialect.do_commit = committed  # type: ignore[method-assign]  # wrapped, as everything here


def _die(point: Point) -> NoReturn:
    _tell("dying", point)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process survived SIGKILL")


def _tell(word: str, point: Point | None) -> None:
    """In the form of the daemon's own events, in one write, for its descriptor is shared."""
    os.write(1, json.dumps({"event": word, "level": "info", "id": str(point or "-")}).encode() + b"\n")


def _live(point: Point | None) -> int:
    """Fork a daemon, see it end; its exit status, negative for a signal."""
    _tell("life", point)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with(parent)
        if point:
            arm(point)
        main()
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _end_with(parent: int) -> None:
    """Nobody outlives its test: a parent's death kills this process too (prctl(2), PR_SET_PDEATHSIG)."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


async def _tested_before(_documents: Documents) -> None:
    """Fifty starts of one program in a row would find the converters fifty times as they were."""


def lives(points: list[Point]) -> int:
    Documents.self_test = _tested_before  # type: ignore[assignment, method-assign]  # it is half of the time that a start takes
    for point in points:
        status = _live(point)
        if status != -signal.SIGKILL:
            sys.stdout.write(f"the daemon was to die {point}, and ended with {status}\n")
            return 1
    return _live(None)


if __name__ == "__main__":
    worker.LEASE_MS = intake.GUARD_MS = int(sys.argv[1])
    here = sys.argv.index("--")
    wanted = [Point.read(text) for text in sys.argv[2:here]]
    sys.argv[1:] = sys.argv[here + 1 :]
    sys.exit(lives(wanted))
