"""The parent's side of LibreOffice: a process for each file, which becomes another program and so cannot be forked.

Its walls are its own (:mod:`fax_bridge.documents.office_child`): it may start processes, and sockets between them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from fax_bridge.documents.fork_client import ENVIRONMENT
from fax_bridge.documents.job import PartKind
from fax_bridge.documents.job_directory import OwnDirectory, off_loop, read_plain
from fax_bridge.documents.libreoffice import MADE, NOT_INSTALLED, refuse_what_is_none
from fax_bridge.errors import DocumentRefused, Temporary


async def pdf_of(kind: PartKind, data: bytes, index: int, wall_seconds: float) -> bytes:
    """What LibreOffice makes of part ``index``. Raises :class:`DocumentRefused` and :class:`Temporary`."""
    refuse_what_is_none(kind, data, index)
    directory = OwnDirectory("office-")
    try:
        stderr = await off_loop(directory.make)
        name = f"document.{kind}"
        await off_loop((directory.path / name).write_bytes, data)
        status = await _run(directory.path, name, stderr, wall_seconds)
        return await off_loop(_made, directory, index, status)
    except OSError as error:
        raise Temporary(f"no document could be made: {error}") from error
    finally:
        if directory.is_there:
            await off_loop(directory.remove)


async def _run(directory: Path, name: str, stderr: BinaryIO, wall_seconds: float) -> int | None:
    """Its exit status, or ``None`` if its time ran out.

    Whatever ends the wait, a cancellation too, it and all it may have started are gone afterwards.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "fax_bridge.documents.office_child", str(directory), str(os.getpid()), name),
        cwd=directory,
        env=ENVIRONMENT | {"HOME": str(directory), "TMPDIR": str(directory)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(wall_seconds):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _made(directory: OwnDirectory, index: int, status: int | None) -> bytes:
    """LibreOffice ends well where it made nothing, too."""
    if status is None:
        raise DocumentRefused(index, "worker_timeout", "no end within the allowed time")
    if status == NOT_INSTALLED:
        raise DocumentRefused(index, "unsupported_type", "LibreOffice is not installed")
    try:
        return read_plain(directory.path / MADE)
    except FileNotFoundError as error:
        raise DocumentRefused(index, "office_broken", directory.last_words() or f"exit status {status}") from error
    except ValueError as error:
        raise DocumentRefused(index, "worker_crashed", str(error)) from error
