"""What is fuzzed: each makes an input from a number, and says how it ended in a word, or raises.

The readers that run inside the daemon are called in this process; those that run in a worker go through one, with the
limits that they have there.
"""

import html.parser
import io
import re
from collections.abc import Callable
from pathlib import Path

import pikepdf

from fax_bridge.documents.child import BUG
from fax_bridge.documents.clean import clean
from fax_bridge.documents.worker import Documents, Limits, Packing, PartKind, SourcePart
from fax_bridge.email_to_fax.mail_part import MailPart, Plan, ReadMail
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper
from fax_bridge.numbers import BadNumber, read_number
from tests.fuzz.mutation import composed, mutated
from tests.fuzz.tokens import BINARY, HTML, MIME, NUMBERS, PDF

DATA = Path(__file__).parents[1] / "data"
LIMITS = Limits(wall_seconds=20, cpu_seconds=10, pages=100)

UNPACKED = {
    "packed_broken",
    "mail_encrypted",
    "zip_password",
    "zip_too_large",
    "worker_timeout",
    "worker_limit",
    "worker_crashed",
}
NOT_BUILT = {
    "pdf_password", "pdf_broken", "pdf_empty", "pdf_dynamic_form", "pdf_portfolio", "too_many_pages", "worker_timeout",
    "worker_limit", "worker_crashed",
}  # fmt: skip
_RUNS = re.compile(r"(?i)url\(|expression\(|@import|javascript:|image-set")


def mails() -> list[bytes]:
    return [path.read_bytes() for path in sorted((DATA / "mails").glob("*.eml"))]


def _packed() -> list[tuple[Packing, bytes]]:
    parts = [part for content in mails() for part in read_mail(content, unzip=True).parts]
    return [(part.packing, part.data) for part in parts if part.plan == Plan.PACKED and part.packing]


def _pdfs() -> list[bytes]:
    """Those of the corpus, and some with forms, annotations and compressed objects."""
    found = {part.data for content in mails() for part in read_mail(content).parts if part.kind == PartKind.PDF}
    with pikepdf.Pdf.new() as form:
        page = form.add_blank_page()
        field = form.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Tx,
                T=pikepdf.String("a"),
                V=pikepdf.String("Ayşe"),
                Rect=[50, 50, 300, 80],
                DA=pikepdf.String("/Helv 12 Tf 0 g"),
            )
        )
        page.obj["/Annots"] = pikepdf.Array([field])
        form.Root["/AcroForm"] = pikepdf.Dictionary(Fields=[field], NeedAppearances=True)
        for mode in (pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate):
            out = io.BytesIO()
            form.save(out, object_stream_mode=mode, compress_streams=False)
            found.add(out.getvalue())
    return sorted(found)


class Mails:
    """The MIME reader: every part has one plan, whatever the bytes."""

    def __init__(self, _documents: Documents) -> None:
        self._files = mails()

    def make(self, number: int) -> bytes:
        return mutated(number, self._files, MIME)

    async def run(self, content: bytes) -> str:
        mail = read_mail(content, unzip=True)
        _must(bool(mail.parts) or not content.strip(), "a mail with content has no part")
        _must(all(part.reason or part.plan not in {Plan.LEFT_OUT, Plan.REFUSED} for part in mail.parts), "no reason")
        sections = [part.section for part in mail.parts]
        _must(len(sections) == len(set(sections)), f"a section is there twice: {sections}")
        _storable(mail)
        return "refused" if any(part.plan == Plan.REFUSED for part in mail.parts) else "read"


def _storable(mail: ReadMail) -> None:
    """What goes into the database and into our own mails: text that UTF-8 can hold."""
    texts = [mail.subject, mail.message_id, mail.references, mail.from_name, mail.from_address]
    texts += [text for part in mail.parts for text in _texts(part)]
    for text in texts:
        text.encode()


def _texts(part: MailPart) -> tuple[str, ...]:
    return part.name, part.content_type, part.reason, part.detail


class Cleaned:
    """The sanitiser: nothing that runs or names an address comes out, whatever went in."""

    def __init__(self, _documents: Documents) -> None:
        pass

    def make(self, number: int) -> bytes:
        return composed(number, HTML).encode("utf-8", "surrogatepass")

    async def run(self, content: bytes) -> str:
        try:
            fragment = clean(content.decode("utf-8", "surrogatepass"), images=True)
        except DocumentRefused as refused:
            _must(refused.reason == "html_too_large", refused.reason)
            return refused.reason
        _Harmless().feed(fragment)
        return "clean" if fragment else "empty"


class _Harmless(html.parser.HTMLParser):
    """Raises at the first element or attribute that could do anything but be looked at."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        _must(tag not in {"script", "svg", "math", "iframe", "object", "embed", "link", "meta", "base", "form"}, tag)
        for name, value in attrs:
            _must(not name.startswith("on"), name)
            _must(name not in {"href", "srcset", "srcdoc", "background", "action", "ping"}, name)
            _must(name != "src" or (value or "").lower().startswith("cid:"), f"{name}={value}")
            _must(name != "style" or not _RUNS.search(value or ""), f"{name}={value}")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style" and self.cdata_elem:
            _must(not _RUNS.search(data), data[:200])


class Numbers:
    """The number reader: digits, or a reason that an SMTP reply can carry."""

    def __init__(self, _documents: Documents) -> None:
        pass

    def make(self, number: int) -> bytes:
        return composed(number, NUMBERS, 12).encode("utf-8", "surrogatepass")

    async def run(self, content: bytes) -> str:
        text = content.decode("utf-8", "surrogatepass")
        try:
            digits = read_number(text, "TR")
        except BadNumber as why:
            _must(str(why).isascii() and str(why).isprintable() and len(str(why)) < 200, f"{why!r}")
            return "no number"
        _must(digits.isascii() and digits.isdigit() and 3 < len(digits) <= 18, digits)
        _must(read_number("+" + digits, "TR") == digits, f"{text!r} is {digits}, which is another number")
        return "number"


class Packed:
    """winmail.dat, .msg, zip and S/MIME, through a worker."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._files = _packed()

    def make(self, number: int) -> bytes:
        packing, data = self._files[number % len(self._files)]
        return packing.value.encode() + b"\n" + mutated(number, [data], BINARY)

    async def run(self, content: bytes) -> str:
        packing, _, data = content.partition(b"\n")
        try:
            entity = await self._documents.unpack(data, Packing(packing.decode()))
        except DocumentRefused as refused:
            _must(refused.reason in UNPACKED and not _is_a_bug(refused), f"{refused.reason} {refused.detail}")
            return refused.reason
        read_mail(entity)
        return "unpacked"


class Pdfs:
    """The merger, the flattener and the rasteriser, through a worker: what comes out has its pages."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._files = _pdfs()

    def make(self, number: int) -> bytes:
        return mutated(number, self._files, PDF)

    async def run(self, content: bytes) -> str:
        try:
            built = await self._documents.build([SourcePart(PartKind.PDF, "a.pdf", content)], paper=Paper.A4)
        except DocumentRefused as refused:
            _must(refused.reason in NOT_BUILT and not _is_a_bug(refused), f"{refused.reason} {refused.detail}")
            return refused.reason
        with pikepdf.open(io.BytesIO(built.pdf)) as document:
            _must(len(document.pages) == built.pages[0] > 0, f"{len(document.pages)} pages, {built.pages} told")
        return "built"


def _is_a_bug(refused: DocumentRefused) -> bool:
    """Our own code raised in the worker; an engine in C that dies of a file is what the worker is for."""
    return refused.reason == "worker_crashed" and f"exit status {BUG}" in refused.detail


def _must(holds: bool, said: str) -> None:
    if not holds:
        raise AssertionError(said)


Target = Mails | Cleaned | Numbers | Packed | Pdfs
TARGETS: dict[str, Callable[[Documents], Target]] = {
    "mails": Mails,
    "html": Cleaned,
    "numbers": Numbers,
    "packed": Packed,
    "pdf": Pdfs,
}
