"""A job's directory, by which parent and worker speak: request and bytes in, reply and bytes out.

Nothing but bytes and JSON ever crosses the border, and what lies here after a worker's death tells whose fault it
was. All of this is file work, to be done off the loop.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fax_bridge.documents.child import OUT_OF_MEMORY
from fax_bridge.documents.job import IN_HAND, OUTPUT, REPLY, REQUEST, STDERR, Limits
from fax_bridge.errors import BridgeError, DocumentRefused, Temporary

Result = TypeVar("Result")
_FROM_OUTSIDE = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Deaths that no document can cause: the service manager's and a person's."""
_PREFIX = "fax-bridge-document-"
_UNLOCKED = 30
"""Seconds within which a new directory may not be locked yet."""
_DETAIL = 500
"""Characters of the engine's own words that are kept."""


async def off_loop(do: Callable[..., Result], *arguments: Any) -> Result:
    """File work in a thread; a cancellation waits for it, so that it does not go on in a directory being removed."""
    work = asyncio.ensure_future(asyncio.to_thread(do, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


class OwnDirectory:
    """A directory (mode 0700) and a process's standard error in it, whose lock says that somebody needs it."""

    def __init__(self, purpose: str) -> None:
        self._prefix = _PREFIX + purpose
        self.path = Path()
        self._made: tempfile.TemporaryDirectory[str] | None = None
        self._stderr: BinaryIO | None = None

    def make(self) -> BinaryIO:
        """Make it, and hand out the standard error."""
        self._made = tempfile.TemporaryDirectory(prefix=self._prefix, ignore_cleanup_errors=True)
        self.path = Path(self._made.name)
        self._stderr = (self.path / STDERR).open("w+b")
        fcntl.flock(self._stderr, fcntl.LOCK_SH)
        return self._stderr

    def last_words(self) -> str:
        """The end of what was written to standard error, on one line."""
        try:
            text = read_plain(self.path / STDERR)[-4096:].decode("utf-8", "replace")
        except (OSError, ValueError):  # somebody put something else in its place
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " ".join(lines)[-_DETAIL:] if len(lines) < 3 else lines[-1][:_DETAIL]

    @property
    def is_there(self) -> bool:
        return self._made is not None

    def remove(self) -> None:
        """Safe to call at any time. A worker that is being killed may still write; that takes it milliseconds."""
        if self._stderr is not None:
            self._stderr.close()
        for _ in range(100):
            if self._made is None:
                return
            self._made.cleanup()
            if self.path.exists():
                time.sleep(0.01)
            else:
                self._made = None


class JobDirectory(OwnDirectory):
    """The directory of one job."""

    def __init__(self) -> None:
        super().__init__("")

    def lay_out(self, job: str, arguments: dict[str, Any], limits: Limits, blobs: Sequence[bytes]) -> None:
        """Make the directory, with all that the worker needs."""
        self.make()
        for index, data in enumerate(blobs):
            (self.path / str(index)).write_bytes(data)
        request = {"job": job, "limits": asdict(limits), "arguments": arguments}
        (self.path / REQUEST).write_text(json.dumps(request), encoding="utf-8")

    def take_reply(self, status: int | None) -> tuple[bytes, Any]:
        """What the worker that ended with ``status`` has to say; ``None``: its time ran out. The directory goes.

        Raises :class:`DocumentRefused` and :class:`Temporary`.
        """
        try:
            return self._reply(status)
        finally:
            self.remove()

    def _reply(self, status: int | None) -> tuple[bytes, Any]:
        if status != os.EX_OK:
            raise self._cause_of_death(status)
        try:
            answer = json.loads(read_plain(self.path / REPLY))
            if "refused" not in answer:
                return read_plain(self.path / OUTPUT), answer["result"]
            part, reason, detail = int(answer["refused"][0]), str(answer["refused"][1]), str(answer["refused"][2])
        except (ValueError, LookupError, TypeError) as error:
            raise DocumentRefused(0, "worker_crashed", f"unreadable reply: {error}") from error
        raise DocumentRefused(part, reason, detail[:_DETAIL])

    def _cause_of_death(self, status: int | None) -> BridgeError:
        words = self.last_words()
        in_hand = self.path / IN_HAND
        if status is not None and -status in _FROM_OUTSIDE:
            return Temporary(f"the converter was stopped from outside by {signal.Signals(-status).name}")
        if not in_hand.exists():
            return Temporary(f"the converter cannot start: {words or f'exit status {status}'}")
        part = int(read_plain(in_hand) or 0)
        if status is None:
            return DocumentRefused(part, "worker_timeout", "no end within the allowed time")
        if status == -signal.SIGXCPU:
            return DocumentRefused(part, "worker_timeout", "more processor time than allowed")
        if status == -signal.SIGKILL:  # the kernel's: the machine had no memory left, or the hard limit was reached
            return DocumentRefused(part, "worker_limit", "killed by the system, most likely for want of memory")
        if status == OUT_OF_MEMORY or any(sign in words for sign in ("bad_alloc", "memory", "File too large")):
            return DocumentRefused(part, "worker_limit", words)
        death = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return DocumentRefused(part, "worker_crashed", f"{death} {words}".rstrip())


def sweep() -> None:
    """Remove what a daemon that was killed outright left behind: documents of people, in a directory for all."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = directory.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _UNLOCKED and not _is_alive(directory):
                shutil.rmtree(directory)


def _is_alive(directory: Path) -> bool:
    """Whether the parent, or the process that works there, still holds the lock."""
    try:
        with (directory / STDERR).open("r+b") as stderr:
            fcntl.flock(stderr, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def read_plain(path: Path) -> bytes:
    """A plain file's bytes. A worker in a stranger's hands may have left a link to a file of ours, or a pipe."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path.name} is no plain file")
        return file.read()
