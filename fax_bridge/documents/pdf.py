"""PDFs from strangers become pages of ours: repaired, unlocked where no password is asked, forms made visible.

Only pages are copied: scripts, attachments, opening actions and links stay behind, and so do the fields of a
form, whose values are drawn onto the page first.
"""

import io
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import pikepdf
from pikepdf import Array, Dictionary, Name, Object

from fax_bridge.documents.form import draw_values
from fax_bridge.documents.layers import hidden_layers, list_layers
from fax_bridge.documents.pdfium import through_pdfium
from fax_bridge.documents.sheet import put_on_paper
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper

_BROKEN = (pikepdf.PdfError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, OverflowError)
"""What pikepdf raises over objects that are not what they should be."""
_LEFT_BEHIND = (
    *("/AA", "/B", "/Metadata", "/PieceInfo", "/Thumb", "/Tabs", "/StructParents", "/PresSteps", "/Trans", "/Dur"),
    *("/AF", "/ID", "/TemplateInstantiated", "/VP"),
)
_DRAWN = {
    Name(name)
    for name in (
        *("/FreeText", "/Line", "/Square", "/Circle", "/Polygon", "/PolyLine", "/Highlight", "/Underline", "/Squiggly"),
        *("/StrikeOut", "/Stamp", "/Ink"),
    )
}
"""Annotations that a reader draws by itself when they bring no appearance (ISO 32000-1 §12.5.5)."""
_PRINTS = 4
"""The annotation flag that says so (§12.5.3)."""


class Merger:
    """Joins PDFs page by page into one, each page on a sheet of ``paper``."""

    def __init__(self, most_pages: int, paper: Paper) -> None:
        self._most_pages = most_pages
        self._paper = paper
        self._pdf = pikepdf.new()
        self._sources = ExitStack()
        self._layers: list[Object] = []
        self._hidden: list[Object] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pdf.close()
        self._sources.close()

    def add(self, data: bytes) -> int:
        """Append all pages of a PDF and return their number.

        Refused: ``pdf_password``, ``pdf_broken``, ``pdf_empty``, ``pdf_dynamic_form``, ``pdf_portfolio``,
        ``too_many_pages``.
        """
        try:
            return self._add(data)
        except pikepdf.PasswordError as error:
            raise DocumentRefused(0, "pdf_password", str(error)) from error
        except _BROKEN as error:
            first = f"{type(error).__name__}: {error}"
        try:  # PDFium reads some that qpdf does not (rings in the page tree, odd objects)
            return self._add(through_pdfium(data, most_pages=self._most_pages), is_copy=True)
        except _BROKEN as error:
            raise DocumentRefused(0, "pdf_broken", first) from error

    def finished(self) -> bytes:
        """The joined document; the same parts give the same bytes."""
        list_layers(self._pdf, self._layers, self._hidden)
        out = io.BytesIO()
        self._pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
        return out.getvalue()

    def _add(self, data: bytes, *, is_copy: bool = False) -> int:
        source = self._sources.enter_context(pikepdf.open(io.BytesIO(data)))
        _refuse_what_lost_something(source)
        if is_copy:
            _refuse_lost_layers(source)
        _refuse_what_shows_nothing(source)
        count = len(source.pages)
        if not count:
            raise DocumentRefused(0, "pdf_empty")
        if len(self._pdf.pages) + count > self._most_pages:
            raise DocumentRefused(0, "too_many_pages", f"more than {self._most_pages} pages")
        draw_values(source)
        source.flatten_annotations("print")
        if Name.AcroForm in source.Root:
            del source.Root.AcroForm
        _read_through(source)
        for page in source.pages:
            _strip(page)
        layers, hidden = hidden_layers(source)
        before = len(self._pdf.pages)
        try:
            self._pdf.pages.extend(source.pages)
            self._layers += map(self._pdf.copy_foreign, layers)
            self._hidden += map(self._pdf.copy_foreign, hidden)
            for index in range(before, before + count):
                put_on_paper(self._pdf, index, self._paper)
        except BaseException:
            del self._pdf.pages[before:]
            raise
        return count


def _refuse_what_lost_something(source: pikepdf.Pdf) -> None:
    """A file that was cut off is mended by qpdf to blank pages, or to fewer; that must not pass for the document.

    In a whole file a reference to nothing is harmless (ISO 32000-1 §7.3.10); in a mended one something was there.
    """
    if not any("reconstruct" in warning for warning in _warnings(source)):
        return
    if any(found is None for found in source.objects):
        raise DocumentRefused(0, "pdf_broken", "the file is cut off or damaged, and parts of it are missing")
    if lost := [warning for warning in _warnings(source) if "treating stream as empty" in warning]:
        raise DocumentRefused(0, "pdf_broken", lost[0])


def _refuse_lost_layers(copy: pikepdf.Pdf) -> None:
    """PDFium copies pages without the catalog, so nobody knows any more which of their layers were hidden."""
    if any(isinstance(found, Dictionary) and found.get(Name.Type) == Name.OCG for found in copy.objects):
        raise DocumentRefused(0, "pdf_broken", "the file is damaged, and which of its layers are hidden is lost")


def _warnings(source: pikepdf.Pdf) -> list[str]:
    """What qpdf had to mend since the last question; it mends when an object is first looked at."""
    return [str(warning).rpartition(">")[2].strip(" :") for warning in source.get_warnings()]


def _refuse_what_shows_nothing(source: pikepdf.Pdf) -> None:
    """Two kinds of PDF hold pages that only say "open me in another program"."""
    form = source.Root.get(Name.AcroForm)
    has_xfa = isinstance(form, Dictionary) and Name.XFA in form
    if has_xfa and bool(source.Root.get(Name.NeedsRendering, False)):
        raise DocumentRefused(0, "pdf_dynamic_form", "a dynamic XFA form")
    if Name.Collection in source.Root:
        raise DocumentRefused(0, "pdf_portfolio", "a collection of files")


def _read_through(source: pikepdf.Pdf) -> None:
    """Raises ``PdfError`` where the drawing of a page is damaged or cut off: now, as this document's fault, and not
    when all are written. A page that is drawn as far as it can be read must not pass for the page."""
    for page in source.pages:
        contents = page.obj.get(Name.Contents)
        for stream in contents if isinstance(contents, Array) else (contents,):
            if isinstance(stream, pikepdf.Stream):
                stream.read_bytes()
    if cut_off := [warning for warning in _warnings(source) if "output may still be valid" in warning]:
        raise pikepdf.PdfError(cut_off[0])


def _strip(page: pikepdf.Page) -> None:
    """Leave what is drawn and nothing that acts or points elsewhere."""
    for key in _LEFT_BEHIND:
        if key in page.obj:
            del page.obj[key]
    annotations = page.obj.get(Name.Annots)
    if annotations is None:
        return
    drawn = Array()
    for annotation in annotations if isinstance(annotations, Array) else ():
        if isinstance(annotation, Dictionary) and annotation.get(Name.Subtype) in _DRAWN:
            flags = annotation.get(Name.F, 0)
            if isinstance(flags, int) and flags & _PRINTS:
                for acts in (Name.A, Name.AA, Name.PA, Name.Popup, Name.IRT, Name.Parent):
                    if acts in annotation:
                        del annotation[acts]
                drawn.append(annotation)
    if len(drawn):
        page.obj.Annots = drawn
    else:
        del page.obj.Annots
