"""With ``faxmax.document = "raster"`` the far end gets the dots that were drawn here, and no others."""

import io
from email.message import EmailMessage
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageChops

from fax_bridge.documents.worker import Documents
from fax_bridge.fax import Paper, Resolution
from tests.e2e.conftest import Bridge, bridge_in
from tests.e2e.test_round_trips import fetch, jpeg, sandbox_faxes

LETTER = "<h1>Sözleşme İÇİN</h1>" + "<p>ğüşıöç ĞÜŞİÖÇ, 24.11.2026 tarihli sözleşme ektedir.</p>" * 20


def frames(tiff: bytes) -> list[Image.Image]:
    found = []
    with Image.open(io.BytesIO(tiff)) as image:
        for number in range(image.n_frames):  # type: ignore[attr-defined]  # TiffImageFile has it
            image.seek(number)
            found.append(image.convert("L"))
    return found


async def contract(bridge: Bridge, body: str = "") -> bytes:
    """Send a mail with a PDF and a photo; the PDF that FaxMAX got."""
    async with Documents() as documents:
        pdf = await documents.html_to_pdf(LETTER)
    mail = EmailMessage()
    mail["From"] = "Ayşe Yıldız <ayse@example.com>"
    mail["Subject"] = "Sözleşme"
    mail.set_content(body)
    mail.add_attachment(pdf, maintype="application", subtype="pdf", filename="sözleşme.pdf")
    mail.add_attachment(jpeg(), maintype="image", subtype="jpeg", filename="daire.jpg")
    await bridge.send(mail, "902163333344")
    await bridge.mail("ayse@example.com")
    (sent,) = await sandbox_faxes(bridge)
    return await fetch(bridge, sent["fax_file"]["url"])


@pytest.mark.parametrize("resolution", ["normal", "fine"])
async def test_the_received_fax_is_our_raster_pixel_for_pixel(tmp_path: Path, resolution: str) -> None:
    """Behind FaxMAX's own cover too: no dot of the document is moved, lost or added on its way."""
    (tmp_path / "raster").mkdir()
    (tmp_path / "plain").mkdir()
    async with bridge_in(tmp_path / "raster", document="raster", resolution=resolution) as bridge:
        dots = await contract(bridge, "Sayın yetkili, sözleşme ektedir.")
        (sent,) = await sandbox_faxes(bridge)
        assert sent["cover_html"]
        received = frames(await fetch(bridge, sent["pages_url"]))
        (fax,) = await bridge.faxes()
        told = (await bridge.fax(fax["id"]))["page_facts"]
    async with bridge_in(tmp_path / "plain", resolution=resolution) as bridge:
        document = await contract(bridge)
    async with Documents() as documents:
        tiff = await documents.rasterise(document, resolution=Resolution(resolution), paper=Paper.A4)
    ours = frames(tiff)
    assert len(received) == 3
    assert len(ours) == 2
    for mine, theirs in zip(ours, received[1:], strict=True):
        assert mine.size == theirs.size
        assert ImageChops.difference(mine, theirs).getbbox() is None
    with pikepdf.open(io.BytesIO(dots)) as pdf:
        assert {str(page.Resources.XObject.Im.Filter) for page in pdf.pages} == {"/CCITTFaxDecode"}
    assert [page["ink"] for page in told] == [round(ink(page), 4) for page in ours]


def ink(page: Image.Image) -> float:
    return 1 - page.histogram()[255] / (page.width * page.height)


async def test_without_the_setting_the_document_goes_as_it_is(bridge: Bridge) -> None:
    """Letters as letters, for FaxMAX to draw; what is told of its pages is kept."""
    pdf = await contract(bridge)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert "/Font" in document.pages[0].Resources
    (fax,) = await bridge.faxes()
    told = (await bridge.fax(fax["id"]))["page_facts"]
    assert len(told) == 2
    assert all(0 < page["ink"] < 0.2 and 3 < page["seconds"] < 120 for page in told)
