"""The words themselves: both languages whole, a site's own templates safe, the two pages as they print."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import jinja2.meta
import plutoprint
import pypdfium2
import pytest
from markupsafe import Markup

from fax_bridge.fax import FAX_ENDS, FateKind, FaxState, Language, ResultClass
from fax_bridge.mail.outcome import outcome_key
from fax_bridge.mail.words import Words, WordsError, templates_root

ROOT = templates_root()
WORDS = Words()
LETTERS = "ğüşıöçĞÜŞİÖÇ"
REASONS = (
    *("pdf_password", "pdf_broken", "pdf_empty", "image_broken", "image_too_large", "tiff_broken"),
    *("text_undecodable", "html_empty", "too_many_pages", "worker_crashed", "worker_timeout", "worker_limit"),
    *("unsupported_type", "empty_mail", "empty_body", "cover_has_no_pictures", "signature_part"),
    *("alternative_not_used", "inline_picture_unreferenced", "multipart_container", "bad_mime"),
)
LANGUAGES = pytest.mark.parametrize("language", Language)


def variables(source: str) -> frozenset[str]:
    environment = jinja2.Environment(autoescape=True)
    environment.filters["wrapped"] = str
    return frozenset(jinja2.meta.find_undeclared_variables(environment.parse(source)))


# --- both languages ----------------------------------------------------------------------------------


def test_both_languages_have_the_same_files_with_the_same_variables() -> None:
    """A mail that exists in one language exists in the other, and is given the same."""
    turkish, english = (
        {file.name: variables(file.read_text(encoding="utf-8")) for file in (ROOT / "email" / language).iterdir()}
        for language in Language
    )
    assert turkish.keys() == english.keys()
    assert {name: sorted(turkish[name] ^ english[name]) for name in turkish if turkish[name] != english[name]} == {}
    events = {"report", "early", "delayed", "received", "alert", "preview"}
    assert turkish.keys() == {f"{event}.{kind}" for event in events for kind in ("subject", "txt", "html")} | {
        "words.toml"
    }


def test_both_languages_have_the_same_phrases() -> None:
    """No phrase falls back to another language in the middle of a mail."""
    assert WORDS.phrases("tr") == WORDS.phrases("en")


@LANGUAGES
def test_every_end_fate_and_reason_has_its_words(language: Language) -> None:
    """A new state or result class without words fails here, not in somebody's report."""
    keys = {outcome_key(state, result) for state in FAX_ENDS for result in (None, *ResultClass)}
    assert len(keys) == len(FAX_ENDS) - 1 + len(ResultClass) - 1
    wanted = {f"outcome.{key}.{kind}" for key in keys for kind in ("title", "headline", "cause", "next")}
    wanted |= {f"fate.{kind}" for kind in FateKind} | {f"count.{state}" for state in FAX_ENDS}
    wanted |= {f"reason.{word}" for word in REASONS}
    assert wanted <= WORDS.phrases(language)


def test_the_turkish_phrases_are_turkish() -> None:
    """Every outcome, fate and reason differs between the languages."""
    given = dict.fromkeys(("number", "address", "until", "reason", "first", "last"), "7")
    same = {
        path
        for path in WORDS.phrases("tr")
        if path.split(".")[0] in ("outcome", "fate", "reason")
        and WORDS.phrase("tr", path, **given) == WORDS.phrase("en", path, **given)
    }
    assert same == set()


def test_outcomes_are_named_for_ends_only() -> None:
    """``failed.delivered`` would be nonsense, and a state that goes on is no end."""
    assert outcome_key(FaxState.FAILED, ResultClass.DELIVERED) == "failed.unknown"
    assert outcome_key(FaxState.UNCERTAIN, ResultClass.UNKNOWN) == "uncertain"
    with pytest.raises(ValueError, match="queued"):
        outcome_key(FaxState.QUEUED, None)


# --- a site's own templates --------------------------------------------------------------------------


def own(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / "site" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return tmp_path / "site"


def test_a_sites_template_wins_and_the_others_stay(tmp_path: Path) -> None:
    """One file is enough to change one thing."""
    site = own(tmp_path, "cover/default.html", "<p>{{ to_number }} – {{ body }}</p>")
    given = dict.fromkeys(("to_number", "from_name", "from_address", "date", "subject", "pages", "body"), "x")
    assert Words(site).cover(lang="tr", **given) == "<p>x – x</p>\n"
    assert Words(site).phrases("tr") == WORDS.phrases("tr")


def test_a_site_can_change_one_phrase_and_add_another(tmp_path: Path) -> None:
    """``words.toml`` is laid over the shipped one, so that an upgrade's new phrases are not missed."""
    site = own(
        tmp_path,
        "email/tr/words.toml",
        '[reason]\npdf_password = "kilitli PDF"\nnew_word = "yeni"\n[outcome.delivered]\nnext = "{{ number }} tamam"\n',
    )
    words = Words(site)
    assert words.phrase("tr", "reason.pdf_password") == "kilitli PDF"
    assert words.phrase("tr", "reason.new_word") == "yeni"
    assert words.phrase("tr", "outcome.delivered.next", number="1") == "1 tamam"
    assert words.phrase("tr", "reason.pdf_broken") == WORDS.phrase("tr", "reason.pdf_broken")
    assert words.phrase("en", "reason.pdf_password") == WORDS.phrase("en", "reason.pdf_password")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("email/tr/report.txt", "{{ headline", r"report\.txt, line 1: .*Mend that line"),
        ("email/tr/report.txt", "{% if %}", r"report\.txt, line 1: "),
        ("email/en/alert.html", "{{ headlin }}", r"nobody gives headlin\. There are: .*headline"),
        ("cover/default.html", "{{ to }}", r"nobody gives to\. There are: .*to_number"),
        ("cover/ours.html", "{{ sender }}", r"nobody gives sender"),
        ("email/tr/words.toml", "[reason", r"words\.toml: .*Mend that phrase"),
        ("email/tr/words.toml", "[reason]\npdf_broken = 5", r"reason\.pdf_broken is no text in quotes"),
        ("email/tr/words.toml", '[reason]\npdf_broken = "{{"', r"reason\.pdf_broken, line 1"),
        ("email/tr/words.toml", '[fate]\ncover = "{{ page }}"', r"fate\.cover: nobody gives page\. There are: first"),
    ],
)
def test_a_broken_template_refuses_to_start_and_says_which(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    """The first report is too late to find it."""
    with pytest.raises(WordsError, match=complaint):
        Words(own(tmp_path, name, text))


def test_a_template_that_is_not_utf_8_refuses_to_start(tmp_path: Path) -> None:
    """A Windows editor's Turkish letters would come out wrong."""
    site = own(tmp_path, "email/tr/report.txt", "")
    (site / "email/tr/report.txt").write_bytes("Şişli".encode("cp1254"))
    with pytest.raises(WordsError, match="not UTF-8"):
        Words(site)


def test_check_reads_the_files_anew(tmp_path: Path) -> None:
    """``fax-bridge check`` tells of a template that was broken since."""
    words = Words(own(tmp_path, "email/tr/report.subject", "{{ headline }}"))
    words.check()
    own(tmp_path, "email/tr/report.subject", "{{ headline ")
    with pytest.raises(WordsError, match=r"report\.subject"):
        words.check()


# --- the cover ---------------------------------------------------------------------------------------


def cover(lang: str = "tr", **changed: object) -> str:
    values: dict[str, object] = {
        "lang": lang,
        "to_number": "+90 216 222 25 25",
        "from_name": "Ayşe Öztürk",
        "from_address": "ayse@example.com",
        "date": "18 Kasım 2026 14:06",
        "subject": "İmzalı sözleşme",
        "pages": 4,
        "body": Markup("<p>{}</p>").format(LETTERS),
    }
    return WORDS.cover("default", **{**values, **changed})


def printed(html: str) -> pypdfium2.PdfDocument:
    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
    book.load_html(html)
    pdf = io.BytesIO()
    book.write_to_pdf_stream(pdf)
    return pypdfium2.PdfDocument(pdf.getvalue())


def text_of(document: pypdfium2.PdfDocument) -> str:
    return "\n".join(page.get_textpage().get_text_range() for page in document)


@pytest.mark.parametrize(
    ("lang", "labels"),
    [
        ("tr", ("FAKS", "Kime", "Kimden", "Tarih", "Konu", "Sayfa")),
        ("en", ("FAX", "To", "From", "Date", "Subject", "Pages")),
    ],
)
def test_the_cover_prints_on_one_page_with_every_letter(lang: str, labels: Sequence[str]) -> None:
    """Through a real engine to a PDF and back to text."""
    document = printed(cover(lang))
    text = text_of(document)
    assert len(document) == 1
    for expected in (*labels, "+90 216 222 25 25", "Ayşe Öztürk", "İmzalı sözleşme", "18 Kasım 2026 14:06", LETTERS):
        assert expected in text


def test_the_cover_is_black_on_white_and_fetches_nothing() -> None:
    """It is sent to FaxMAX as it is: no script, no picture, no address to call."""
    html = cover()
    assert '<meta charset="utf-8">' in html
    assert set(re.findall(r"#[0-9a-f]{6}", html)) == {"#ffffff", "#000000"}
    assert not re.search(r"<script|<img|<link|https?:|//|url\(|@import|flex|grid", html)


def test_the_cover_shows_outside_values_as_text_and_the_cleaned_body_as_html() -> None:
    """A subject is anybody's; the body was cleaned before."""
    html = cover(subject="<b>x</b>", from_name="<img src=x>", body=Markup("<p><b>fett</b></p>"))
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<img" not in html
    assert "<b>fett</b>" in html
    assert "&lt;i&gt;" in cover(body="<i>not cleaned</i>")


def test_the_cover_leaves_out_what_is_not_known() -> None:
    """No label without a value."""
    bare = text_of(printed(cover("en", from_name="", subject="", pages="")))
    assert "ayse@example.com" in bare
    assert "<ayse@example.com>" not in bare
    assert not {"Subject", "Pages"} & set(bare.split())


def test_a_long_word_on_the_cover_is_broken_and_not_cut() -> None:
    """Every letter of it is on the paper."""
    text = text_of(printed(cover(subject="S" * 150, body=Markup("<p>{}</p>").format("w" * 300))))
    assert text.count("S") == 150 + "FAKS Sayfa".count("S")
    assert text.count("w") == 300


def test_there_is_no_cover_of_an_unknown_name() -> None:
    """Also not one outside the directory."""
    for name in ("fancy", "../email/layout"):
        with pytest.raises(LookupError):
            WORDS.cover(name)


# --- the demo page -----------------------------------------------------------------------------------


def runs(dark: Sequence[bool]) -> list[tuple[int, int]]:
    """Where something stands between empty lines: first and last index of each run."""
    found, start = [], None
    for index, here in enumerate([*dark, False]):
        if here and start is None:
            start = index
        elif not here and start is not None:
            found.append((start, index - 1))
            start = None
    return found


def test_the_demo_page_has_every_letter_and_three_round_circles() -> None:
    """One A4 page; measured in its pixels, each circle is as wide as high."""
    document = printed((ROOT / "demo" / "page.html").read_text(encoding="utf-8"))
    assert len(document) == 1
    assert all(letter in text_of(document) for letter in LETTERS)
    page = document[0].render(scale=150 / 72, grayscale=True).to_pil().point(lambda grey: 255 if grey < 128 else 0)
    rows = runs([page.crop((0, y, page.width, y + 1)).getbbox() is not None for y in range(page.height)])
    *_, circles, _caption = [band for band in rows if band[1] - band[0] > 5]
    band = page.crop((0, circles[0], page.width, circles[1] + 1))
    columns = runs([band.crop((x, 0, x + 1, band.height)).getbbox() is not None for x in range(band.width)])
    assert len(columns) == 3
    for (left, right), millimetres in zip(columns, (20, 36, 52), strict=True):
        box = band.crop((left, 0, right + 1, band.height)).getbbox()
        assert box is not None
        width, height = box[2] - box[0], box[3] - box[1]
        assert abs(width - height) <= 2
        assert abs(width - millimetres / 25.4 * 150) <= 3
