"""The daemon's side of the fork server: start it, give it jobs, hear how they ended.

Only the start holds up the loop.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Self

from fax_bridge.documents.fork_server import News, Order
from fax_bridge.documents.job_directory import OwnDirectory
from fax_bridge.errors import Temporary

ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # each arena of the C library reserves 64 MiB of the address space we are limited to
}
_START = 60.0
"""Seconds until the fork server must be ready: a hundred times what it needs."""
_PATIENCE = 10.0
"""Seconds within which a fork server must have killed a worker, or have ended, before it is killed itself."""
_OF_LIMITS = {signal.SIGKILL, signal.SIGXCPU}
"""Deaths of a worker that are no crash."""


class ForkServer:
    """One that runs. It ends with this process at the latest, and all its workers with it."""

    def __init__(self, process: asyncio.subprocess.Process, home: OwnDirectory) -> None:
        self._process = process
        self._home = home
        self._ready = asyncio.get_running_loop().create_future()
        self._jobs: dict[str, asyncio.Future[int]] = {}
        self._worn = False
        self._listener = asyncio.create_task(self._listen(), name="fork server")

    @classmethod
    async def start(cls) -> Self:
        """Raises :class:`Temporary`, with its last words, if it does not become ready, ``OSError`` if there is none."""
        home = OwnDirectory("server-")
        try:
            stderr = home.make()
            # The loop stands still here until the new process has taken off, 10 to 40 ms under load. That is why
            # it is done once and not for each job.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "fax_bridge.documents.fork_server", str(home.path), str(os.getpid())),
                cwd=home.path,
                env=ENVIRONMENT | {"HOME": str(home.path), "TMPDIR": str(home.path)},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except BaseException:
            home.remove()
            raise
        server = cls(process, home)
        try:
            async with asyncio.timeout(_START):
                await server._ready
        except BaseException as error:
            server._kill()
            await server.close()
            if isinstance(error, TimeoutError):
                raise Temporary(f"the converter cannot start: not ready within {_START:.0f} seconds") from error
            raise
        return server

    @property
    def serves(self) -> bool:
        """Whether it may be given a job.

        One that died may not. Neither may one whose worker crashed, as soon as nothing else is in hand: all its
        workers have the same layout in memory and the same guards against attacks on it, and whoever made one
        crash may have learnt something about them.
        """
        return not self._listener.done() and not (self._worn and not self._jobs)

    @property
    def is_idle(self) -> bool:
        return not self._jobs

    async def run(self, directory: Path, wall_seconds: float) -> int | None:
        """Let a worker do the job in ``directory``; its exit status, or ``None`` if its time ran out.

        Whatever ends the wait, a cancellation too, the worker and all it may have started are gone afterwards.
        Raises :class:`Temporary` if the fork server cannot fork, or dies.
        """
        if self._listener.done():
            raise Temporary("the fork server is gone")
        job = str(directory)
        ended = self._jobs[job] = asyncio.get_running_loop().create_future()
        ended.add_done_callback(lambda _: self._jobs.pop(job))
        self._order(Order.WORK, job)
        try:
            async with asyncio.timeout(wall_seconds):
                return await asyncio.shield(ended)
        except TimeoutError:
            return None
        finally:
            if not ended.done():
                self._order(Order.KILL, job)
                await asyncio.wait([ended], timeout=_PATIENCE)
            if not ended.done():  # the fork server itself stands still; its workers die with it
                self._kill()
                await asyncio.wait([ended])
            ended.exception()  # was looked at

    async def close(self) -> None:
        """End it, and what it has in hand."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await asyncio.wait([self._listener], timeout=_PATIENCE)
        if not self._listener.done():
            self._kill()
            await asyncio.wait([self._listener])
        await asyncio.to_thread(self._home.remove)

    async def _listen(self) -> None:
        """Hand on the news, until it is gone."""
        try:
            while self._process.stdout is not None and (line := await self._process.stdout.readline()):
                self._hear(*json.loads(line))
        except (ValueError, LookupError, TypeError):  # a line that was cut off by its death, or nonsense
            self._kill()
        gone = Temporary(f"the fork server is gone, exit status {await self._process.wait()}")
        if not self._ready.done():
            words = await asyncio.to_thread(self._home.last_words)
            self._ready.set_exception(Temporary(f"the converter cannot start: {words or gone}"))
        for ended in self._jobs.values():
            if not ended.done():
                ended.set_exception(gone)

    def _hear(self, news: str, job: str = "", told: int | str = 0) -> None:
        if news == News.READY:
            if not self._ready.done():  # nobody waits any more
                self._ready.set_result(None)
            return
        ended = self._jobs[job]
        if isinstance(told, int):
            self._worn |= told < 0 and -told not in _OF_LIMITS
            ended.set_result(told)
        else:
            ended.set_exception(Temporary(f"the converter cannot start: {told}"))

    def _order(self, order: Order, job: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps([order, job]).encode() + b"\n")

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
