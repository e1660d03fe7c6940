"""The parts of a mail as one PDF: each kind, in order, all of it or a refusal that names the part."""

import io
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name, String
from PIL import Image, ImageChops, ImageDraw

from fax_bridge.documents import build
from fax_bridge.documents.job import Limits, Task
from fax_bridge.documents.worker import Built, Documents, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import PAPER_POINTS, PageFacts, Paper, Resolution

A4 = PAPER_POINTS[Paper.A4]
LETTERS = "ğüşıöç ĞÜŞİÖÇ"
LIMITS = Limits(pages=50, image_pixels=20_000_000)


@pytest.fixture
def built(tmp_path: Path) -> Any:
    """The job itself, without the worker process around it: ``built(*parts, paper=...)``."""

    def run(*parts: SourcePart, paper: Paper = Paper.A4, resolution: Resolution = Resolution.FINE) -> Built:
        blobs = [part.data for part in parts]
        described = []
        for index, part in enumerate(parts):
            images = {}
            for name, picture in part.images.items():
                images[name] = str(len(blobs))
                blobs.append(picture)
            described.append(
                {
                    "kind": part.kind,
                    "data": str(index),
                    "images": images,
                    "decoration": part.decoration,
                    "by_libreoffice": False,
                }
            )
        for index, blob in enumerate(blobs):
            (tmp_path / str(index)).write_bytes(blob)
        pdf, result = build.work(Task(tmp_path, LIMITS), {"parts": described, "paper": paper, "resolution": resolution})
        facts = tuple(PageFacts(**page) for page in result["facts"])
        return Built(pdf, tuple(result["pages"]), tuple(result["left_out"]), tuple(result["boxes"]), facts)

    return run


# --- documents to send -----------------------------------------------------------------------------------


def part(kind: PartKind, data: bytes, images: Mapping[str, bytes] | None = None) -> SourcePart:
    return SourcePart(kind, f"a.{kind}", data, images or {})


def saved(pdf: pikepdf.Pdf, **options: Any) -> bytes:
    out = io.BytesIO()
    pdf.save(out, **options)
    return out.getvalue()


def words_pdf(*texts: str, size: tuple[float, float] = (595, 842), **options: Any) -> bytes:
    """A page for each text."""
    with pikepdf.new() as pdf:
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        for text in texts:
            page = pdf.add_blank_page(page_size=size)
            page.Resources = Dictionary(Font=Dictionary(F=font))
            page.Contents = pdf.make_stream(f"BT /F 24 Tf 72 700 Td ({text}) Tj ET".encode())
        return saved(pdf, **options)


def picture_bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def arrow(width: int = 400, height: int = 800, mode: str = "RGB") -> Image.Image:
    """White, with a black quarter at the top left: which way up it stands can be seen."""
    image = Image.new(mode, (width, height), "white")
    ImageDraw.Draw(image).rectangle((0, 0, width // 2, height // 2), fill="black")
    return image


# --- looking at the result -------------------------------------------------------------------------------


def texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        return [str(page.get_textpage().get_text_range()) for page in document]


def drawn(pdf: bytes, page: int = 0, dpi: float = 72) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        image: Image.Image = document[page].render(scale=dpi / 72).to_pil().convert("L")
        return image


def on_sheet(image: Image.Image, width: float, height: float) -> Image.Image:
    """Where a page smaller than A4 lies on its sheet: at the top, in the middle. Sizes in points."""
    scale = image.width / A4[0]
    left = (image.width - width * scale) / 2
    return image.crop((round(left), 0, round(left + width * scale), round(height * scale)))


def ink_box(image: Image.Image) -> tuple[int, int, int, int]:
    box = ImageChops.invert(image).point(lambda value: 255 if value > 100 else 0).getbbox()
    assert box is not None
    return box


def darkness(image: Image.Image, box: Sequence[float]) -> float:
    """How much of a box is ink, 0 to 1."""
    cut = image.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))
    return 1 - sum(cut.tobytes()) / (255 * cut.width * cut.height)


# --- everything together ---------------------------------------------------------------------------------


async def test_all_kinds_become_one_document_in_the_order_of_the_mail(documents: Documents) -> None:
    """Through the real worker: each part's pages are counted, and their sum is the document's."""
    tiff = io.BytesIO()
    sheets = [Image.new("1", (1728, 1145), 255) for _ in range(2)]
    sheets[0].save(tiff, "TIFF", compression="group4", dpi=(204, 98), save_all=True, append_images=sheets[1:])
    parts = [
        part(PartKind.PDF, words_pdf("first", "second")),
        part(PartKind.TEXT, f"{LETTERS}\fikinci".encode()),
        part(PartKind.JPEG, picture_bytes(arrow(), "JPEG")),
        part(PartKind.HTML, f"<p>{LETTERS} <img src='cid:x@y'>".encode(), {"x@y": picture_bytes(arrow(), "PNG")}),
        part(PartKind.TIFF, tiff.getvalue()),
        part(PartKind.PNG, picture_bytes(arrow(), "PNG")),
    ]
    made = await documents.build(parts)
    assert made.pages == (2, 2, 1, 1, 2, 1)
    found = texts(made.pdf)
    assert len(found) == 9
    assert [text.strip() for text in found[:4]] == ["first", "second", LETTERS, "ikinci"]
    assert LETTERS in found[5]
    assert darkness(drawn(made.pdf, 5), (0, 0, *A4)) > 0.02


async def test_the_refused_part_is_named_by_its_place(documents: Documents) -> None:
    """The first part that cannot be shown refuses the whole; nothing is left out in silence."""
    parts = [part(PartKind.TEXT, b"x"), part(PartKind.PNG, b"no picture"), part(PartKind.PDF, b"no pdf")]
    with pytest.raises(DocumentRefused) as refused:
        await documents.build(parts)
    assert (refused.value.part, refused.value.reason) == (1, "image_broken")


def test_the_same_parts_give_the_same_bytes(built: Any) -> None:
    """What is built again after a crash has the same checksum."""
    parts = [
        part(PartKind.PDF, words_pdf("x")),
        part(PartKind.TEXT, b"y"),
        part(PartKind.PNG, picture_bytes(arrow(), "PNG")),
    ]
    assert built(*parts).pdf == built(*parts).pdf


def test_pages_are_counted_over_all_parts(built: Any) -> None:
    """The part that crosses the limit is the one that is named."""
    many = part(PartKind.PDF, words_pdf(*["x"] * 30))
    with pytest.raises(DocumentRefused) as refused:
        built(many, many)
    assert (refused.value.part, refused.value.reason) == (1, "too_many_pages")


# --- PDF -------------------------------------------------------------------------------------------------


def test_an_owner_password_is_no_hindrance(built: Any) -> None:
    """Whoever can read it can print it; the document that goes out is not encrypted."""
    locked = words_pdf("text", encryption=pikepdf.Encryption(owner="secret", user="", R=6))
    made = built(part(PartKind.PDF, locked))
    assert texts(made.pdf)[0].strip() == "text"
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        assert not pdf.is_encrypted


@pytest.mark.parametrize("revision", [3, 4, 6])
def test_a_user_password_is_told(built: Any, revision: Any) -> None:
    """The sender can take it off."""
    locked = words_pdf(
        "text", encryption=pikepdf.Encryption(owner="a", user="b", R=revision, aes=revision > 3, metadata=revision > 3)
    )
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.PDF, locked))
    assert refused.value.reason == "pdf_password"


def broken(how: str) -> bytes:
    whole = words_pdf("still here", object_stream_mode=pikepdf.ObjectStreamMode.disable)
    match how:
        case "wrong startxref":
            return whole[: whole.rindex(b"startxref")] + b"startxref\n7\n%%EOF\n"
        case "no cross reference":
            return whole[: whole.rindex(b"xref\n0")] + b"%\n"
        case "junk in front":
            return b"\r\njunk from a mail gateway\r\n" + whole
        case "junk behind":
            return whole + b"\0" * 3000
        case _:
            raise ValueError(how)


@pytest.mark.parametrize("how", ["wrong startxref", "no cross reference", "junk in front", "junk behind"])
def test_a_broken_pdf_that_can_be_mended_is(built: Any, how: str) -> None:
    """What a reader would show is faxed."""
    assert texts(built(part(PartKind.PDF, broken(how))).pdf)[0].strip() == "still here"


@pytest.mark.parametrize("mode", ["disable", "generate"])
def test_a_pdf_that_was_cut_off_is_never_faxed_with_pages_blank_or_missing(built: Any, mode: str) -> None:
    """qpdf mends a cut file to blank pages and says nothing; that would be an incomplete fax reported as sent."""
    wanted = [f"page {number}" for number in range(12)]
    whole = words_pdf(*wanted, object_stream_mode=getattr(pikepdf.ObjectStreamMode, mode))
    outcomes: set[bool | str] = set()
    for cut in range(len(whole) // 50, len(whole), len(whole) // 50):
        try:
            found = texts(built(part(PartKind.PDF, whole[:cut])).pdf)
            outcomes.add([text.strip() for text in found] == wanted)
        except DocumentRefused as refused:
            outcomes.add(refused.reason)
    assert outcomes <= {True, "pdf_broken"}
    assert "pdf_broken" in outcomes


def test_a_ring_in_the_page_tree_gets_a_second_chance(built: Any) -> None:
    """qpdf refuses it, PDFium reads it."""
    with pikepdf.open(io.BytesIO(words_pdf("a", "b"))) as pdf:
        pdf.Root.Pages.Kids.append(pdf.Root.Pages)
        ring = saved(pdf)
    made = built(part(PartKind.PDF, ring))
    assert [text.strip() for text in texts(made.pdf)][:2] == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj", b"MZ\0\0", b"<html></html>"])
def test_what_is_no_pdf_is_refused(built: Any, data: bytes) -> None:
    """In words, with the engine's own for the operator."""
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.PDF, data))
    assert refused.value.reason in {"pdf_broken", "pdf_empty"}
    assert refused.value.detail or refused.value.reason == "pdf_empty"


def test_a_pdf_without_pages_is_refused(built: Any) -> None:
    """A fax of nothing is not sent."""
    with pikepdf.new() as pdf:
        empty = saved(pdf)
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.PDF, empty))
    assert refused.value.reason == "pdf_empty"


def test_what_acts_stays_behind(built: Any) -> None:
    """Scripts, opening actions, attachments, links and thumbnails do not come with the pages."""
    with pikepdf.open(io.BytesIO(words_pdf("text"))) as pdf:
        script = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))
        pdf.Root.OpenAction = script
        pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("a"), script])))
        pdf.attachments["evil.exe"] = b"MZ the attachment"
        page = pdf.pages[0]
        page.AA = Dictionary(O=script)
        page.Annots = Array(
            [
                Dictionary(
                    Type=Name.Annot,
                    Subtype=Name.Link,
                    Rect=[0, 0, 9, 9],
                    A=Dictionary(S=Name.URI, URI=String("http://h")),
                ),
                Dictionary(Type=Name.Annot, Subtype=Name.Square, Rect=[300, 300, 400, 400], F=4, C=[0, 0, 0], A=script),
            ]
        )
        acting = saved(pdf)
    made = built(part(PartKind.PDF, acting))
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        plain = saved(
            pdf,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        )
        assert len(pdf.attachments) == 0
    for gone in (b"JavaScript", b"app.alert", b"http://h", b"/AA", b"OpenAction", b"MZ the", b"EmbeddedFile"):
        assert gone not in plain
    assert b"/Square" in plain, "what is drawn stays"


def test_a_hidden_layer_stays_hidden(built: Any) -> None:
    """Whether a layer shows is said outside the page; copied alone, the page would show what nobody meant to send."""

    def layered(label: str, **configuration: Any) -> bytes:
        with pikepdf.new() as pdf:
            page = pdf.add_blank_page(page_size=(200, 200))
            layers = [pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String(f"{label}{n}"))) for n in range(2)]
            layers[1].Usage = Dictionary(Print=Dictionary(PrintState=Name.OFF))
            page.Resources = Dictionary(Properties=Dictionary(L0=layers[0], L1=layers[1]))
            page.Contents = pdf.make_stream(b"/OC /L0 BDC 0 100 100 100 re f EMC /OC /L1 BDC 100 0 100 100 re f EMC")
            chosen: dict[str, Any] = dict(configuration)
            for key in chosen.keys() & {"ON", "OFF"}:
                chosen[key] = Array([layers[number] for number in chosen[key]])
            if chosen.pop("print", False):
                chosen["AS"] = Array([Dictionary(Event=Name.Print, Category=[Name.Print], OCGs=Array(layers))])
            pdf.Root.OCProperties = Dictionary(OCGs=Array(layers), D=Dictionary(**chosen))
            return saved(pdf)

    cases = [
        (layered("a", OFF=[0]), (False, True)),
        (layered("b", BaseState=Name.OFF, ON=[0]), (True, False)),
        (layered("c", OFF=[]), (True, True)),
        (layered("d", print=True), (True, False)),
    ]
    made = built(*(part(PartKind.PDF, data) for data, _ in cases))
    for number, (_, (upper_left, lower_right)) in enumerate(cases):
        image = on_sheet(drawn(made.pdf, number), 200, 200)
        assert (darkness(image, (10, 10, 90, 90)) > 0.9) == upper_left, number
        assert (darkness(image, (110, 110, 190, 190)) > 0.9) == lower_right, number


def test_layers_of_a_damaged_file_are_not_shown_by_mistake(built: Any) -> None:
    """The second chance cannot tell which were hidden; then it is none."""
    with pikepdf.open(io.BytesIO(words_pdf("a"))) as pdf:
        layer = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("hidden")))
        pdf.pages[0].Resources.Properties = Dictionary(L=layer)
        pdf.Root.OCProperties = Dictionary(OCGs=Array([layer]), D=Dictionary(OFF=Array([layer])))
        pdf.Root.Pages.Kids.append(pdf.Root.Pages)
        ring = saved(pdf)
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.PDF, ring))
    assert refused.value.reason == "pdf_broken"
    assert "layers" in refused.value.detail


def test_a_portfolio_and_a_dynamic_form_are_refused(built: Any) -> None:
    """Their one page says "open me elsewhere"; faxing that would be reported as a success."""
    with pikepdf.open(io.BytesIO(words_pdf("open me in another program"))) as pdf:
        pdf.Root.Collection = Dictionary(Type=Name.Collection)
        portfolio = saved(pdf)
    with pikepdf.open(io.BytesIO(words_pdf("please wait"))) as pdf:
        pdf.Root.NeedsRendering = True
        pdf.Root.AcroForm = Dictionary(Fields=Array(), XFA=String("<xdp/>"))
        form = saved(pdf)
    for data, reason in ((portfolio, "pdf_portfolio"), (form, "pdf_dynamic_form")):
        with pytest.raises(DocumentRefused) as refused:
            built(part(PartKind.PDF, data))
        assert refused.value.reason == reason


def form(*fields: dict[str, Any], needs: bool = True) -> bytes:
    """A page of text fields, each 30 points high, from the top down."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(400, 300))
        widgets = Array()
        for number, given in enumerate(fields):
            top = 280 - 50 * number
            entries: dict[str, Any] = {
                "Type": Name.Annot,
                "Subtype": Name.Widget,
                "FT": Name.Tx,
                "T": String(f"field{number}"),
                "F": 4,
                "Rect": Array([50, top - 30, 350, top]),
                "DA": String("/Helv 14 Tf 0 g"),
                "P": page.obj,
            }
            widgets.append(pdf.make_indirect(Dictionary(**(entries | given))))
        page.Annots = pdf.make_indirect(Array(list(widgets)))
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        resources = Dictionary(Font=Dictionary(Helv=font))
        pdf.Root.AcroForm = Dictionary(Fields=widgets, NeedAppearances=needs, DR=resources)
        return saved(pdf)


def test_a_filled_form_shows_its_values_turkish_ones_too(built: Any) -> None:
    """Also where the program that filled it left the drawing to the reader."""
    options = Array([Array([String("34"), String("İstanbul")]), Array([String("06"), String("Ankara")])])
    made = built(
        part(
            PartKind.PDF,
            form(
                {"V": String("Ayşe Yıldız, ĞİÇ")},
                {"V": String("34"), "FT": Name.Ch, "Opt": options},
                {"V": String("sağda"), "Q": 2},
                {"V": String("birinci satır\rikinci satır"), "Ff": 1 << 12},
                {"V": Name.Yes, "FT": Name.Btn, "AS": Name.Yes},
            ),
        )
    )
    (text,) = texts(made.pdf)
    for value in ("Ayşe Yıldız, ĞİÇ", "İstanbul", "sağda", "birinci satır", "ikinci satır", "✔"):
        assert value in text
    assert "34" not in text
    image = on_sheet(drawn(made.pdf, dpi=144), 400, 300)
    for number in range(5):
        top = 2 * (20 + 50 * number)
        assert darkness(image, (100, top, 700, top + 60)) > 0.001
    right = ink_box(image.crop((100, 240, 700, 300)))
    assert right[2] > 570, "aligned to the right"
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        assert Name.AcroForm not in pdf.Root
        assert Name.Annots not in pdf.pages[0]


def test_a_form_whose_values_are_drawn_already_is_left_as_it_looks(built: Any) -> None:
    """The program's own drawing is kept; nothing is drawn twice."""
    with pikepdf.open(io.BytesIO(form({"V": String("value")}, needs=False))) as pdf:
        box = pdf.make_stream(b"0 0 150 30 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 300, 30])
        pdf.pages[0].Annots[0].AP = Dictionary(N=box)
        own = saved(pdf)
    made = built(part(PartKind.PDF, own))
    assert texts(made.pdf)[0].strip() == ""
    assert ink_box(on_sheet(drawn(made.pdf), 400, 300)) == pytest.approx((50, 20, 200, 50), abs=1)


def test_a_long_value_is_made_smaller_not_cut(built: Any) -> None:
    """A field that is too small for its words shows all of them all the same."""
    words = " ".join(f"söz{number}" for number in range(60))
    made = built(part(PartKind.PDF, form({"V": String(words), "Ff": 1 << 12}, {"V": String(words[:90])})))
    text = " ".join(texts(made.pdf)[0].split())
    assert "söz59" in text
    assert ink_box(on_sheet(drawn(made.pdf), 400, 300))[2] <= 351


def test_a_mark_of_a_reader_stays(built: Any) -> None:
    """A highlight with its own appearance is drawn onto the page."""
    with pikepdf.open(io.BytesIO(words_pdf("text"))) as pdf:
        box = pdf.make_stream(b"0 0 50 20 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 50, 20])
        pdf.pages[0].Annots = Array(
            [Dictionary(Type=Name.Annot, Subtype=Name.Highlight, Rect=[300, 100, 350, 120], F=4, AP=Dictionary(N=box))]
        )
        marked = saved(pdf)
    image = drawn(built(part(PartKind.PDF, marked)).pdf)
    assert darkness(image, (301, 842 - 119, 349, 842 - 101)) > 0.95


# --- the paper -------------------------------------------------------------------------------------------


def shaped(width: float, height: float, **entries: Any) -> bytes:
    """A page with a circle in its middle and a black square at its upper left; its box begins at (30, 40)."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(10, 10))
        page.MediaBox = Array([30, 40, 30 + width, 40 + height])
        radius, square = min(width, height) / 4, min(width, height) / 10
        x, y, k = 30 + width / 2, 40 + height / 2, radius * 0.5523
        r = radius
        page.Contents = pdf.make_stream(
            f"30 {40 + height - square} {square} {square} re f {x + r} {y} m "
            f"{x + r} {y + k} {x + k} {y + r} {x} {y + r} c {x - k} {y + r} {x - r} {y + k} {x - r} {y} c "
            f"{x - r} {y - k} {x - k} {y - r} {x} {y - r} c {x + k} {y - r} {x + r} {y - k} {x + r} {y} c f".encode()
        )
        for name, value in entries.items():
            page.obj[f"/{name}"] = value
        return saved(pdf)


SHAPES: dict[str, tuple[bytes, float, str]] = {
    # the page, how much larger or smaller it is on the sheet, and the corner that holds the square
    "A4": (shaped(595.276, 841.89), 1, "upper left"),
    "letter": (shaped(612, 792), 1, "upper left"),
    "A5": (shaped(420, 595), 1, "upper left"),
    "a receipt": (shaped(200, 500), 1, "upper left"),
    "A3": (shaped(842, 1191), 0.707, "upper left"),
    "a drawing": (shaped(2384, 3370), 0.2497, "upper left"),
    "too long": (shaped(500, 4000), 0.2105, "upper left"),
    "A4 on its side": (shaped(842, 595), 1, "upper right"),
    "A3 on its side": (shaped(1191, 842), 0.707, "upper right"),
    "a small label on its side": (shaped(300, 100), 1, "upper left"),
    "turned by a quarter": (shaped(842, 595, Rotate=90), 1, "upper right"),
    "turned by three quarters": (shaped(842, 595, Rotate=270), 1, "lower left"),
    "turned to its side": (shaped(595, 842, Rotate=90), 1, "lower right"),
    "upside down": (shaped(595, 842, Rotate=180), 1, "lower right"),
    "in units of half an inch": (shaped(16.5, 23.4, UserUnit=36), 1, "upper left"),
    "corners the other way round": (shaped(420, 595, MediaBox=Array([450, 635, 30, 40])), 1, "upper left"),
    "a box without an area": (shaped(612, 792, CropBox=Array([0, 0, 0, 0])), 1, "upper left"),
    "three million points": (shaped(3_000_000, 3_000_000), 595.276 / 3e6, "upper left"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_of_any_shape_is_put_on_the_paper_whole_and_in_its_proportions(built: Any, shape: str) -> None:
    """The circle stays round and as large as the paper allows, the corner stays on the sheet."""
    data, scale, corner = SHAPES[shape]
    made = built(part(PartKind.PDF, data))
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf, pikepdf.open(io.BytesIO(data)) as own:
        sheet = [float(edge) for edge in pdf.pages[0].mediabox]
        box = [float(edge) for edge in own.pages[0].mediabox]
    assert sheet[2] - sheet[0] == pytest.approx(A4[0], rel=0.031)
    assert sheet[3] - sheet[1] == pytest.approx(A4[1], rel=0.031)
    unit = 36 if shape.startswith("in units") else 1
    diameter = min(abs(box[2] - box[0]), abs(box[3] - box[1])) / 2 * unit * scale
    image = drawn(made.pdf, dpi=144)
    left, top, right, bottom = ink_box(image)
    square = diameter / 5 * 2
    corners = {
        "upper left": (left, top),
        "upper right": (right - square, top),
        "lower left": (left, bottom - square),
        "lower right": (right - square, bottom - square),
    }
    x, y = corners[corner]
    assert darkness(image, (x + 2, y + 2, x + square - 2, y + square - 2)) > 0.9
    ImageDraw.Draw(image).rectangle((x - 2, y - 2, x + square + 2, y + square + 2), fill="white")
    left, top, right, bottom = ink_box(image)
    assert (right - left) / 2 == pytest.approx(diameter, rel=0.02, abs=1)
    assert (bottom - top) / 2 == pytest.approx(diameter, rel=0.02, abs=1)


def test_what_a_page_hides_beside_its_box_stays_hidden(built: Any) -> None:
    """A larger sheet must not show what was cut away: printers' marks, or a part that a person cropped off."""
    hiding = shaped(842, 1191, CropBox=Array([100, 100, 300, 300]))
    image = drawn(built(part(PartKind.PDF, hiding)).pdf)
    whole = shaped(842, 1191)
    assert darkness(drawn(built(part(PartKind.PDF, whole)).pdf), (0, 0, *A4)) > 0.05
    assert darkness(image, (0, 205, *A4)) == 0


def test_a_note_of_a_reader_that_has_no_picture_of_its_own_is_not_lost(built: Any) -> None:
    """It is drawn by whoever shows the page, so the page is left as it is."""
    with pikepdf.open(io.BytesIO(shaped(842, 1191))) as pdf:
        pdf.pages[0].Annots = Array(
            [
                Dictionary(
                    Type=Name.Annot, Subtype=Name.Square, Rect=[600, 100, 700, 200], F=4, C=[0, 0, 0], IC=[0, 0, 0]
                )
            ]
        )
        noted = saved(pdf)
    image = drawn(built(part(PartKind.PDF, noted)).pdf)
    assert darkness(image, (600 - 30 + 10, 1191 - 160 + 45, 690 - 30, 1191 - 65)) > 0.9


# --- pictures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_whatever_the_camera_held(built: Any, orientation: int) -> None:
    """EXIF orientation 1 to 8: the black quarter is at the top left of the picture each time."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = arrow()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    made = built(part(PartKind.JPEG, picture_bytes(stored, "JPEG", exif=exif, dpi=(100, 100), quality=95)))
    left, top, right, bottom = ink_box(drawn(made.pdf))
    assert (right - left, bottom - top) == pytest.approx((144, 288), abs=2)
    assert left == pytest.approx((A4[0] - 288) / 2, abs=2)
    assert top == pytest.approx(28, abs=2)


MODES: dict[str, Image.Image] = {
    "RGB": arrow(),
    "L": arrow(mode="L"),
    "1": arrow(mode="1"),
    "P": arrow().quantize(4),
    "LA": Image.merge("LA", (Image.new("L", (400, 800), 0), ImageChops.invert(arrow(mode="L")))),
    "RGBA": Image.merge("RGBA", (*(Image.new("L", (400, 800), 0),) * 3, ImageChops.invert(arrow(mode="L")))),
    "I;16": arrow(mode="L").convert("I").point(lambda value: value * 257).convert("I;16"),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_png_of_any_kind_is_black_on_white(built: Any, mode: str) -> None:
    """Palettes, 16 bits, and what is transparent: white paper below, not black."""
    made = built(part(PartKind.PNG, picture_bytes(MODES[mode], "PNG", dpi=(100, 100))))
    image = drawn(made.pdf)
    left, top = (A4[0] - 288) / 2, 28.35
    assert darkness(image, (left + 2, top + 2, left + 142, top + 286)) > 0.98
    assert darkness(image, (left + 146, top + 2, left + 286, top + 570)) < 0.02


def test_a_transparent_colour_of_a_palette_is_paper(built: Any) -> None:
    """A palette's transparent entry often holds black."""
    picture = Image.new("P", (100, 100), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    ImageDraw.Draw(picture).rectangle((0, 0, 49, 99), fill=1)
    made = built(part(PartKind.PNG, picture_bytes(picture, "PNG", transparency=0, dpi=(72, 72))))
    image = drawn(made.pdf)
    middle = A4[0] / 2
    assert darkness(image, (middle - 40, 40, middle - 10, 100)) > 0.5
    assert darkness(image, (middle + 10, 40, middle + 40, 100)) < 0.02


def test_a_jpeg_for_printers_keeps_black_and_white_apart(built: Any) -> None:
    """CMYK, which Photoshop writes inverted."""
    made = built(part(PartKind.JPEG, picture_bytes(arrow().convert("CMYK"), "JPEG", dpi=(100, 100), quality=95)))
    image = drawn(made.pdf)
    left = (A4[0] - 288) / 2
    assert darkness(image, (left + 4, 34, left + 140, 300)) > 0.9
    assert darkness(image, (left + 150, 34, left + 284, 590)) < 0.05


@pytest.mark.parametrize("paper", Paper)
def test_a_wide_picture_is_turned_and_fills_the_paper(built: Any, paper: Paper) -> None:
    """A landscape photo is larger upright; its shape stays, and the page is the chosen paper."""
    made = built(part(PartKind.JPEG, picture_bytes(Image.new("RGB", (3000, 2000), "black"), "JPEG")), paper=paper)
    width, height = PAPER_POINTS[paper]
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        assert [float(edge) for edge in pdf.pages[0].mediabox] == pytest.approx([0, 0, width, height], abs=0.01)
    left, top, right, bottom = ink_box(drawn(made.pdf))
    assert (bottom - top) / (right - left) == pytest.approx(1.5, rel=0.01)
    assert left >= 28
    assert right - left > width * 0.85 or bottom - top > height * 0.85


def test_a_small_picture_is_not_blown_up_nor_turned(built: Any) -> None:
    """A logo of 200 by 100 pixels is 53 by 26 millimetres, as it would be on a screen."""
    made = built(part(PartKind.PNG, picture_bytes(Image.new("L", (200, 100), 0), "PNG")))
    left, top, right, bottom = ink_box(drawn(made.pdf))
    assert (right - left, bottom - top) == pytest.approx((150, 75), abs=2)


def test_a_scan_of_the_sheet_itself_gets_no_margin(built: Any) -> None:
    """A page that was scanned at 200 dpi comes out in its own size, not a little smaller."""
    scan = Image.new("1", (1654, 2339), 0)
    made = built(part(PartKind.PNG, picture_bytes(scan, "PNG", dpi=(200, 200))))
    assert ink_box(drawn(made.pdf)) == pytest.approx((0, 0, 595, 842), abs=1)
    with pikepdf.open(io.BytesIO(made.pdf)) as pdf:
        assert pdf.pages[0].resources.XObject["/Im"].Filter == Name.CCITTFaxDecode


WHITE = Image.new("RGB", (400, 800), "white")
FORMATS: dict[PartKind, list[bytes]] = {
    PartKind.GIF: [picture_bytes(arrow(), "GIF"), picture_bytes(arrow(), "GIF", save_all=True, append_images=[WHITE])],
    PartKind.BMP: [picture_bytes(arrow(), "BMP"), picture_bytes(arrow(mode="1"), "BMP")],
    PartKind.WEBP: [
        picture_bytes(arrow(), "WEBP"),
        picture_bytes(arrow().convert("RGBA"), "WEBP", save_all=True, append_images=[WHITE.convert("RGBA")]),
    ],
    PartKind.AVIF: [picture_bytes(arrow(), "AVIF", quality=90)],
    PartKind.PNG: [picture_bytes(arrow(), "PNG", save_all=True, append_images=[WHITE])],
    PartKind.JPEG: [picture_bytes(arrow(), "MPO", save_all=True, append_images=[WHITE], quality=90)],
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_any_known_format_is_faxed_and_of_several_the_first(built: Any, kind: PartKind) -> None:
    """GIF, BMP, WebP, AVIF; the first frame of an animation, the first picture of a phone's MPO."""
    for data in FORMATS[kind]:
        image = drawn(built(part(kind, data)).pdf)
        left, top, right, bottom = ink_box(image)
        assert (bottom - top) / (right - left) == pytest.approx(2, rel=0.03)
        assert darkness(image, (left + 4, top + 4, right - 4, bottom - 4)) > 0.95


def test_a_logo_is_left_out_and_a_point_too_and_the_reason_is_told(built: Any) -> None:
    """Only where the mail's reader says that nobody attached it; a point is never a page."""
    logo, point = (picture_bytes(Image.new("L", size, 0), "PNG") for size in ((220, 70), (1, 1)))
    page = picture_bytes(Image.new("L", (827, 1169), 0), "PNG", dpi=(100, 100))
    decoration = [SourcePart(PartKind.PNG, "image001.png", data, decoration=True) for data in (logo, page, point)]
    made = built(*decoration, part(PartKind.PNG, logo), part(PartKind.PNG, point))
    assert made.pages == (0, 1, 0, 1, 0)
    assert made.left_out == ("inline_picture_unreferenced", "", "tracking_pixel", "", "tracking_pixel")
    assert built(decoration[0]).pdf == b""


def test_pictures_that_lie_about_themselves_are_refused(built: Any) -> None:
    """Cut short, too large, or no picture at all."""
    photo = picture_bytes(Image.effect_noise((600, 600), 80), "JPEG")
    huge = picture_bytes(Image.new("1", (6000, 6000)), "PNG")
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"
    for data, reason in (
        (photo[: len(photo) // 2], "image_broken"),
        (huge, "image_too_large"),
        (eps, "image_broken"),
        (b"", "image_broken"),
        (picture_bytes(arrow(), "PPM"), "image_broken"),
    ):
        with pytest.raises(DocumentRefused) as refused:
            built(part(PartKind.PNG, data))
        assert refused.value.reason == reason


def test_a_tiff_that_is_to_be_sent_is_sent_whole_or_not_at_all(built: Any) -> None:
    """A received fax may miss a page and say so; one that is sent may not."""
    good, out = Image.new("1", (1728, 1145), 255), io.BytesIO()
    good.save(out, "TIFF", compression="group4", dpi=(204, 98))
    whole = out.getvalue()
    assert built(part(PartKind.TIFF, whole)).pages == (1,)
    (unknown,) = (whole.replace(b"\x03\x01\x03\0\x01\0\0\0\x04\0", b"\x03\x01\x03\0\x01\0\0\0\x65\x87"),)
    assert unknown != whole
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.TIFF, unknown))
    assert refused.value.reason == "tiff_broken"
    assert "page 1" in refused.value.detail


# --- text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1254", "iso8859-9"])
def test_turkish_text_is_read_in_any_of_its_encodings(built: Any, encoding: str) -> None:
    """UTF-8 and UTF-16 with their marks, else Turkish Windows."""
    made = built(part(PartKind.TEXT, f"{LETTERS} âîû".encode(encoding)))
    assert texts(made.pdf)[0].strip() == f"{LETTERS} âîû"


def test_lines_tabs_and_form_feeds_stand_where_they_should(built: Any) -> None:
    """Each tab goes to the next eighth column, each form feed to the next page."""
    made = built(part(PartKind.TEXT, b"a\tb\r\n12345678x\r\n\r\n  <b>&amp;\fnext\f\flast\n\n"))
    assert made.pages == (4,)
    found = texts(made.pdf)
    assert [line.rstrip() for line in found[0].splitlines() if line.strip()] == ["a b", "12345678x", "<b>&amp;"] or (
        found[0].split() == ["a", "b", "12345678x", "<b>&amp;"]
    )
    assert [text.strip() for text in found[1:]] == ["next", "", "last"]
    with pypdfium2.PdfDocument(made.pdf) as document:
        page = document[0].get_textpage()
        text = page.get_text_range()
        assert page.get_charbox(text.index("b"))[0] == pytest.approx(page.get_charbox(text.index("x"))[0], abs=0.6)


def test_long_lines_are_broken_not_cut(built: Any) -> None:
    """Words or one endless one: the last letter is on the page."""
    for line in ("word " * 400 + "END", "x" * 3000 + "END"):
        made = built(part(PartKind.TEXT, line.encode()))
        with pypdfium2.PdfDocument(made.pdf) as document:
            page = document[len(document) - 1]
            text = page.get_textpage()
            content = text.get_text_range()
            assert content.rstrip().endswith("END")
            assert max(text.get_charbox(n)[2] for n in range(text.count_chars())) < A4[0] - 28


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "text_empty"), (b" \r\n\t", "text_empty"), (b"\x7fELF\x02\0\0\0", "text_undecodable"),
     (b"\x81\x8d", "text_undecodable"), (b"\xff\xfea", "text_undecodable"), (b"\n" * 9000 + b"x", "too_many_pages"),
     (b"x" * 500_000, "too_many_pages")],
)  # fmt: skip
def test_text_that_is_none_is_refused(built: Any, data: bytes, reason: str) -> None:
    """Nothing to read, no text, or a novel."""
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.TEXT, data))
    assert refused.value.reason == reason


# --- HTML ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        f"<p>{LETTERS}".encode(),
        f"\ufeff<p>{LETTERS}".encode(),
        f"<p>{LETTERS}".encode("utf-16"),
        f'<meta charset="windows-1254"><p>{LETTERS}'.encode("cp1254"),
        f'<meta http-equiv=Content-Type content="text/html; charset=iso-8859-9"><p>{LETTERS}'.encode("iso8859-9"),
        f'<meta charset="no-such-thing"><p>{LETTERS}'.encode(),
        f'<meta charset="rot13"><p>{LETTERS}'.encode(),
        f"<p>{LETTERS}".encode("cp1254"),
    ],
)
def test_html_is_read_as_it_says_or_as_turkish(built: Any, data: bytes) -> None:
    """Its mark, its own word if there is such an encoding, UTF-8, Turkish Windows."""
    assert LETTERS in texts(built(part(PartKind.HTML, data)).pdf)[0]


def test_a_mail_is_black_on_white_on_a_fax(built: Any) -> None:
    """Pale grey on dark blue would come out as dots that nobody can read."""
    html = b'<table width=100% bgcolor="#000080"><tr><td style="color:#eee;background:#000080">pale words</table>'
    image = drawn(built(part(PartKind.HTML, html)).pdf, dpi=100)
    assert 0 < darkness(image, (0, 0, image.width, image.height)) < 0.01
    assert min(image.tobytes()) < 60


def test_a_wide_table_does_not_make_the_letters_small(built: Any) -> None:
    """The engine shrinks a page that is too wide; the layout is narrowed instead, and all words stay."""
    cells = "".join(f"<td width=400 style='width:400px'>cell{number} with some words</td>" for number in range(8))
    html = f"<p>{'reference ' * 8}<table><tr>{cells}</tr></table>"
    made = built(part(PartKind.HTML, html.encode()))
    assert all(f"cell{number}" in " ".join(texts(made.pdf)) for number in range(8))
    with pypdfium2.PdfDocument(made.pdf) as document:
        text = document[0].get_textpage()
        content = text.get_text_range()
        _, bottom, _, top = text.get_charbox(content.index("f"))
        assert top - bottom > 5


def test_a_long_address_is_broken_not_shrunk(built: Any) -> None:
    """One word of a thousand letters in a cell neither widens the page nor leaves it."""
    html = f"<table><tr><td>http://h/{'a&amp;b' * 300}END</td><td>other</td></tr></table><p>reference"
    made = built(part(PartKind.HTML, html.encode()))
    with pypdfium2.PdfDocument(made.pdf) as document:
        text = document[0].get_textpage()
        content = text.get_text_range()
        assert "END" in content
        assert "other" in content
        _, bottom, _, top = text.get_charbox(content.index("f"))
        assert top - bottom > 6
        assert max(text.get_charbox(n)[2] for n in range(text.count_chars())) < A4[0] - 20


def test_pictures_of_a_mail_stand_in_their_place(built: Any) -> None:
    """By content id, plain or percent-encoded; a picture that did not come is no reason to refuse."""
    square = picture_bytes(Image.new("RGB", (100, 100), "black"), "PNG")
    html = b"<p><img src='cid:a%40b' width=100 height=100><p>"
    image = drawn(built(part(PartKind.HTML, html, {"a@b": square})).pdf)
    left, top, right, bottom = ink_box(image)
    assert built(part(PartKind.HTML, html)).pages == (1,)
    assert (right - left, bottom - top) == pytest.approx((75, 75), abs=2)


@pytest.mark.parametrize("html", [b"", b"<p>&nbsp;</p>", b"<script>x</script>", b"<img src=http://h/p.png>"])
def test_html_that_shows_nothing_is_refused(built: Any, html: bytes) -> None:
    """A blank page is no fax."""
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.HTML, html))
    assert refused.value.reason == "html_empty"


def test_an_endless_page_is_refused_by_its_number_of_pages(built: Any) -> None:
    """The number is known before the writing, which is what costs."""
    with pytest.raises(DocumentRefused) as refused:
        built(part(PartKind.HTML, b"<p style='page-break-after:always'>x</p>" * 200))
    assert refused.value.reason == "too_many_pages"


async def test_html_of_ours_is_rendered_as_it_stands(documents: Documents) -> None:
    """The cover keeps its style and its paper, and shows Turkish letters in every family that it asks for."""
    families = ("Arial", "Calibri", "Times New Roman", "Courier New", "Segoe UI", "No Such Font")
    lines = "".join(f"<p style=\"font-family:'{family}'\">{LETTERS}</p>" for family in families)
    pdf = await documents.html_to_pdf(f"<!DOCTYPE html><html><body>{lines}</body></html>", paper=Paper.LETTER)
    assert texts(pdf)[0].count(LETTERS) == len(families)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert [float(edge) for edge in opened.pages[0].mediabox] == [0, 0, 612, 792]
        fonts = {str(font.BaseFont).split("+")[-1] for font in opened.pages[0].resources.Font.as_dict().values()}
    assert {"DejaVuSans", "DejaVuSerif", "DejaVuSansMono"} <= fonts


def test_a_drawing_that_is_damaged_is_laid_to_its_own_part(built: Any) -> None:
    """Found when the part is read, not when all are written; half a page never passes for the page."""
    with pikepdf.open(io.BytesIO(words_pdf("ortadaki"))) as pdf:
        contents = pdf.pages[0].obj.Contents
        packed = bytearray(zlib.compress(contents.read_bytes()))
        packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
        contents.write(bytes(packed), filter=Name.FlateDecode)
        damaged = saved(pdf, compress_streams=False)
    whole = words_pdf("sağlam")
    with pytest.raises(DocumentRefused) as refused:
        built(*(part(PartKind.PDF, data) for data in (whole, damaged, whole)))
    assert (refused.value.part, refused.value.reason) == (1, "pdf_broken")
