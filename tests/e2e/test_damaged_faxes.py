"""A fax that came in damaged, through the whole bridge: what there is, and a sentence that says what there is not."""

import base64
import io
import json
from email.message import EmailMessage
from pathlib import Path

import httpx
import pikepdf
import pytest
from PIL import Image, ImageDraw
from sqlalchemy import select

from fax_bridge.store.schema import received
from fax_bridge.store.store import Store
from tests.ccitt_encoder import Habit, group3
from tests.e2e.conftest import OUR_NUMBER, SECRET, Bridge, bridge_in
from tests.e2e.test_cli import run, said
from tests.tiff_builder import sheet, tiff_of

SENTENCE = {
    "tr": "1. sayfa: 300 satırın 41 tanesi okunamadı; bu satırlar boş bırakıldı.",
    "en": "Page 1: 41 of 300 lines unreadable; left white.",
}


def damaged_fax() -> bytes:
    """A G3 page of 300 lines whose lines 100 to 140 were lost on the telephone line, and a page of no known coding."""
    image = Image.new("1", (1728, 300), 255)
    pen = ImageDraw.Draw(image)
    for number in range(9):
        pen.ellipse((150 + 160 * number, 40, 280 + 160 * number, 250), outline=0, width=6)
    strip = bytearray(group3(image, Habit()))
    begin, end = (len(group3(image.crop((0, 0, 1728, lines)), Habit(rtc=False))) for lines in (100, 141))
    begin, end = begin + 3, end - 1  # the ends of line around it stay
    strip[begin:end] = bytes([0x55]) * (end - begin)
    page = sheet(image, compression="group3", dpi=(204, 98), strip=bytes(strip))
    return tiff_of(page, sheet(image, fields={259: (3, [34661])}))


async def push(bridge: Bridge, content: bytes) -> None:
    element = {"type": "INCOMING_FAX", "id": "in-1", "cli": "902163334455", "cld": OUR_NUMBER}
    element |= {"remote_station_id": "AYŞE LTD", "content": base64.b64encode(content).decode()}
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}"
        assert (await http.post(url, content=json.dumps([element]))).status_code == 200


def words_of(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",))
    assert text is not None
    return " ".join(text.get_content().split())


@pytest.mark.parametrize("language", ["tr", "en"])
async def test_the_mail_says_how_many_lines_of_which_page_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """In the reader's language, with the PDF of what there is and the file as it came; the history keeps it too."""
    monkeypatch.setenv("FAX_BRIDGE_REPORTS__LANGUAGE", language)
    original = damaged_fax()
    async with bridge_in(tmp_path) as bridge:
        await push(bridge, original)
        mail = await bridge.mail("reception@example.com")
        store = await Store.open(bridge.settings.store.url, exclusive=False)
        async with store.read() as conn:
            row = (await conn.execute(select(received))).one()
        await store.close()
    text = words_of(mail)
    assert SENTENCE[language] in text
    assert {"tr": "2. sayfa gösterilemiyor", "en": "Page 2 cannot be shown"}[language] in text
    pdf, tiff = [bytes(part.get_content()) for part in mail.iter_attachments()]
    assert tiff == original
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert len(document.pages) == 2
        assert str(document.docinfo["/Author"]) == "AYŞE LTD"
        for word in ("calling=902163334455", f"called={OUR_NUMBER}", "CSID=AYŞE LTD", f"fax={row.id}", "FaxMAX=in-1"):
            assert word in str(document.docinfo["/Keywords"])
        assert str(document.docinfo["/CreationDate"]).startswith("D:20")
    assert row.problem.startswith("Page 1: 41 of 300 lines unreadable. Page 2 cannot be shown")


def test_convert_counts_the_lost_lines(tmp_path: Path) -> None:
    """``--json`` has the number for programs, the text has the sentence for people."""
    (tmp_path / "in.tif").write_bytes(damaged_fax())
    words = ("convert", str(tmp_path / "in.tif"), str(tmp_path / "out.pdf"))
    facts = said(run(*words, "--json"))
    assert [page["lines_unreadable"] for page in facts["pages"]] == [41, 0]
    assert facts["faults"][0] == "Page 1: 41 of 300 lines unreadable."
    assert "Page 1: 41 of 300 lines unreadable." in run(*words).stdout
