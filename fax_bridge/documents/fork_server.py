"""The fork server: ``python -I -m fax_bridge.documents.fork_server DIRECTORY PARENT`` makes the workers.

It loads the engines once, which takes a fresh interpreter 100 ms or more, and then forks a worker for each job.
It sees no document and starts no thread, so that every worker begins in the same clean state. The standard
library's fork server (multiprocessing) would bring the daemon's environment along and block its loop.

Orders come as lines of JSON on standard input and news leave on standard output; when the input ends, so does it.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from enum import StrEnum
from pathlib import Path

from fax_bridge.documents import child
from fax_bridge.documents.jail import die_with

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FORMATS = ("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.TiffImagePlugin")
"""Without the last, Pillow loads all its forty formats in a worker that writes its first TIFF: 50 ms and more."""
_PAGE = "".join(
    f'<p style="font-family: {family}">ğ <b>ş</b>' for family in ("Arial", "Times New Roman", "Courier New")
)


class Order(StrEnum):
    """Each stands before the directory of the job."""

    WORK = "work"
    KILL = "kill"


class News(StrEnum):
    """``READY`` comes first, alone; the others stand before the directory of the job."""

    READY = "ready"
    ENDED = "ended"
    """Followed by the exit status, negative for a signal."""
    NOT_STARTED = "not started"
    """Followed by the reason."""


class Server:
    """``common`` may be read by all workers."""

    def __init__(self, common: Path) -> None:
        self._common = common
        self._pid = os.getpid()
        self._orders, self._news = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)  # an engine that prints must not print news
        os.close(null)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)
        self._workers: dict[int, str] = {}

    def serve(self) -> None:
        """Until there can be no more orders; then everything in hand is killed."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # SIG_DFL would not wake
        self._tell(News.READY)
        begun = b""
        while True:
            ready, _, _ = select.select([self._orders, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self._orders in ready:
                read = os.read(self._orders, 1 << 16)
                if not read:
                    break
                *lines, begun = (begun + read).split(b"\n")
                for line in lines:
                    self._obey(*json.loads(line))
        for worker in self._workers:
            _kill(worker)
        for worker in self._workers:
            os.waitpid(worker, 0)

    def _obey(self, order: str, directory: str) -> None:
        if order == Order.KILL:
            for worker in [worker for worker, its in self._workers.items() if its == directory]:
                _kill(worker)
            return
        try:
            worker = os.fork()
        except OSError as error:
            self._tell(News.NOT_STARTED, directory, str(error))
            return
        if worker == 0:
            self._become_worker(Path(directory))
        self._workers[worker] = directory

    def _become_worker(self, directory: Path) -> None:
        """Does not return."""
        status = child.BUG
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._orders, self._news, self._woken, self._wake):
                os.close(descriptor)
            status = child.main(directory, self._common, self._pid)
        except BaseException:  # noqa: BLE001 — nothing may go on as if it were the fork server
            traceback.print_exc()
        finally:
            os._exit(status)  # without the engines' own farewells, which have nothing to save and can only crash

    def _reap(self) -> None:
        while self._workers:
            worker, status = os.waitpid(-1, os.WNOHANG)
            if worker == 0:
                return
            self._tell(News.ENDED, self._workers.pop(worker), os.waitstatus_to_exitcode(status))

    def _tell(self, *news: str | int) -> None:
        os.write(self._news, json.dumps(news).encode() + b"\n")


def _kill(worker: int) -> None:
    """With all that it may have started. It was not reaped yet, so the number is still its own."""
    with contextlib.suppress(ProcessLookupError):  # it may have no group yet
        os.killpg(worker, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)


def _load() -> None:
    """All that any job needs, and a page of ours laid out, upon which the fonts are known: 20 ms of each other page.

    Raises :class:`RuntimeError` if that started a thread: of a process with threads only a part is forked.
    """
    for module in (*child.JOBS.values(), *_FORMATS):
        importlib.import_module(module)
    from fax_bridge.documents.html import render  # not above: the daemon knows this module, and needs no engine
    from fax_bridge.fax import Paper

    render(_PAGE, paper=Paper.A4, most_pages=1)
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("an engine started a thread when it was loaded")


def main(directory: Path, parent: int) -> None:
    # A stop of the service reaches every process of its unit; the parent decides what becomes of a job in hand.
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    die_with(parent)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what a library of the parent's left open to its children
    server = Server(directory)
    gc.disable()
    _load()
    gc.freeze()  # a worker's collector must not touch, and so copy, what they all share
    server.serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    os._exit(os.EX_OK)
