"""The parent's side of the documents: each job runs in a fresh, walled process that can do no harm to the next.

What a job needs goes into a directory of its own and the answer is read from there, so that nothing but bytes
and JSON ever crosses the border. A worker that dies costs its own document; one that is stopped from outside,
or cannot start, costs a retry.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

from fax_bridge.documents.job import (
    REQUEST,
    STDERR,
    UNSHOWABLE,
    Built,
    Cleaned,
    ConvertedFax,
    Limits,
    Packing,
    PartKind,
    SourcePart,
    TiffPage,
)
from fax_bridge.documents.libreoffice import needs_libreoffice, refuse_what_is_none
from fax_bridge.documents.remains import read_libreoffice, read_reply
from fax_bridge.errors import BridgeError, DocumentRefused, Temporary
from fax_bridge.fax import Paper, Resolution

__all__ = [
    "Built",
    "Cleaned",
    "ConvertedFax",
    "Documents",
    "Limits",
    "Packing",
    "PartKind",
    "SourcePart",
    "TiffPage",
]

_DEFAULT_LIMITS = Limits()
_NOTHING: Mapping[str, str] = MappingProxyType({})
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # each arena of the C library reserves 64 MiB of the address space we are limited to
}
_CHILD, _OFFICE_CHILD = ("fax_bridge.documents.child",), ("fax_bridge.documents.office_child",)
_PREFIX = "fax-bridge-document-"
_UNLOCKED = 30
"""Seconds within which a new directory may not be locked yet."""
_Result = TypeVar("_Result")
_UNPACKING = 10
"""Seconds of processor time; a parser that needs more turns in a ring (the samples took 0.1 at the most)."""


class Documents:
    """Bytes in, bytes out. At most ``max_concurrent`` workers run at once; others wait for their turn.

    Every method raises :class:`DocumentRefused` for what the document brings about (``worker_crashed``,
    ``worker_timeout`` and ``worker_limit`` among its reasons) and :class:`Temporary` where the machine is at
    fault: no process, no space, a worker stopped from outside.
    """

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, max_concurrent: int = 2) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(max_concurrent)
        self._swept = False

    async def build(self, parts: Sequence[SourcePart], *, paper: Paper = Paper.A4) -> Built:
        """All parts, in order, as one PDF.

        Refused with the index of the offending part: ``pdf_password``, ``pdf_broken``, ``pdf_empty``,
        ``pdf_dynamic_form``, ``pdf_portfolio``, ``image_broken``, ``image_too_large``, ``tiff_broken``,
        ``text_undecodable``, ``text_empty``, ``html_empty``, ``html_too_large``, ``office_password``,
        ``office_broken``, ``office_incomplete``, ``office_too_large``, ``unsupported_type``, ``too_many_pages``.
        A picture that is only decoration gets no pages; :attr:`Built.left_out` says why.
        """
        blobs: list[bytes] = []

        def blob(data: bytes) -> str:
            blobs.append(data)
            return str(len(blobs) - 1)

        parts = [await self._from_office(index, part) for index, part in enumerate(parts)]
        described = [
            {
                "kind": part.kind,
                "data": blob(part.data),
                "images": {name: blob(picture) for name, picture in part.images.items()},
                "decoration": part.decoration,
            }
            for part in parts
        ]
        pdf, result = await self._do("build", {"parts": described, "paper": paper}, *blobs)
        return Built(pdf, tuple(result["pages"]), tuple(result["left_out"]))

    async def _from_office(self, index: int, part: SourcePart) -> SourcePart:
        """The part, or the PDF that LibreOffice makes of it, in a process of its own which may start programs."""
        if not needs_libreoffice(part.kind):
            return part
        refuse_what_is_none(part.kind, part.data, index)
        async with self._turns:
            try:
                with _directory_of_a_job() as (directory, stderr):
                    name = f"document.{part.kind}"
                    await _in_thread((directory / name).write_bytes, part.data)
                    module = (*_OFFICE_CHILD, str(directory), str(os.getpid()), name)
                    status = await _run_fresh_process(module, directory, stderr, self._limits.wall_seconds)
                    pdf = await _in_thread(read_libreoffice, directory, index, status)
            except OSError as error:
                raise Temporary(f"no document could be made: {error}") from error
        return replace(part, kind=PartKind.PDF, data=pdf)

    async def unpack(self, data: bytes, packing: Packing) -> bytes:
        """The parts that a packed part holds, as a MIME entity; empty where it holds none.

        Refused: ``packed_broken``, ``mail_encrypted``, ``zip_password``, ``zip_too_large``.
        """
        limits = replace(self._limits, cpu_seconds=min(self._limits.cpu_seconds, _UNPACKING))
        unpacked, _ = await self._do("unpack", {"packing": packing}, data, limits=limits)
        return unpacked

    async def clean_mail(self, html: str, *, without_quoted: bool = False) -> Cleaned:
        """As :meth:`clean_html` with images; ``without_quoted`` first cuts the mail that is quoted in a reply."""
        cleaned, result = await self._do("clean_html", {"images": True, "without_quoted": without_quoted}, _utf8(html))
        return Cleaned(cleaned.decode(), result["cut"], frozenset(result["pictures"]))

    async def clean_html(self, html: str, *, images: bool = False) -> str:
        """A fragment for the body of a page that nothing can be loaded or run from; empty where nothing is left.

        ``images`` keeps those that are named by ``cid:``. The style sheets of a mail are kept as far as they are
        harmless, in one ``<style>`` whose rules reach the fragment only. Refused: ``html_too_large``.
        """
        cleaned, _ = await self._do("clean_html", {"images": images}, _utf8(html))
        return cleaned.decode()

    async def html_to_pdf(self, html: str, *, paper: Paper = Paper.A4) -> bytes:
        """A whole HTML page of ours, or a cleaned one, as it would be printed. Nothing is ever fetched."""
        pdf, _ = await self._do("html_to_pdf", {"paper": paper}, _utf8(html))
        return pdf

    async def tiff_to_pdf(self, tiff: bytes, *, info: Mapping[str, str] = _NOTHING) -> ConvertedFax:
        """A received fax as PDF, pixel for pixel, each page in its true size.

        ``info`` becomes the document's information (``Title``, ``Author``, ``Subject``, ``Keywords``). A page that
        cannot be decoded is replaced by one that says so; refused (``tiff_broken``) only where no page can.
        """
        pdf, result = await self._do("tiff_to_pdf", {"info": dict(info)}, tiff)
        return ConvertedFax(pdf, tuple(TiffPage(**page) for page in result["pages"]), tuple(result["faults"]))

    async def rasterise(
        self, pdf: bytes, *, resolution: Resolution = Resolution.FINE, paper: Paper = Paper.A4
    ) -> bytes:
        """The pages as a fax machine would send them: a G4 TIFF, 1728 pixels wide, one bit a pixel."""
        tiff, _ = await self._do("rasterise", {"resolution": resolution, "paper": paper}, pdf)
        return tiff

    async def picture(self, pdf: bytes, *, page: int = 1, dpi: float = 72) -> bytes:
        """One page, counted from 1, as a grey PNG."""
        png, _ = await self._do("picture", {"page": page, "dpi": dpi}, pdf)
        return png

    async def self_test(self) -> None:
        """Raises :class:`BridgeError` when Turkish letters do not come out of the HTML engine as ink."""
        try:
            await self._do("self_test", {})
        except DocumentRefused as refusal:
            raise BridgeError(
                f"The HTML engine does not work on this machine ({refusal.reason}: {refusal.detail}). "
                "Its fonts or its engine are damaged: install fax-bridge again."
            ) from refusal

    async def _do(
        self, job: str, arguments: dict[str, Any], *blobs: bytes, limits: Limits | None = None
    ) -> tuple[bytes, Any]:
        limits = limits or self._limits
        async with self._turns:
            try:
                if not self._swept:
                    self._swept = True
                    await _in_thread(_sweep)
                with _directory_of_a_job() as (directory, stderr):
                    await _in_thread(_write_request, directory, job, arguments, limits, blobs)
                    status = await _run_fresh_process(
                        (*_CHILD, str(directory), str(os.getpid())), directory, stderr, limits.wall_seconds
                    )
                    return await _in_thread(read_reply, directory, status)
            except OSError as error:
                raise Temporary(f"no document could be made: {error}") from error


def _utf8(text: str) -> bytes:
    return UNSHOWABLE.sub("\ufffd", text).encode()


async def _in_thread(do: Callable[..., _Result], *arguments: Any) -> _Result:
    """File work off the loop; a cancellation waits for it, so that it does not go on in a directory being removed."""
    work = asyncio.ensure_future(asyncio.to_thread(do, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def _run_fresh_process(
    module: Sequence[str], directory: Path, stderr: BinaryIO, wall_seconds: float
) -> int | None:
    """Let a worker do the job in ``directory``; its exit status, or ``None`` if its time ran out.

    Whatever ends the wait, a cancellation too, the worker and all it may have started are gone afterwards.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", *module),
        cwd=directory,
        env=_ENVIRONMENT | {"HOME": str(directory), "TMPDIR": str(directory)},
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


@contextlib.contextmanager
def _directory_of_a_job() -> Iterator[tuple[Path, BinaryIO]]:
    """A directory (mode 0700) and the worker's standard error in it, whose lock says that the job is alive."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, (Path(name) / STDERR).open("wb") as stderr:
        fcntl.flock(stderr, fcntl.LOCK_EX)
        yield Path(name), stderr


def _sweep() -> None:
    """Remove what a daemon that was killed outright left behind: documents of people, in a directory for all."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = directory.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _UNLOCKED and not _is_alive(directory):
                shutil.rmtree(directory)


def _is_alive(directory: Path) -> bool:
    """Whether the job's parent, or its worker, still holds the lock."""
    try:
        with (directory / STDERR).open("rb") as stderr:
            fcntl.flock(stderr, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _write_request(
    directory: Path, job: str, arguments: dict[str, Any], limits: Limits, blobs: Sequence[bytes]
) -> None:
    for index, data in enumerate(blobs):
        (directory / str(index)).write_bytes(data)
    request = {"job": job, "limits": asdict(limits), "arguments": arguments}
    (directory / REQUEST).write_text(json.dumps(request), encoding="utf-8")
