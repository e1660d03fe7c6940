"""Letters that no font has never pass unnoticed: a box for a letter refuses the part, one for a symbol is told."""

import io
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from fax_bridge.documents import typefaces
from fax_bridge.documents.cmap import BrokenFont, read_cmap
from fax_bridge.documents.letters import Missing, boxes_in, missing, named_letters, named_symbols
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused

OURS = typefaces.files()
SANS = typefaces.DIRECTORY / "DejaVuSans.ttf"
CJK = Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")


@pytest.fixture
def cjk() -> Path:
    if not CJK.is_file():
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("fonts-droid-fallback is missing; scripts/ci-packages installs it")
        pytest.skip("fonts-droid-fallback is not installed")
    return CJK


# --- what a font has -----------------------------------------------------------------------------------


def glyph(font: ImageFont.FreeTypeFont, code: int) -> bytes:
    mask = font.getmask(chr(code), mode="L")
    return bytes(mask) + bytes(mask.size[0].to_bytes(2, "big"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_font_has_what_another_reader_draws(path: Path) -> None:
    """FreeType, inside Pillow, draws the box for the others: asked for a thousand characters all over Unicode."""
    font = ImageFont.truetype(path, 24, layout_engine=ImageFont.Layout.BASIC)
    box = glyph(font, 0x10FFFF)
    maps = read_cmap(path)
    codes = [*range(0x21, 0x3000, 29), *range(0x3000, 0x1FFFF, 601)]
    codes = [code for code in codes if not 0xD800 <= code < 0xE000]
    assert [code for code in codes if maps(code) == (glyph(font, code) == box)] == []
    assert 0 < sum(map(maps, codes)) < len(codes)


def test_a_collection_has_what_its_fonts_have(tmp_path: Path) -> None:
    """Several fonts in one file, as CJK fonts mostly come (ISO/IEC 14496-22 §4.6)."""
    fonts = [(typefaces.DIRECTORY / f"DejaVu{name}.ttf").read_bytes() for name in ("SansMono", "Serif")]
    start = 12 + 4 * len(fonts)
    bodies: list[bytes] = []
    starts: list[int] = []
    for font in fonts:
        at = start + sum(map(len, bodies))
        starts.append(at)
        moved = bytearray(font)
        for record in range(12, 12 + 16 * struct.unpack_from(">H", font, 4)[0], 16):
            struct.pack_into(">I", moved, record + 8, struct.unpack_from(">I", font, record + 8)[0] + at)
        bodies.append(bytes(moved))
    path = tmp_path / "two.ttc"
    path.write_bytes(struct.pack(">4sHHI2I", b"ttcf", 1, 0, 2, *starts) + b"".join(bodies))
    maps, mono, serif = (
        read_cmap(p)
        for p in (path, typefaces.DIRECTORY / "DejaVuSansMono.ttf", typefaces.DIRECTORY / "DejaVuSerif.ttf")
    )
    assert all(maps(code) == (mono(code) or serif(code)) for code in range(0x20, 0x10000))
    assert maps(0x2312)
    assert maps(0x1D15)


def test_a_broken_font_is_said_to_be_broken(tmp_path: Path) -> None:
    """Cut off anywhere it is refused or read, and asking it never fails; a text then has no letters from it."""
    whole = SANS.read_bytes()
    path = tmp_path / "cut.ttf"
    refused = 0
    for length in [0, 3, 12, 60, 200, 300, *range(1000, len(whole), len(whole) // 40)]:
        path.write_bytes(whole[:length])
        try:
            maps = read_cmap(path)
        except BrokenFont:
            refused += 1
        else:
            assert maps(0x20AC) in {True, False}
            assert not maps(0x110000)
    assert refused > 5
    path.write_bytes(b"<html>no font</html>")
    assert missing("ж", [path]).letters == ("ж",)
    assert missing("ж", [path, SANS]) == Missing()


def test_our_fonts_have_all_that_is_taken_for_granted() -> None:
    """Latin is not looked up at all; and the scripts of the neighbours are there whole."""
    maps = read_cmap(SANS)
    assert [code for code in range(0x20, 0x250) if not maps(code) and not 0x7F <= code < 0xA0] == []
    for name, text in {
        "Turkish": "ğüşıöçĞÜŞİÖÇ₺",
        "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωΐΰάέήίόύώΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ",
        "Cyrillic": "абвгдеёжзийклмнопрстуфхцчшщъыьэюяґєіїўјљњћџ",
        "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهويىةءآأؤإئپچژگ٠١٢٣٤٥٦٧٨٩",
        "Hebrew": "אבגדהוזחטיכלמנסעפצקרשתךםןףץ",
        "Georgian": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
        "Armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    }.items():
        assert missing(text, OURS) == Missing(), name


# --- what a text lacks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "letters", "symbols"),
    [
        ("Sayın 漢字 yetkili 漢", "漢字", ""),
        ("สวัสดี", "สวัดี", ""),
        ("नमस्ते", "नमस्ते", ""),
        ("정", "정", ""),
        ("Tamam 🦊 👍🏽 \ue123", "", "🦊👍🏽\ue123"),
        ("⁨bidi⁩ \u200d \ufe0f \u3000 \u034f \u115f \u00ad \ufeff", "", ""),
        ("1️⃣ 2️⃣ 🇹🇷", "", "\u20e3🇹🇷"),
        ("⑳ 𝓐", "⑳𝓐", ""),
        ("終わり。", "終わり", "。"),
        ("ğüşıöç Ελλάδα Россия العربية עברית ₺ ✓ ☎ 😀", "", ""),
    ],
)
def test_letters_and_symbols_are_told_apart(text: str, letters: str, symbols: str) -> None:
    """Each once, in the order of the text; what is never seen is not missed."""
    found = missing(text, OURS)
    assert "".join(found.letters) == "".join(dict.fromkeys(letters))
    assert "".join(found.symbols) == symbols


def test_missing_letters_are_named_by_themselves_and_their_scripts() -> None:
    """For a reader who looks for them in the text, and for one whose screen has no such letters either."""
    assert named_letters("漢字") == "漢字 (CJK)"
    assert named_letters("ไทยกขค漢") == "ไทยกข … (Thai, CJK)"
    assert named_symbols("🦊") == "🦊 fox face"
    assert named_symbols("\ue123") == "U+E123"


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (PartKind.TEXT, "Fiyat: 漢字 100 TL".encode()),
        (PartKind.TEXT, "Fiyat: 漢字 100 TL".encode("utf-16")),
        (PartKind.CSV, "ad;tutar\n漢字;100\nx;3\n".encode()),
        (PartKind.HTML, "<p>Fiyat: <b>漢</b>&#23383; 100 TL".encode()),
    ],
)
async def test_a_part_with_letters_that_no_font_has_is_refused(
    documents: Documents, kind: PartKind, data: bytes
) -> None:
    """Through the real worker: the part is named, and which letters."""
    with pytest.raises(DocumentRefused) as refused:
        await documents.build([SourcePart(PartKind.TEXT, "", b"first"), SourcePart(kind, "a", data)])
    assert (refused.value.part, refused.value.reason, refused.value.detail) == (1, "letters_missing", "漢字 (CJK)")


async def test_a_symbol_that_no_font_has_is_told_and_faxed(documents: Documents) -> None:
    """Nobody's mail is held up by a smiley; nobody is left to believe that it arrived."""
    parts = [
        SourcePart(PartKind.TEXT, "", b"first"),
        SourcePart(PartKind.HTML, "", "<p>Tamam 🦊 <style>p::after{content:'🐳'}</style> olur ✓".encode()),
    ]
    made = await documents.build(parts)
    assert made.pages == (1, 1)
    assert made.boxes == ("", "🦊 fox face")


async def test_a_text_can_be_asked_before_it_is_drawn(documents: Documents) -> None:
    """For a cover page that is drawn here, one for each recipient, when it is too late to refuse the mail."""
    assert await documents.boxes_in("<style>p{x:'漢'}</style><p title='漢'>Sayın &lt;yetkili&gt; Ελλ ✓") == ""
    assert await documents.boxes_in("<p>Tamam &#x1F98A;</p>") == "🦊 fox face"
    with pytest.raises(DocumentRefused) as refused:
        await documents.boxes_in("<p>Sayın &#28450;字</p>")
    assert (refused.value.reason, refused.value.detail) == ("letters_missing", "漢字 (CJK)")


async def test_what_libreoffice_draws_as_boxes_is_noticed_too(documents: Documents) -> None:
    """It takes the machine's fonts, and says nothing of what they lack. Cuneiform, which no common font has."""
    if not shutil.which("soffice"):
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("LibreOffice is missing; scripts/ci-packages installs it")
        pytest.skip("LibreOffice is not installed")
    with pytest.raises(DocumentRefused) as refused:
        await documents.build([SourcePart(PartKind.RTF, "a.rtf", rb"{\rtf1\ansi Merhaba \u-10232?\u-9216? son}")])
    assert (refused.value.reason, refused.value.detail) == ("letters_missing", "\U00012000 (Cuneiform)")
    made = await documents.build([SourcePart(PartKind.RTF, "a.rtf", rb"{\rtf1\ansi Merhaba \u287?\u351? son}")])
    assert made.boxes == ("",)


# --- an administrator's fonts ------------------------------------------------------------------------------

_DRAWN = """
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
import plutoprint
from fax_bridge.documents import typefaces
from fax_bridge.documents.html import render
from fax_bridge.documents.pdfium import Canvas, draw, opened
from fax_bridge.fax import Paper
plutoprint.plutobook_set_fontconfig_path(typefaces.fontconfig_directory(Path(sys.argv[1])))
page = f"<p style='font: 20pt {sys.argv[3]}'>{sys.argv[4]}</p>"
with opened(render(page, paper=Paper.A4, most_pages=1), most_pages=1) as document:
    draw(document[0], Canvas.of_page(document[0], 100)).crop((50, 50, 800, 160)).save(sys.argv[2])
"""


def drawn_with(added: Path, out: Path, text: str, family: str = "Arial") -> Image.Image:
    """A line of text as the engine draws it in a process of its own, with these fonts beside ours."""
    command = [sys.executable, "-c", _DRAWN, str(added), str(out), family, text]
    subprocess.run(command, check=True, timeout=60)
    with Image.open(out) as image:
        return image.copy()


def test_an_added_font_draws_what_ours_lack_and_nothing_else(tmp_path: Path, cjk: Path) -> None:
    """A link in the directory is enough. Letters that we have look as before, whatever family a mail asks for."""
    (tmp_path / "none").mkdir()
    added = tmp_path / "fonts"
    added.mkdir()
    (added / "cjk.ttf").symlink_to(cjk)
    (added / "broken.ttf").write_bytes(b"<html>no font</html>")
    (added / "gone.ttf").symlink_to(tmp_path / "nowhere.ttf")
    fonts = typefaces.all_files(added)
    assert boxes_in("漢字カナ ğüşıöç العقد", fonts) == ""
    pictures = {}
    for text in ("漢字カナ", "字漢ナカ", "ğüşıöç العقد Ελλ"):
        for place in (tmp_path / "none", added):
            pictures[text, place] = drawn_with(place, tmp_path / "out.png", text).tobytes()
    assert pictures["漢字カナ", tmp_path / "none"] == pictures["字漢ナカ", tmp_path / "none"], "boxes are all alike"
    assert pictures["漢字カナ", added] != pictures["字漢ナカ", added]
    assert pictures["漢字カナ", added] != pictures["漢字カナ", tmp_path / "none"]
    assert pictures["ğüşıöç العقد Ελλ", added] == pictures["ğüşıöç العقد Ελλ", tmp_path / "none"]
    unknown = [drawn_with(place, tmp_path / "out.png", "ğüşıöç Abc", "Nowhere") for place in (tmp_path / "none", added)]
    assert unknown[0].tobytes() == unknown[1].tobytes()


def test_fonts_are_found_below_and_behind_links(tmp_path: Path) -> None:
    """And nothing else is taken for one; a ring of links comes to an end."""
    (tmp_path / "fonts" / "more").mkdir(parents=True)
    (tmp_path / "fonts" / "more" / "a.OTF").write_bytes(b"")
    (tmp_path / "fonts" / "README").write_bytes(b"")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "b.ttc").write_bytes(b"")
    (tmp_path / "fonts" / "linked").symlink_to(tmp_path / "real")
    assert {path.name for path in typefaces.fonts_in(tmp_path / "fonts")} == {"a.OTF", "b.ttc"}
    (tmp_path / "fonts" / "ring").symlink_to(tmp_path / "fonts")
    assert len(typefaces.fonts_in(tmp_path / "fonts")) <= 200
    assert typefaces.fonts_in(tmp_path / "nowhere") == []


# --- what office2pdf draws ---------------------------------------------------------------------------------

OFFICE = Path(__file__).parents[1] / "data" / "office"


def docx_with(text: str) -> bytes:
    """The sample letter with ``text`` before its first words."""
    out = io.BytesIO()
    with zipfile.ZipFile(OFFICE / "letter.docx") as source, zipfile.ZipFile(out, "w") as made:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                data = re.sub(r"(<w:t(?:\s[^>]*)?>)", rf"\g<1>{text} ", data.decode(), count=1).encode()
            made.writestr(name, data)
    return out.getvalue()


def xlsx_with(text: str) -> bytes:
    cell = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{text}</t></is></c></row>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    types = "application/vnd.openxmlformats-"
    sheets = f"{types}officedocument.spreadsheetml"

    def relation(kind: str, target: str) -> str:
        one = f'<Relationship Id="r1" Type="{office}/{kind}" Target="{target}"/>'
        return f'<Relationships xmlns="{package}/relationships">{one}</Relationships>'

    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Default Extension="rels" ContentType="{types}package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{sheets}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheets}.worksheet+xml"/></Types>',
        "_rels/.rels": relation("officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
        '<sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relation("worksheet", "worksheets/sheet1.xml"),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cell}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def office2pdf() -> None:
    pytest.importorskip("office2pdf", reason="the extra fax-bridge[office] is not installed")


@pytest.mark.usefixtures("office2pdf")
@pytest.mark.parametrize(("kind", "make"), [(PartKind.DOCX, docx_with), (PartKind.XLSX, xlsx_with)])
async def test_what_the_converter_of_office_files_draws_as_boxes_is_noticed(
    documents: Documents, kind: PartKind, make: Callable[[str], bytes]
) -> None:
    """It tells of some letters that no font has, and of others not; its pages tell of all."""
    with pytest.raises(DocumentRefused) as refused:
        await documents.build([SourcePart(kind, "a", make("Merhaba \U00012000"))])
    assert (refused.value.reason, refused.value.detail) == ("letters_missing", "\U00012000 (Cuneiform)")
    made = await documents.build([SourcePart(kind, "a", make("Tamam 🦊")), SourcePart(kind, "b", make("ğş Ελλ العقد"))])
    assert made.boxes == ("🦊 fox face", "")
