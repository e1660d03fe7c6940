"""Both ways through the house with real clients and real documents."""

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pikepdf
import pypdfium2
import pytest
from PIL import Image, ImageDraw, TiffImagePlugin

from fax_bridge.documents.worker import Documents
from tests.e2e.conftest import OUR_NUMBER, SECRET, Bridge, bridge_in, until

BODY = "<p>Sayın yetkili, <b>ğüşıöç ĞÜŞİÖÇ</b></p><img src='http://127.0.0.1:1/x.png'><script>alert(1)</script>"


def tool(name: str) -> str:
    """A system tool; CI has them all, elsewhere its test is skipped with a word."""
    found = shutil.which(name)
    if found is None and os.environ.get("FAX_BRIDGE_CI"):
        pytest.fail(f"{name} is missing; scripts/ci-packages installs it")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def pdf_of(html: str) -> bytes:
    async with Documents() as documents:
        return await documents.html_to_pdf(html)


def jpeg() -> bytes:
    picture = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(picture).ellipse((100, 100, 500, 500), outline="black", width=12)
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def fax_tiff(dpi: tuple[int, int] = (204, 98)) -> bytes:
    """A fax page with a circle that is round on paper, so not in its pixels."""
    page = Image.new("1", (1728, int(11.69 * dpi[1])), 1)
    radius = 2  # inches
    middle = (1728 / 2, 5 * dpi[1])
    box = [middle[i] + sign * radius * dpi[i] for sign in (-1, 1) for i in (0, 1)]
    ImageDraw.Draw(page).ellipse(box, outline=0, width=9)
    out = io.BytesIO()
    page.save(out, "TIFF", compression="group4", dpi=dpi)
    return out.getvalue()


def ink_box(pdf: bytes, page: int = 0) -> tuple[int, int, int, int]:
    """Where the ink is on a page drawn with square pixels."""
    document = pypdfium2.PdfDocument(pdf)
    picture = document[page].render(scale=2).to_pil().convert("L").point(lambda v: 255 if v < 128 else 0)
    document.close()
    box: tuple[int, int, int, int] | None = picture.getbbox()
    assert box is not None
    return box


def text_in(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return text


async def sandbox_faxes(bridge: Bridge) -> list[dict[str, Any]]:
    root = bridge.sandbox.url.removesuffix("/api/v1")
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{root}/sandbox/faxes")).json()  # type: ignore[no-any-return]  # JSON


async def fetch(bridge: Bridge, path: str) -> bytes:
    root = bridge.sandbox.url.removesuffix("/api/v1")
    async with httpx.AsyncClient(trust_env=False, base_url=root) as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    return answer.content


async def test_a_mail_of_a_real_client_becomes_one_pdf_with_a_cover(bridge: Bridge) -> None:
    """Turkish subject, HTML body, a PDF and a JPEG: one document in their order, and the body on the cover."""
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@example.com>"
    mail["To"] = "902163333344@fax.example.com"
    mail["Subject"] = "Sözleşme İÇİN ğüşıöç"
    mail.set_content("Düz metin")
    mail.add_alternative(f"<html><body>{BODY}</body></html>", subtype="html")
    mail.add_attachment(
        await pdf_of("<h1>İlk sayfa</h1>"), maintype="application", subtype="pdf", filename="sözleşme.pdf"
    )
    mail.add_attachment(jpeg(), maintype="image", subtype="jpeg", filename="daire.jpg")
    await bridge.send(mail, "902163333344")
    await bridge.mail("ayse@example.com")
    (sent,) = await sandbox_faxes(bridge)
    pdf = await fetch(bridge, sent["fax_file"]["url"])
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) == 2
    assert "İlk sayfa" in text_in(pdf)
    left, top, right, bottom = ink_box(pdf, 1)
    assert abs((right - left) / (bottom - top) - 1) < 0.02, "the circle of the JPEG is round"
    cover = sent["cover_html"]
    for word in ("ğüşıöç ĞÜŞİÖÇ", "Sözleşme İÇİN ğüşıöç", "Ayşe Yıldız", "+90 216 333 33 44"):
        assert word in cover
    assert "http:" not in cover
    assert "alert" not in cover
    assert sent["params"]["phones"] == [{"phone": "902163333344", "api_id": sent["api_id"]}]
    assert sent["params"]["cli"] == OUR_NUMBER
    (fax,) = await bridge.faxes()
    fates = {part["part"]: part["kind"] for part in (await bridge.fax(fax["id"]))["parts"]}
    assert fates == {"1.1": "left_out", "1.2": "cover", "2": "faxed", "3": "faxed"}


@pytest.mark.parametrize("client", ["swaks", "curl"])
async def test_swaks_and_curl_can_send(bridge: Bridge, tmp_path: Path, client: str) -> None:
    """The clients that administrators try first."""
    path = tool(client)
    to, port = "902163333344@fax.example.com", bridge.smtp_port
    (tmp_path / "belge.pdf").write_bytes(await pdf_of("<p>Belge</p>"))
    (tmp_path / "mail.eml").write_text("From: ayse@example.com\nSubject: Deneme\n\nMerhaba\n")
    command = {
        "swaks": [path, "--server", f"127.0.0.1:{port}", "--from", "ayse@example.com", "--to", to,
                  "--header", "Subject: Deneme", "--attach", f"@{tmp_path}/belge.pdf"],
        "curl": [path, "-sS", f"smtp://127.0.0.1:{port}", "--mail-from", "ayse@example.com", "--mail-rcpt", to,
                 "-T", f"{tmp_path}/mail.eml", "--crlf"],
    }[client]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = await bridge.mail("ayse@example.com")
    assert "Deneme" in str(report["Subject"])


async def test_a_mail_with_only_a_body_is_faxed_without_a_cover(bridge: Bridge, note: EmailMessage) -> None:
    """The body is the document."""
    await bridge.send(note, "902163333344")
    await bridge.mail("ayse@example.com")
    (sent,) = await sandbox_faxes(bridge)
    assert sent["cover_html"] is None
    assert "ğüşıöç ĞÜŞİÖÇ" in text_in(await fetch(bridge, sent["fax_file"]["url"]))


async def test_a_part_that_cannot_be_faxed_refuses_the_mail_whole(bridge: Bridge, note: EmailMessage) -> None:
    """Nothing is sent, and the report names the part: an incomplete fax must never be called sent."""
    note.add_attachment(await pdf_of("<p>x</p>"), maintype="application", subtype="pdf", filename="tamam.pdf")
    note.add_attachment(b"\x00\x01", maintype="application", subtype="x-cad", filename="çizim.dwg")
    await bridge.send(note, "902163333344", "902163333345")
    report = await bridge.mail("ayse@example.com")
    assert "çizim.dwg" in report.get_body(("plain",)).get_content()  # type: ignore[union-attr]  # a report has a text
    assert await sandbox_faxes(bridge) == []
    assert {(fax["state"], fax["result"]) for fax in await bridge.faxes()} == {("failed", "document")}


async def incoming(bridge: Bridge, **element: Any) -> int:
    """A push as FaxMAX makes one."""
    body = [{"type": "INCOMING_FAX", "id": "in-1", "cli": "902163334455", "cld": OUR_NUMBER} | element]
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}"
        return (await http.post(url, content=json.dumps(body))).status_code


def pdf_in(mail: EmailMessage) -> bytes:
    (pdf,) = [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
    return bytes(pdf.get_content())


@pytest.mark.parametrize("dpi", [(204, 98), (204, 196), (204, 391)])
async def test_a_received_fax_is_mailed_as_a_pdf_with_round_circles(bridge: Bridge, dpi: tuple[int, int]) -> None:
    """To every mailbox of its route, from the caller's number at our domain, with the page's true size."""
    assert await incoming(bridge, content=base64.b64encode(fax_tiff(dpi)).decode()) == 200
    mail = await bridge.mail("reception@example.com")
    assert str(mail["From"]).endswith("<902163334455@fax.example.com>")
    assert "archive@example.com" in str(mail["To"])
    assert mail["Auto-Submitted"] == "auto-generated"
    pdf = pdf_in(mail)
    left, top, right, bottom = ink_box(pdf)
    assert abs((right - left) / (bottom - top) - 1) < 0.01
    with pikepdf.open(io.BytesIO(pdf)) as document:
        box = [float(v) for v in document.pages[0].mediabox]
    assert (box[2] - box[0]) * 25.4 / 72 == pytest.approx(1728 / 204 * 25.4, abs=0.5)


async def test_the_same_push_twice_makes_one_mail(bridge: Bridge) -> None:
    """FaxMAX repeats pushes; also with the content only in the second one."""
    content = base64.b64encode(fax_tiff()).decode()
    await incoming(bridge)
    for _ in range(2):
        await incoming(bridge, content=content)
    await bridge.mail("reception@example.com")
    await asyncio.sleep(0.5)
    assert len(bridge.mails()) == 1


@pytest.mark.parametrize("cli", [None, "", "Anonymous", "anonymous@invalid\r\nBcc: x@example.org"])
async def test_a_caller_without_a_number_comes_from_the_bridge_itself(bridge: Bridge, cli: str | None) -> None:
    """A reply could reach nobody, and the text says so."""
    await incoming(bridge, cli=cli, content=base64.b64encode(fax_tiff()).decode())
    mail = await bridge.mail("reception@example.com")
    assert str(mail["From"]) == "Fax <fax@fax.example.com>"
    assert mail["Bcc"] is None
    assert pdf_in(mail)


async def test_a_fax_that_no_route_takes_goes_to_the_fallback(bridge: Bridge) -> None:
    """Nothing is dropped because nobody was configured for it."""
    await incoming(bridge, cld="902169999999", content=base64.b64encode(fax_tiff()).decode())
    mail = await bridge.mail("postmaster@example.com")
    assert pdf_in(mail)


async def test_what_is_no_tiff_is_mailed_as_it_came_with_the_reason(bridge: Bridge) -> None:
    """A fax that cannot be converted is not a fax that may be lost."""
    await incoming(bridge, content=base64.b64encode(b"<html>not a fax</html>").decode())
    mail = await bridge.mail("reception@example.com")
    (original,) = list(mail.iter_attachments())
    content = original.get_content()
    assert (content if isinstance(content, bytes) else content.encode()) == b"<html>not a fax</html>"


async def test_content_that_does_not_decode_is_quarantined_and_told(bridge: Bridge) -> None:
    """Still 200, or it would come for ever; its neighbours are taken."""
    good = {"type": "INCOMING_FAX", "id": "in-2", "cli": "", "cld": OUR_NUMBER}
    good["content"] = base64.b64encode(fax_tiff()).decode()
    async with httpx.AsyncClient(trust_env=False) as http:
        bad = {"type": "INCOMING_FAX", "id": "in-1", "content": "%%%"}
        url = f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}"
        assert (await http.post(url, content=json.dumps([bad, good]))).status_code == 200
    await bridge.mail("reception@example.com")
    alert = await bridge.mail("postmaster@example.com")
    assert "in-1" in alert.as_string()


async def test_a_reply_to_a_received_fax_is_a_fax_back(bridge: Bridge, note: EmailMessage) -> None:
    """The mail's From is an address of ours that means the caller's number."""
    await incoming(bridge, content=base64.b64encode(fax_tiff()).decode())
    mail = await bridge.mail("reception@example.com")
    number = str(mail["From"].addresses[0].username)
    await bridge.send(note, number, sender="reception@example.com")
    await bridge.ended("delivered")
    (sent,) = await sandbox_faxes(bridge)
    assert sent["phone"] == "902163334455"


async def test_a_late_push_corrects_the_report_once(tmp_path: Path, note: EmailMessage) -> None:
    """An unconfirmed fax that turns out delivered is told once more, and only once."""
    async with bridge_in(tmp_path, confirm_within="300ms") as bridge:
        await bridge.send(note, "902163330013")
        await bridge.mail("ayse@example.com")
        (fax,) = await bridge.faxes()
        late = {"type": "OUTGOING_FAX", "id": fax["faxmax_id"], "cld": fax["number"], "status": "DELIVERED"}
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(3):
                url = f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}"
                await http.post(url, content=json.dumps([late]))
        correction = await bridge.mail("ayse@example.com", 2)
        assert "teslim edildi" in str(correction["Subject"])
        assert (await bridge.faxes())[0]["state"] == "delivered"
        await asyncio.sleep(0.5)
        assert len(bridge.mails()) == 2


async def test_an_unknown_status_is_not_final_and_is_shown_to_the_operator(bridge: Bridge, note: EmailMessage) -> None:
    """The sender hears nothing false; the alert has the line to add."""
    await bridge.send(note, "902163330013")

    async def submitted() -> str | None:
        faxes = await bridge.faxes()
        return faxes[0]["faxmax_id"] if faxes else None

    provider_id = await until(submitted)
    odd = {"type": "OUTGOING_FAX", "id": provider_id, "status": "XYZZY"}
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.post(f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}", content=json.dumps(odd))
    alert = await bridge.mail("postmaster@example.com")
    assert "XYZZY" in str(alert.get_body(("plain",)).get_content())  # type: ignore[union-attr]  # an alert has a text
    assert (await bridge.ended("submitted", "unconfirmed"))["result"] != "delivered"


def test_the_test_page_is_what_it_says() -> None:
    """The drawn circle is not round in pixels at 204x98, or the tests above would prove nothing."""
    with Image.open(io.BytesIO(fax_tiff())) as page:
        assert isinstance(page, TiffImagePlugin.TiffImageFile)
        box = page.convert("L").point(lambda v: 255 - v).getbbox()
    assert box is not None
    assert (box[2] - box[0]) / (box[3] - box[1]) == pytest.approx(204 / 98, rel=0.02)


async def test_a_cover_that_is_rendered_here_is_the_first_page(tmp_path: Path) -> None:
    """``faxmax.cover = "page"``: FaxMAX gets no HTML; each recipient has its own number on it."""
    async with bridge_in(tmp_path, cover="page") as bridge:
        mail = EmailMessage()
        mail["From"] = "Ayşe Yıldız <ayse@example.com>"
        mail["Subject"] = "Sözleşme"
        mail.set_content("Ekte: ğüşıöç ĞÜŞİÖÇ")
        mail.add_attachment(b"Madde 1", "text", "plain", filename="ek.txt")
        await bridge.send(mail, "902163333344", "902163333345")
        await bridge.mail("ayse@example.com")
        faxes = await sandbox_faxes(bridge)
        assert [fax["cover_html"] for fax in faxes] == [None, None]
        for fax, number in zip(sorted(faxes, key=lambda f: str(f["params"]["phones"])), ("44", "45"), strict=True):
            pdf = await fetch(bridge, fax["fax_file"]["url"])
            text = text_in(pdf)
            assert f"+90 216 333 33 {number}" in text
            assert "ğüşıöç ĞÜŞİÖÇ" in text
            assert "Sayfa 2" in text
            assert text.index("FAKS") < text.index("Madde 1")
