"""Word, Excel and PowerPoint files through the real converter in the real worker: whole, or refused with the reason."""

import io
import os
import zipfile
from pathlib import Path

import pypdfium2
import pytest

from fax_bridge.documents.office_words import lost_words
from fax_bridge.documents.worker import Built, Documents, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused

SAMPLES = Path(__file__).parents[1] / "data" / "office"
LETTER, LIST, SLIDES = (SAMPLES / name for name in ("letter.docx", "list.xlsx", "slides.pptx"))


@pytest.fixture(autouse=True)
def converter() -> None:
    try:
        import office2pdf  # noqa: F401 — whether it is there is the question
    except ImportError:
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("office2pdf-python is missing; scripts/install brings it")
        pytest.skip("office2pdf-python has no wheel for this platform")


async def built(kind: PartKind, data: bytes) -> Built:
    async with Documents() as documents:
        return await documents.build([SourcePart(kind, "", data)])


def texts(made: Built) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(made.pdf)) as pdf:
        assert all(page.get_size()[0] < page.get_size()[1] for page in pdf)
        return [" ".join(page.get_textpage().get_text_range().split()) for page in pdf]


def with_paragraph(properties: str) -> bytes:
    """The letter with one more paragraph, whose run has these properties."""
    more = f"<w:p><w:r>{properties}<w:t>Bunlar belgede vardı kaybolan sözcükler olmalı</w:t></w:r></w:p><w:sectPr"
    out = io.BytesIO()
    with zipfile.ZipFile(LETTER) as package, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in package.namelist():
            content = package.read(name)
            if name == "word/document.xml":
                content = content.replace(b"<w:sectPr", more.encode(), 1)
            copy.writestr(name, content)
    return out.getvalue()


async def test_a_letter_comes_out_with_its_head_its_table_and_its_turkish_letters() -> None:
    """Also what stands in the header, the footer and a text box."""
    first, second = texts(await built(PartKind.DOCX, LETTER.read_bytes()))
    for words in ("Sözleşme ğüşıöç", "İstanbul, Ağrı, Şırnak", "hücre 2,2 ş", "Madde 5", "ÜST BİLGİ", "alt bilgi"):
        assert words in first
    assert "İkinci sayfa" in second
    (page,) = texts(await built(PartKind.DOCX, (SAMPLES / "textbox.docx").read_bytes()))
    assert "KUTUDAKI METIN" in page


async def test_a_workbook_is_faxed_with_all_its_sheets() -> None:
    """Every sheet, every row."""
    pages = texts(await built(PartKind.XLSX, LIST.read_bytes()))
    assert "Ürün Adet Fiyat" in pages[0]
    assert "Vida ş39 39 58.5" in " ".join(pages)
    assert " ".join(pages).count("x") == 30


async def test_slides_are_set_upright() -> None:
    """A slide is wider than high; it is turned so that it fills the paper."""
    (page,) = texts(await built(PartKind.PPTX, SLIDES.read_bytes()))
    assert page.split() == ["Sunum", "ğ", "•", "Madde", "ş", "•", "Madde", "ı"]


@pytest.mark.parametrize("kind", [PartKind.DOCX, PartKind.XLSX, PartKind.PPTX])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "office_broken"),
        (LETTER.read_bytes()[:9000], "office_broken"),
        (b"PK\x05\x06" + b"\0" * 18, "office_broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 900, "office_password"),
    ],
)
async def test_what_cannot_be_opened_is_refused(kind: PartKind, data: bytes, reason: str) -> None:
    """Cut off, empty, another file, or one that asks for a password."""
    with pytest.raises(DocumentRefused) as refused:
        await built(kind, data)
    assert refused.value.reason == reason
    assert refused.value.detail


async def test_a_package_that_unpacks_into_gigabytes_is_refused_before_it_is_unpacked() -> None:
    """A few hundred kilobytes of zeros in the mail."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for number in range(5):
            package.writestr(f"word/media/{number}.bin", b"\0" * (60 << 20))
    with pytest.raises(DocumentRefused) as refused:
        await built(PartKind.DOCX, out.getvalue())
    assert refused.value.reason == "office_too_large"


def test_words_that_the_converter_dropped_are_noticed() -> None:
    """By comparing what the file says with what the PDF says; hidden text is not missed."""
    import office2pdf

    data = LETTER.read_bytes()
    pdf = office2pdf.convert_bytes(data, "docx", office2pdf.ConvertOptions()).pdf
    assert lost_words(data, "docx", pdf) == []
    assert set(lost_words(with_paragraph(""), "docx", pdf)) >= {"bunlar", "kaybolan", "olmali"}
    assert lost_words(with_paragraph("<w:rPr><w:vanish/></w:rPr>"), "docx", pdf) == []
