"""Letters of the world through the whole bridge: right on the page, or refused by name, never boxes in silence."""

import io
from email.message import EmailMessage

import pypdfium2
import pytest

from tests.e2e.conftest import Bridge
from tests.e2e.test_round_trips import fetch, sandbox_faxes

SCRIPTS = {
    "Greek": "Αξιότιμε κύριε, η σύμβαση επισυνάπτεται.",
    "Cyrillic": "Уважаемый господин, договор приложен.",
    "Arabic": "السيد المحترم",
    "Hebrew": "אדון נכבד",
    "Turkish": "Sayın yetkili, ğüşıöç ĞÜŞİÖÇ",
}


def words_of(report: EmailMessage) -> str:
    body = report.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def mail_with(text: str, *attached: tuple[str, str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@english.example.com>"
    mail["Subject"] = "Order"
    mail.set_content(text)
    for name, content in attached:
        mail.add_attachment(content.encode(), maintype="text", subtype=name.rpartition(".")[2], filename=name)
    return mail


async def test_the_scripts_of_the_neighbours_are_on_the_page(bridge: Bridge) -> None:
    """As text that can be read out of the document again, the letters of each in their order."""
    await bridge.send(mail_with("\n\n".join(SCRIPTS.values())), "902163333344", sender="ayse@english.example.com")
    await bridge.mail("ayse@english.example.com")
    (sent,) = await sandbox_faxes(bridge)
    with pypdfium2.PdfDocument(io.BytesIO(await fetch(bridge, sent["fax_file"]["url"]))) as document:
        found = document[0].get_textpage().get_text_range()
    for name, text in SCRIPTS.items():
        assert text in found, name


@pytest.mark.parametrize("place", ["body", "order.plain", "order.csv", "order.html"])
async def test_letters_that_cannot_be_drawn_refuse_the_mail_by_name(bridge: Bridge, place: str) -> None:
    """The report says which letters in which part, and what to do; nothing goes out."""
    chinese = "name;price\n漢字;100\nx;200\n"
    mail = mail_with(chinese) if place == "body" else mail_with("See the order.", (place, chinese))
    await bridge.send(mail, "902163333344", sender="ayse@english.example.com")
    said = words_of(await bridge.mail("ayse@english.example.com"))
    assert "send it as a PDF, or ask the administrator to add a font (漢字 (CJK))" in said
    assert await sandbox_faxes(bridge) == []
    (fax,) = await bridge.faxes()
    refused = [part for part in (await bridge.fax(fax["id"]))["parts"] if part["kind"] == "refused"]
    assert [part["reason"] for part in refused] == ["letters_missing"]


async def test_symbols_that_cannot_be_drawn_are_told_in_the_report(bridge: Bridge) -> None:
    """The fax goes, and its sender knows what stands as a box in it."""
    mail = mail_with("All right 🦊 ✓")
    await bridge.send(mail, "902163333344", sender="ayse@english.example.com")
    said = words_of(await bridge.mail("ayse@english.example.com"))
    assert "delivered" in said
    assert "symbols in it that no font here has are shown as boxes (🦊 fox face)" in said
