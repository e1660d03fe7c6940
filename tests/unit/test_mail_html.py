"""The rules that old Outlook, telephones and dark screens ask of a mail's HTML, checked on every mail that we write.

Layout by tables, styles inline, nothing fetched, and small enough that no reader cuts it.
"""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from fax_bridge.fax import Language
from fax_bridge.mail.samples import Sheets, sample_mails
from fax_bridge.mail.words import Words
from tests.unit.test_compose import body, read

SHEETS = Sheets(b"%PDF-1.7", b"II*\x00", b"\x89PNG received", b"\x89PNG faxed")
ALL = {
    f"{name}.{language}": content
    for language in Language
    for name, content in sample_mails(Words(), language, SHEETS).items()
}
MAILS = pytest.mark.parametrize("name", ALL)
TAGS = {
    "html", "head", "meta", "title", "style", "body", "table", "tr", "td", "p", "b", "br", "span", "img", "ul", "li",
    "a", "div",
}  # fmt: skip
STYLES = {
    "margin", "padding", "background-color", "color", "border", "border-left", "border-top", "font-family", "font-size",
    "font-weight", "line-height", "text-align", "width", "max-width", "height", "word-break", "display",
}  # fmt: skip
CLIPPED = 102_400
"""Bytes of HTML after which Gmail cuts a mail."""


class Page(HTMLParser):
    """Every element with its attributes, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def html_of(name: str) -> str:
    return body(read(ALL[name]), "html")


def styles(text: str) -> Mapping[str, str]:
    pairs = (one.partition(":") for one in text.split(";") if one.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


@MAILS
def test_only_plain_tables_and_inline_styles_make_the_layout(name: str) -> None:
    """No flex, float or position, which Word's engine in Outlook does not know."""
    page = Page(html_of(name))
    assert {tag for tag, _ in page.elements} <= TAGS
    for _, attributes in page.elements:
        assert set(styles(attributes.get("style", ""))) <= STYLES
        assert not any(attribute.startswith("on") for attribute in attributes)
    for table in page.of("table"):
        assert table.get("role") == "presentation"
        assert (table.get("cellpadding"), table.get("cellspacing"), table.get("border")) == ("0", "0", "0")


@MAILS
def test_nothing_is_fetched(name: str) -> None:
    """Opening a mail tells nobody anything; pictures are parts of it, sized and with words in their place."""
    html = html_of(name)
    linked = html.replace("<!DOCTYPE html>", "").replace('<a href="https://', "<a ")  # fetched by a click only
    assert not re.search(r"https?:|//|url\(|@import|<link|<script|javascript:", linked)
    for image in Page(html).of("img"):
        assert image["src"].startswith("cid:")
        assert image["width"].isdigit()
        assert image["alt"]
        assert "max-width:100%" in image["style"]


@MAILS
def test_a_mail_is_for_light_and_dark_in_its_own_language(name: str) -> None:
    """Both schemes are declared, and every class that the one style sheet darkens is used inline too."""
    html = html_of(name)
    page = Page(html)
    assert page.of("html")[0]["lang"] == name.rpartition(".")[2]
    declared = {one["name"]: one["content"] for one in page.of("meta") if "name" in one}
    assert declared["color-scheme"] == declared["supported-color-schemes"] == "light dark"
    assert declared["viewport"] == "width=device-width, initial-scale=1"
    assert html.count("<style>") == 1
    assert "@media (prefers-color-scheme: dark)" in html
    dark = set(re.findall(r"^\s+\.(\w+) \{", html, re.MULTILINE))
    used = {one for _, attributes in page.elements for one in attributes.get("class", "").split()}
    assert used <= dark


@MAILS
def test_a_mail_is_small_enough_to_be_shown_whole(name: str) -> None:
    """Gmail cuts what is larger."""
    assert len(html_of(name).encode()) < CLIPPED


def contrast(first: str, second: str) -> float:
    """WCAG 2.1: from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@MAILS
def test_every_colour_of_words_can_be_read(name: str) -> None:
    """4.5 to 1 at least (WCAG 2.1 AA), on white and on what the dark scheme puts behind it."""
    html = html_of(name)
    for _, attributes in Page(html).elements:
        style = styles(attributes.get("style", ""))
        if style.get("color", "inherit") != "inherit":
            behind = style.get("background-color", "#ffffff")
            assert contrast(style["color"], behind) >= 4.5, attributes
    (card,) = re.findall(r"\.card \{ background-color: (#\w{6})", html)
    for colour in re.findall(r"[; {]color: (#\w{6})", html):
        assert contrast(colour, card) >= 4.5


@MAILS
def test_the_text_part_says_what_the_html_says(name: str) -> None:
    """Whoever reads without HTML misses nothing but the pictures."""
    mail = read(ALL[name])
    words = re.sub(
        r"<style>.*?</style>|<!--.*?-->|<title>.*?</title>|<[^>]*>", " ", body(mail, "html"), flags=re.DOTALL
    )
    text = body(mail)
    numbers = set(re.findall(r"\+90 \d{3} \d{3} \d{2} \d{2}|01M7\w{22}|[\w.-]+@[\w.-]+\w", words))
    assert {number for number in numbers if number not in text} == set()
