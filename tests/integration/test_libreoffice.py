"""Files of old Office and of OpenDocument through the real LibreOffice: what comes out, and what it cannot reach."""

import asyncio
import io
import os
import shutil
import socket
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from PIL import Image

from fax_bridge.documents.worker import Documents, Limits, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused

SAMPLES = Path(__file__).parents[1] / "data" / "office"


@pytest.fixture(autouse=True)
def libreoffice() -> None:
    if not shutil.which("soffice"):
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("LibreOffice is missing; scripts/ci-packages installs it")
        pytest.skip("LibreOffice is not installed; scripts/ci-packages installs it")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of this test's own for the jobs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def pdf_of(kind: PartKind, data: bytes, limits: Limits | None = None) -> bytes:
    async with Documents(limits=limits or Limits()) as documents:
        return (await documents.build([SourcePart(kind, "", data)])).pdf


def texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def sockets() -> set[Path]:
    return set(Path("/tmp").glob("OSL_PIPE_*"))


def running(temporary: Path) -> list[str]:
    """LibreOffice's processes whose job lies there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and bytes(temporary) in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "letter.doc",
            ("Sözleşme ğüşıöç", "İstanbul, Ağrı, Şırnak", "hücre 2,2 ş", "Madde 5", "ÜST BİLGİ", "alt bilgi"),
        ),
        (
            "letter.odt",
            ("Sözleşme ğüşıöç", "İstanbul, Ağrı, Şırnak", "hücre 2,2 ş", "Madde 5", "ÜST BİLGİ", "alt bilgi"),
        ),
        ("letter.rtf", ("ğüşıöç ĞÜŞİÖÇ", "hücre 2", "İkinci sayfa")),
        ("list.xls", ("Ürün Adet Fiyat", "Vida ş39 39 58.5")),
    ],
)
async def test_an_old_file_becomes_pages_with_all_its_words(name: str, words: tuple[str, ...], temporary: Path) -> None:
    """Headers, footers, tables, every sheet; and nothing of LibreOffice stays behind."""
    path = SAMPLES / name
    before = sockets()
    found = " ".join(texts(await pdf_of(PartKind(path.suffix[1:]), path.read_bytes())))
    assert [each for each in words if each not in found] == []
    assert sockets() <= before
    assert running(temporary) == []


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (PartKind.DOC, OLE + bytes(3000), "office_broken"),
        (PartKind.XLS, OLE + bytes(3000), "office_broken"),
        (PartKind.XLS, b"\0\1\2 not a workbook", "office_broken"),
        (PartKind.DOC, OLE + bytes(600) + "WordDocument".encode("utf-16-le") + bytes(3000), "office_broken"),
        (PartKind.DOC, (SAMPLES / "letter.doc").read_bytes()[:9000], "office_broken"),
        (PartKind.ODT, (SAMPLES / "letter.odt").read_bytes()[:9000], "office_broken"),
        (PartKind.ODT, b"PK no package", "office_broken"),
        (PartKind.DOC, OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(3000), "office_password"),
    ],
)
async def test_a_file_that_cannot_be_opened_is_refused(kind: PartKind, data: bytes, reason: str) -> None:
    """LibreOffice ends well all the same, and would rather print a broken workbook as text than say so."""
    with pytest.raises(DocumentRefused) as refused:
        await pdf_of(kind, data)
    assert refused.value.reason == reason


async def test_its_time_is_limited_and_its_processes_go_with_it(temporary: Path) -> None:
    """Killed as a group, and with it what it started."""
    began = time.monotonic()
    with pytest.raises(DocumentRefused) as refused:
        await pdf_of(PartKind.ODT, (SAMPLES / "letter.odt").read_bytes(), Limits(wall_seconds=0.4))
    assert refused.value.reason == "worker_timeout"
    assert time.monotonic() - began < 5
    for _ in range(50):  # the group is killed at once; the kernel may take a moment
        if not running(temporary):
            break
        await asyncio.sleep(0.05)
    assert running(temporary) == []


# --- what it cannot reach --------------------------------------------------------------------------------


@pytest.fixture
def canary() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a loopback server and what its callers said."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    heard: list[bytes] = []
    is_open = True

    def listen() -> None:
        while is_open:
            try:
                caller, _ = listener.accept()
            except TimeoutError:
                continue
            heard.append(b"called")
            caller.close()

    thread = threading.Thread(target=listen)
    thread.start()
    yield listener.getsockname()[1], heard
    is_open = False
    thread.join()
    listener.close()


def open_document(*places: str) -> bytes:
    """An .odt with a picture, a section and an object at each place, none of them embedded."""
    drawn = "".join(
        f'<text:p><draw:frame svg:width="5cm" svg:height="5cm"><draw:image xlink:href="{place}" xlink:type="simple" '
        f'xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p><text:section text:name="s{number}">'
        f'<text:section-source xlink:href="{place}"/><text:p/></text:section>'
        for number, place in enumerate(places)
    )
    spaces = "".join(
        f' xmlns:{prefix}="{uri}"'
        for prefix, uri in {
            "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
            "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
            "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
            "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
            "xlink": "http://www.w3.org/1999/xlink",
        }.items()
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        package.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content{spaces} office:version="1.2"><office:body><office:text>'
            f"<text:p>burada</text:p>{drawn}</office:text></office:body></office:document-content>",
        )
        package.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            '<m:file-entry m:full-path="/" m:media-type="application/vnd.oasis.opendocument.text"/>'
            '<m:file-entry m:full-path="content.xml" m:media-type="text/xml"/></m:manifest>',
        )
    return out.getvalue()


async def test_a_document_reaches_no_server_and_no_file(canary: tuple[int, list[bytes]], tmp_path: Path) -> None:
    """Linked pictures and texts, of the network and of the machine: the canaries hear and show nothing."""
    port, heard = canary
    secret, words = tmp_path / "secret.png", tmp_path / "secret.txt"
    Image.new("L", (200, 200), 0).save(secret)
    words.write_text("the secret came out", encoding="utf-8")
    places = (f"http://127.0.0.1:{port}/x.png", secret.as_uri(), words.as_uri(), "file:///etc/passwd")
    pdf = await pdf_of(PartKind.ODT, open_document(*places))
    fields = "".join(rf'{{\field{{\*\fldinst INCLUDEPICTURE "{place}" \\d}}}}' for place in places)
    other = await pdf_of(PartKind.RTF, (r"{\rtf1\ansi burada\par" + fields + "}").encode())
    for made in (pdf, other):
        found = " ".join(texts(made))
        assert "burada" in found
        assert "secret" not in found
        assert "root:" not in found
        with pikepdf.open(io.BytesIO(made)) as opened:
            pictures = [item for item in opened.objects if isinstance(item, pikepdf.Stream) and "/Width" in item]
            assert [picture for picture in pictures if int(picture.Width) == 200] == []
    assert heard == []
