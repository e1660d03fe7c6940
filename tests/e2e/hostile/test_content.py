"""Attacks by what is in a mail or a push: they reach no file, no address and nobody else's fax."""

import asyncio
import base64
import io
import re
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pikepdf
import pypdfium2

from fax_bridge.faxmax.sandbox import Sandbox
from tests.e2e.conftest import OUR_NUMBER
from tests.e2e.hostile.conftest import Target, target_in

EVIL = "x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>"
TEMPLATE = "{{ 7 * 7 }} {% include '/etc/passwd' %} {{ ''.__class__.__mro__ }} ${7*7} #{7*7}"


def mail_with(subject: str, *files: tuple[str, bytes, str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "ayse@example.com"
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{abs(hash(subject))}@example.com>"
    mail.set_content("Ektedir.\n")
    for name, data, kind in files:
        maintype, _, subtype = kind.partition("/")
        mail.add_attachment(data, maintype, subtype, filename=name)
    return mail


_OUR_HEADERS = {
    "Return-Path", "Delivered-To", "Date", "Message-ID", "From", "To", "Subject", "In-Reply-To", "References",
    "Auto-Submitted", "X-Auto-Response-Suppress", "X-Fax-Bridge-Id", "Content-Type", "Content-Transfer-Encoding",
    "MIME-Version",
}  # fmt: skip


class Canary:
    """A server that nobody has a reason to talk to."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.port = 0

    async def took(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(200))
        writer.close()


@asynccontextmanager
async def canary_listening() -> AsyncIterator[Canary]:
    canary = Canary()
    server = await asyncio.start_server(canary.took, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    try:
        yield canary
    finally:
        server.close()
        await server.wait_closed()


async def test_headers_cannot_be_injected_into_a_report(target: Target) -> None:
    """Line ends in a subject, a name, a file name, by encoded words or by RFC 2231: one mail, to one address."""
    coded = base64.b64encode(EVIL.encode()).decode()
    raw = (
        f"From: =?utf-8?b?{coded}?= <ayse@example.com>\r\nSubject: Injected =?utf-8?b?{coded}?=\r\n"
        f"Message-ID: <a@b>\r\n\t=?utf-8?b?{coded}?=\r\nReferences: <r@b>\r\n Bcc: victim@example.org\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nMerhaba\r\n"
        "--b\r\nContent-Type: application/x-unknown\r\nContent-Disposition: attachment;\r\n"
        " filename*=utf-8''a%0d%0aBcc%3A%20victim%40example.org%0d%0a%0d%0a%3Cscript%3E.bin\r\n\r\nx\r\n--b--\r\n"
    )
    async with target.attacked():
        await target.honest(raw.encode())
        report = await _report_of(target, "Injected")
    assert report["Bcc"] is None
    assert report.get_all("To") == ["ayse@example.com"]
    assert "<script>" not in _html(report)
    assert len(report.keys()) == len(set(report.keys())), "no header twice"
    assert set(report.keys()) <= _OUR_HEADERS
    assert not any("victim" in str(mail["To"]) for mail in target.mails())


async def test_what_looks_like_a_template_is_text(target: Target) -> None:
    """In the subject, the body, a file's name: shown as it was written, on the cover and in the report."""
    mail = mail_with(f"Template {TEMPLATE}", ("{{ 7 * 7 }}.exe", b"MZ", "application/octet-stream"))
    async with target.attacked():
        await target.honest(mail)
        report = await _report_of(target, "Template")
    told = " ".join(report.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]  # it has one
    assert "{{ 7 * 7 }}" in told
    assert "root:" not in report.as_string()
    assert "Traceback" not in target.log


async def test_a_file_s_name_is_no_path(target: Target) -> None:
    """It is shown, and nothing is written or read by it."""
    before = {path.name for path in target.directory.iterdir()}
    for number, name in enumerate(_NAMES):
        raw = mail_with(f"Path {number}", ("x.txt", b"Belge\n", "text/plain")).as_bytes()
        await target.honest(raw.replace(b'filename="x.txt"', b'filename="' + name.encode() + b'"'))
    for number in range(len(_NAMES)):
        await _report_of(target, f"Path {number}")
    assert {path.name for path in target.directory.iterdir()} - before <= {"Maildir"}
    assert not Path("/etc/cron.d/fax-bridge-test").exists()  # noqa: ASYNC240 — the daemon is in another process


_NAMES = ("../../../../etc/passwd", "/etc/cron.d/fax-bridge-test", "..\\..\\x.pdf", "a\x00b.txt", ".", "~/.ssh/id",
          "x" * 5000)  # fmt: skip


async def test_nothing_is_fetched_and_no_file_read_for_a_mail(target: Target) -> None:
    """HTML, its styles, pictures and frames, SVG inside it, a PDF's actions, an Office file's links: an address that
    is named is never called, a path never opened."""
    async with canary_listening() as canary:
        at = f"http://127.0.0.1:{canary.port}"
        html = (
            f'<html><head><link rel="stylesheet" href="{at}/css"><style>@import url({at}/import);'
            f"@font-face{{font-family:f;src:url({at}/font)}}body{{background:url({at}/bg);font-family:f}}</style>"
            f'<base href="{at}/"><meta http-equiv="refresh" content="0;url={at}/meta"></head><body>Merhaba dünya'
            f'<img src="{at}/img" srcset="{at}/set 2x"><img src="file:///etc/passwd"><iframe src="{at}/frame"></iframe>'
            f'<object data="{at}/object"></object><embed src="file:///etc/passwd"><video poster="{at}/poster"></video>'
            f'<svg><image href="{at}/svg"/><use href="{at}/use#a"/><foreignObject><img src="{at}/fo"></foreignObject>'
            f'</svg><script src="{at}/script"></script><input type="image" src="{at}/input"></body></html>'
        )
        mail = mail_with("Fetch", ("a.html", html.encode(), "text/html"), ("b.pdf", _pdf(at), "application/pdf"))
        async with target.attacked():
            await target.honest(mail, "902163334000")
            await target.honest(mail_with("Office", ("c.docx", _docx(at), _DOCX)), "902163335000")
            await target.honest(mail_with("Drawing", ("d.svg", _svg(at), "image/svg+xml")), "902163336000")
            for subject in ("Fetch", "Office", "Drawing"):
                await _report_of(target, subject)
        assert (await target.states())["Fetch"] == "delivered"
        assert canary.heard == []
    assert "root:x" not in "".join(mail.as_string() for mail in target.mails())


async def test_bombs_in_files_cost_their_own_mail_only(tmp_path: Path, sandbox: Sandbox) -> None:
    """Zip, XML, picture, compressed picture of a TIFF, PDF stream: each is refused with a report, or faxed, while
    others' mail goes on."""
    bombs = {
        "zip": ("a.zip", _zip(b"\0" * 300_000_000), "application/zip"),
        "nested zip": ("b.zip", _zip(_zip(_zip(b"\0" * 50_000_000))), "application/zip"),
        "xml": ("c.docx", _docx("", laughs=True), _DOCX),
        "picture": ("d.png", _png(60_000, 60_000), "image/png"),
        "tiff": ("e.tif", _tiff(1728, 4_000_000_000 // 1728), "image/tiff"),
        "pdf": ("f.pdf", _pdf_bomb(), "application/pdf"),
        "svg": ("g.svg", _LAUGHS + b"<svg>&e;</svg>", "image/svg+xml"),
    }
    async with (
        target_in(tmp_path, sandbox, more='[reading]\nzip = "unpack"\n') as target,
        target.attacked(),
    ):
        for number, (name, bomb) in enumerate(bombs.items()):
            await target.honest(mail_with(f"Bomb {name}", bomb), f"90216333{number}000")
        for name in bombs:
            await _report_of(target, f"Bomb {name}")
        states = await target.states()
        assert all(states[f"Bomb {name}"] in {"failed", "delivered"} for name in bombs)
        assert states["Bomb zip"] == states["Bomb picture"] == states["Bomb xml"] == "failed"


async def test_a_pushed_tiff_that_is_a_bomb_is_mailed_as_it_came(target: Target) -> None:
    """Base64 of a few bytes that say they are four billion pixels."""
    bomb = base64.b64encode(_tiff(60_000, 70_000)).decode()
    element = {"type": "INCOMING_FAX", "id": "bomb-1", "cli": "902163334455", "cld": OUR_NUMBER, "content": bomb}
    async with target.attacked(), httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(target.push_url, json=[element])).status_code == 200
        mail = await target.mail_about("reception@example.com")
    assert [part.get_filename() for part in mail.iter_attachments()]


async def test_a_formula_in_a_table_is_text(target: Target) -> None:
    """A CSV file's cells are set as they are written; and nothing of ours writes CSV for a spreadsheet to run."""
    cells = b'ad;tutar\n"=HYPERLINK(""http://x"")";=1+1\n@SUM(A1);+cmd|calc\n'
    async with target.attacked():
        await target.honest(mail_with("Formula", ("t.csv", cells, "text/csv")))
        await _report_of(target, "Formula")
    sent = await _faxed(target)
    assert "=1+1" in sent
    assert "+cmd|calc" in sent


async def test_a_client_forges_no_line_of_the_log(target: Target) -> None:
    """CR, LF and escape sequences in commands, addresses and paths: each line of the log is one that we wrote."""
    forged = b"2026-01-01 00:00:00 [info     ] accepted id=FORGED"
    async with target.attacked():
        for evil in (b"\x1b[2J", b"\r", b"\n", b"\x9b31m", b"\x00", b"\xe2\x80\xa8"):
            await asyncio.to_thread(target.dialogue, b"EHLO x" + evil + forged + b"\r\nQUIT\r\n")
            mail = b'MAIL FROM:<"a' + evil + forged + b'"@example.org>\r\nRCPT TO:<1@fax.example.com>\r\nQUIT\r\n'
            await asyncio.to_thread(target.dialogue, b"EHLO x\r\n" + mail)
            with target.connect(target.http, timeout=1) as sock:
                request = b"POST /push/" + evil + forged.replace(b" ", b"%20") + b" HTTP/1.1\r\nHost: x\r\n\r\n"
                await asyncio.to_thread(target.said, sock, request)
    lines = target.log.split("\n")
    assert not [line for line in lines if line.startswith("2026-01-01")]
    assert not [line for line in lines if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", line)]


# --- what is sent -------------------------------------------------------------------------------------

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f SYSTEM "file:///etc/passwd">]>"""


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", data)
    return file.getvalue()


def _docx(at: str, *, laughs: bool = False) -> bytes:
    office = "http://schemas.openxmlformats.org"
    text = "&e;&e;&e;&f;" if laughs else "Merhaba"
    paragraph = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
    document = f'<w:document xmlns:w="{office}/wordprocessingml/2006/main"><w:body>{paragraph}</w:body></w:document>'
    relations = f"{office}/officeDocument/2006/relationships"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{office}/package/2006/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" '
            f'ContentType="{_DOCX}.main+xml"/></Types>',
        )
        packed.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{relations}/officeDocument" Target="word/document.xml"/></Relationships>',
        )
        packed.writestr(
            "word/_rels/document.xml.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r2" '
            f'Type="{relations}/attachedTemplate" Target="{at}/template" TargetMode="External"/><Relationship Id="r3" '
            f'Type="{relations}/image" Target="{at}/image" TargetMode="External"/></Relationships>',
        )
        packed.writestr("word/document.xml", (_LAUGHS.decode() if laughs else "") + document)
    return file.getvalue()


def _svg(at: str) -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="{at}/svg"/>'
        '<image href="file:///etc/passwd"/></svg>'
    ).encode()


def _pdf(at: str) -> bytes:
    file = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page()
        link = pikepdf.Dictionary(S=pikepdf.Name.URI, URI=f"{at}/pdf")
        pdf.Root.OpenAction = link
        pdf.Root.AA = pikepdf.Dictionary(
            WC=pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=f'app.launchURL("{at}/js")')
        )
        spec = pikepdf.Dictionary(Type=pikepdf.Name.Filespec, FS=pikepdf.Name.URL, F=f"{at}/stream")
        stream = pikepdf.Stream(pdf, b"")
        stream.F = spec
        stream.Type, stream.Subtype, stream.Width, stream.Height = pikepdf.Name.XObject, pikepdf.Name.Image, 1, 1
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=stream))
        page.contents_add(b"q 100 0 0 100 0 0 cm /I Do Q 0 0 50 50 re f")
        pdf.save(file)
    return file.getvalue()


def _pdf_bomb() -> bytes:
    """A page whose drawing is 200 MB of blanks, packed twice."""
    file = io.BytesIO()
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page()
        packed = zlib.compress(zlib.compress(b" " * 200_000_000, 9), 9)
        stream = pikepdf.Stream(pdf, packed)
        stream.Filter = pikepdf.Array([pikepdf.Name.FlateDecode, pikepdf.Name.FlateDecode])
        page.Contents = stream
        pdf.save(file, compress_streams=False)
    return file.getvalue()


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9999))
        + chunk(b"IEND", b"")
    )


def _tiff(width: int, height: int) -> bytes:
    """One strip of a few bytes, packed by deflate."""
    data = zlib.compress(b"\0" * 100_000)
    tags = [(256, 4, width), (257, 4, height), (258, 3, 1), (259, 3, 8), (262, 3, 1), (273, 4, 8), (278, 4, height),
            (279, 4, len(data))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + b"\0" * 4


# --- what came of it ----------------------------------------------------------------------------------


async def _report_of(target: Target, subject: str) -> EmailMessage:
    """The report on the mail whose subject begins with that word."""

    async def look() -> EmailMessage | None:
        for mail in target.mails():
            body = mail.get_body(("plain",))
            told = " ".join(body.get_content().split()) if body else ""
            if re.search(rf"konusu: {re.escape(subject)}\b", told):
                return mail
        return None

    async with asyncio.timeout(60):
        while (found := await look()) is None:  # noqa: ASYNC110 — looks at files
            await asyncio.sleep(0.1)
    return found


def _html(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    return str(body.get_content()) if body else ""


async def _faxed(target: Target) -> str:
    """All words of all documents that the sandbox has."""
    url = re.search(r'url = "(http[^"]+)/api/v1"', target.config.read_text(encoding="utf-8"))
    assert url is not None
    async with httpx.AsyncClient(trust_env=False) as http:
        faxes = (await http.get(f"{url[1]}/sandbox/faxes")).json()
        words = []
        for fax in faxes:
            answer = await http.get(f"{url[1]}/sandbox/faxes/{fax['fax_id']}/file")
            if answer.status_code == 200 and answer.content.startswith(b"%PDF"):
                document = pypdfium2.PdfDocument(answer.content)
                words += [page.get_textpage().get_text_bounded() for page in document]
    return "\n".join(words)
