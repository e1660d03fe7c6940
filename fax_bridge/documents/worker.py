"""The parent's side of the documents: each job runs in a walled process of its own that can do no harm to the next.

A worker that dies costs its own document; one that is stopped from outside, or cannot start, costs a retry.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Self

from fax_bridge.documents.fork_client import ForkServer
from fax_bridge.documents.job import (
    UNSHOWABLE,
    Built,
    Cleaned,
    ConvertedFax,
    Limits,
    Packing,
    PartKind,
    Rastered,
    SourcePart,
    TiffPage,
)
from fax_bridge.documents.job_directory import JobDirectory, off_loop, sweep
from fax_bridge.documents.libreoffice import needs_libreoffice
from fax_bridge.documents.office_process import pdf_of
from fax_bridge.errors import BridgeError, DocumentRefused, Temporary
from fax_bridge.fax import PageFacts, Paper, Resolution

__all__ = [
    "Built",
    "Cleaned",
    "ConvertedFax",
    "Documents",
    "Limits",
    "Packing",
    "PartKind",
    "Rastered",
    "SourcePart",
    "TiffPage",
]

_DEFAULT_LIMITS = Limits()
_NOTHING: Mapping[str, str] = MappingProxyType({})
_IDLE = 60.0
"""Seconds without a job after which the fork server ends: 50 MB, for 0.4 s at the next job."""
_UNPACKING = 10
"""Seconds of processor time; a parser that needs more turns in a ring (the samples took 0.1 at the most)."""


class Documents:
    """Bytes in, bytes out. At most ``max_concurrent`` workers run at once; others wait for their turn.

    Every method raises :class:`DocumentRefused` for what the document brings about (``worker_crashed``,
    ``worker_timeout`` and ``worker_limit`` among its reasons) and :class:`Temporary` where the machine is at
    fault: no process, no space, a worker stopped from outside. The first job starts the fork server, which takes
    the time of an interpreter's start and its imports; :meth:`close`, or the end of the block, ends it.
    """

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, max_concurrent: int = 2, idle: float = _IDLE) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(max_concurrent)
        self._starting = asyncio.Lock()
        self._server: ForkServer | None = None
        self._idle = idle
        self._timer: asyncio.TimerHandle | None = None
        self._resting: asyncio.Task[None] | None = None
        self._swept = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """No process of ours is left afterwards; a job in hand ends as :class:`Temporary`."""
        self._stay()
        if self._resting is not None:
            await self._resting
        await self._end_server()

    async def _end_server(self, *, only_idle: bool = False) -> None:
        async with self._starting:
            if self._server is not None and (self._server.is_idle or not only_idle):
                server, self._server = self._server, None
                await server.close()

    def _stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _rest_later(self) -> None:
        self._stay()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self._rest)

    def _rest(self) -> None:
        self._resting = asyncio.create_task(self._end_server(only_idle=True), name="fork server at rest")

    async def build(
        self, parts: Sequence[SourcePart], *, paper: Paper = Paper.A4, resolution: Resolution | None = None
    ) -> Built:
        """All parts, in order, as one PDF; with a ``resolution``, what can be told of its pages when sent at it.

        Refused with the index of the offending part: ``pdf_password``, ``pdf_broken``, ``pdf_empty``,
        ``pdf_dynamic_form``, ``pdf_portfolio``, ``image_broken``, ``image_too_large``, ``tiff_broken``,
        ``text_undecodable``, ``text_empty``, ``html_empty``, ``html_too_large``, ``office_password``,
        ``office_broken``, ``office_incomplete``, ``office_too_large``, ``unsupported_type``, ``too_many_pages``,
        ``letters_missing`` (with the letters in its detail).
        A picture that is only decoration gets no pages; :attr:`Built.left_out` says why.
        """
        blobs: list[bytes] = []

        def blob(data: bytes) -> str:
            blobs.append(data)
            return str(len(blobs) - 1)

        by_libreoffice = [needs_libreoffice(part.kind) for part in parts]
        parts = [await self._from_office(index, part) for index, part in enumerate(parts)]
        described = [
            {
                "kind": part.kind,
                "data": blob(part.data),
                "images": {name: blob(picture) for name, picture in part.images.items()},
                "decoration": part.decoration,
                "by_libreoffice": converted,
            }
            for part, converted in zip(parts, by_libreoffice, strict=True)
        ]
        pdf, result = await self._do("build", {"parts": described, "paper": paper, "resolution": resolution}, *blobs)
        return Built(pdf, tuple(result["pages"]), tuple(result["left_out"]), tuple(result["boxes"]), _facts(result))

    async def _from_office(self, index: int, part: SourcePart) -> SourcePart:
        """The part, or the PDF that LibreOffice makes of it, in a process of its own which may start programs."""
        if not needs_libreoffice(part.kind):
            return part
        async with self._turns:
            pdf = await pdf_of(part.kind, part.data, index, self._limits.wall_seconds)
        return replace(part, kind=PartKind.PDF, data=pdf)

    async def unpack(self, data: bytes, packing: Packing) -> bytes:
        """The parts that a packed part holds, as a MIME entity; empty where it holds none.

        Refused: ``packed_broken``, ``mail_encrypted``, ``zip_password``, ``zip_too_large``.
        """
        limits = replace(self._limits, cpu_seconds=min(self._limits.cpu_seconds, _UNPACKING))
        unpacked, _ = await self._do("unpack", {"packing": packing}, data, limits=limits)
        return unpacked

    async def clean_mail(self, html: str, *, without_quoted: bool = False, without_signature: bool = False) -> Cleaned:
        """As :meth:`clean_html` with images; first the mail that is quoted in a reply is cut, and the signature."""
        wanted = {"images": True, "without_quoted": without_quoted, "without_signature": without_signature}
        cleaned, result = await self._do("clean_html", wanted, _utf8(html))
        pictures = {cid: kind for kind in ("signature", "quoted") for cid in result[f"{kind}_pictures"]}
        return Cleaned(cleaned.decode(), result["quoted"], result["signature"], pictures)

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

    async def boxes_in(self, html: str) -> str:
        """The symbols of a cleaned fragment that :meth:`html_to_pdf` would draw as boxes, by name; mostly empty.

        Refused: ``letters_missing``.
        """
        _, boxes = await self._do("letters", {}, _utf8(html))
        return str(boxes)

    async def tiff_to_pdf(self, tiff: bytes, *, info: Mapping[str, str] = _NOTHING) -> ConvertedFax:
        """A received fax as PDF, pixel for pixel, each page in its true size.

        ``info`` becomes the document's information (``Title``, ``Author``, ``Subject``, ``Keywords``,
        ``CreationDate``). Lines that cannot be read are left white and counted, a page of which none can is replaced
        by one that says so; refused (``tiff_broken``, ``too_many_pages``) only where no page can be shown.
        """
        pdf, result = await self._do("tiff_to_pdf", {"info": dict(info)}, tiff)
        return ConvertedFax.of_reply(pdf, result)

    async def rasterise(
        self, pdf: bytes, *, resolution: Resolution = Resolution.FINE, paper: Paper = Paper.A4
    ) -> bytes:
        """The pages as a fax machine would send them: a G4 TIFF, 1728 pixels wide, one bit a pixel."""
        tiff, _ = await self._do("rasterise", {"resolution": resolution, "paper": paper}, pdf)
        return tiff

    async def raster_pdf(
        self, pdf: bytes, *, resolution: Resolution = Resolution.FINE, paper: Paper = Paper.A4
    ) -> Rastered:
        """The same pages as a PDF that holds each as the picture of 1728 pixels a line that a fax machine sends."""
        raster, result = await self._do("raster_pdf", {"resolution": resolution, "paper": paper}, pdf)
        return Rastered(raster, _facts(result))

    async def picture(self, pdf: bytes, *, page: int = 1, dpi: float = 72) -> bytes:
        """One page, counted from 1, as a grey PNG."""
        png, _ = await self._do("picture", {"page": page, "dpi": dpi}, pdf)
        return png

    async def marks(self, pdf: bytes) -> int | None:
        """The number that :mod:`fax_bridge.documents.marks` drew on its first page; ``None``, or some number, where
        none was drawn.
        """
        _, number = await self._do("marks", {}, pdf)
        return None if number is None else int(number)

    async def fax_pictures(
        self, pdf: bytes, *, pages: int = 1, resolution: Resolution = Resolution.FINE, paper: Paper = Paper.A4
    ) -> tuple[bytes, ...]:
        """Up to so many of the first pages, as a fax machine would send them, each as a small grey PNG."""
        arguments = {"pages": pages, "resolution": resolution, "paper": paper}
        pictures, sizes = await self._do("fax_pictures", arguments, pdf)
        starts = [sum(sizes[:number]) for number in range(len(sizes))]
        return tuple(pictures[start : start + size] for start, size in zip(starts, sizes, strict=True))

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
            self._stay()
            directory = JobDirectory()
            try:
                await off_loop(directory.lay_out, job, arguments, limits, blobs)
                server = await self._fork_server()
                status = await server.run(directory.path, limits.wall_seconds)
                return await off_loop(directory.take_reply, status)
            except OSError as error:
                raise Temporary(f"no document could be made: {error}") from error
            finally:
                self._rest_later()
                if directory.is_there:
                    await off_loop(directory.remove)

    async def _fork_server(self) -> ForkServer:
        """The one that runs, or a new one in the place of one that died or must not go on."""
        async with self._starting:
            if not self._swept:
                self._swept = True
                await off_loop(sweep)
            if self._server is not None and not self._server.serves:
                await self._server.close()
                self._server = None
            if self._server is None:
                self._server = await ForkServer.start()
            return self._server


def _facts(result: Mapping[str, Any]) -> tuple[PageFacts, ...]:
    return tuple(PageFacts(**page) for page in result["facts"])


def _utf8(text: str) -> bytes:
    return UNSHOWABLE.sub("\ufffd", text).encode()
