"""A stranger's HTML after cleaning: nothing that acts, nothing that points elsewhere, and no visible word lost."""

import re
import time

import pytest

from fax_bridge.documents.clean import clean
from fax_bridge.documents.worker import Documents
from fax_bridge.errors import DocumentRefused

OUTLOOK = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><title>Başlık</title>
<meta http-equiv="refresh" content="0;url=http://x"><!--[if gte mso 9]><xml><o:Pixels>96</o:Pixels></xml><![endif]-->
<style><!--
 /* Font Definitions */ @font-face {font-family:Calibri; panose-1:2 15 5 2 2 2 4 3 2 4;}
 p.MsoNormal, li.MsoNormal {margin:0cm; margin-bottom:.0001pt; font-size:11.0pt; font-family:"Calibri",sans-serif;}
 p.MsoListParagraph {margin-left:36.0pt; text-indent:-18.0pt;}
 @page WordSection1 {size:612.0pt 792.0pt; margin:70.85pt;} div.WordSection1 {page:WordSection1;}
 @media screen { body { background: #eee } } @media speech { p { color: red } }
--></style></head>
<body lang=TR link="#0563C1" onload="go()"><div class=WordSection1>
<p class=MsoNormal>Sayın ilgili,<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p>
<p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><![if !supportLists]>1.<![endif]>Ürün</p>
<p class=MsoNormal>Bkz. <a href="http://example.com/?id=7" onclick="x()">buradan</a>
<img width=10 src="cid:image001.png@01DA" alt="Logo"></p></div></body></html>"""


def test_a_mail_of_outlook_keeps_its_words_its_spacing_and_nothing_else() -> None:
    """The style sheet's margins and indents stay (without them list numbers leave the page); the rest goes."""
    cleaned = clean(OUTLOOK)
    for kept in ("Sayın ilgili,", "buradan", "Ürün", "1.", "margin-left:36pt", "text-indent:-18pt", "MsoNormal"):
        assert kept in cleaned
    for gone in (
        "Başlık",
        "http",
        "<a",
        "<img",
        "cid:",
        "onload",
        "onclick",
        "mso-list",
        "Pixels",
        "@",
        "96",
        "speech",
    ):
        assert gone not in cleaned, gone


def test_pictures_are_kept_only_when_asked_for_and_only_by_content_id() -> None:
    """A cover holds no pictures; a body that is faxed by itself shows those that came with it."""
    html = (
        '<p>x<img src="cid:a@b"><img src="http://h/p.png"><img src="//h/p"><img src="p.png"><img src="data:,x">'
        '<img src="file:///etc/passwd"><img src="CID:c"><img alt="only words"><img srcset="http://h 2x" src="cid:d">'
    )
    assert "<img" not in clean(html)
    assert re.findall(r"<img[^>]*>", clean(html, images=True)) == [
        '<img src="cid:a@b">',
        '<img src="CID:c">',
        '<img src="cid:d">',
    ]


HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=http://h/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></table></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=http://h></object><embed src=http://h><applet code=x></applet>",
    "<form action=http://h><input name=p value=secret><button formaction=javascript:alert(1)>b</button></form>",
    "<link rel=stylesheet href=http://h/x.css><base href=http://h/>",
    "<meta http-equiv=refresh content='0;url=http://h'>",
    "<style>@import 'http://h/x.css'; p{background:url(http://h)} p{color:expression(alert(1))}</style>",
    "<style>p{background-image:image-set('http://h' 1x)} li{list-style-image:url(//h)} q{content:url(http://h)}</style>",
    "<style>p{color:red}</style ><script>x</script>",
    "<style>p::before{content:'</style><script>alert(1)</script>'}</style>",
    "<style>a[href^='http://h']{color:red}</style>",
    "<style>\\70{background:u\\72l(http://h)}</style>",
    "<p style='background:url(http://h)'>x<p style='b\\61 ckground:u\\72l(http://h)'>y",
    "<p style='width:calc(1px*1e9)'>x<p style='color:var(--x,url(http://h))'>y<p style='position:fixed'>z",
    "<p style='font-family:\"</style><script>alert(1)</script>\"'>x",
    "<table background=http://h><td background=http://h>x</table><body background=http://h>",
    "<a href=javascript:alert(1)>x</a><a href='http://h'>y</a><a href=mailto:a@h>z</a>",
    "<video poster=http://h src=http://h><audio src=http://h><source src=http://h><track src=http://h>",
    "<!--><script>alert(1)</script>-->",
    "<!--[if IE]><script>alert(1)</script><![endif]-->",
    "<textarea></textarea><script>alert(1)</script></textarea>",
    "<xmp><img src=x onerror=alert(1)></xmp><plaintext><script>alert(1)</script>",
    "<p class='x\" onload=\"alert(1)'>x</p><font face='a;background:url(http://h)'>y</font>",
    "<template><script>alert(1)</script></template><select><option>o</select><title>t</title>",
]


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("html", HOSTILE)
def test_nothing_that_acts_or_names_an_address_survives(html: str, images: bool) -> None:
    """Outside the text, no address, no script, no event, no form: not in a tag, not in a style."""
    cleaned = clean(f"before {html} after", images=images)
    markup = "".join(re.findall(r"<style>.*?</style>|<[^>]*>", cleaned, re.DOTALL)).lower()
    for gone in ("http", "//", "script", "url(", "image-set", "expression", "javascript", "position", "calc", "var("):
        assert gone not in markup, cleaned
    for gone in ("<svg", "<form", "<input", "<iframe", "<object", "<link", "<meta", "<base", "<a", "<video", "<title"):
        assert gone not in markup, cleaned
    assert not re.search(r"\son\w+\s*=", markup), cleaned
    assert cleaned == "" or "before" in cleaned


@pytest.mark.parametrize(
    "html", [*HOSTILE, OUTLOOK, "<div>a</div><div>b</div><style>p{color:red}</style>", "a < b &amp; c"]
)
def test_cleaning_twice_is_cleaning_once(html: str) -> None:
    """What was cleaned for the cover is cleaned again where it becomes pages."""
    once = clean(html, images=True)
    assert clean(once, images=True) == once


@pytest.mark.parametrize(
    "html",
    ["", " \n", "<p>&nbsp;</p>", "<title>t</title>", "<!-- x -->", "<style>p{color:red}</style>", "<script>x</script>",
     "\u200b", "<p>\ufeff</p>", "<img src=http://h>", "<div><br></div>"],
)  # fmt: skip
def test_a_body_that_shows_nothing_is_the_empty_string(html: str) -> None:
    """So that nobody faxes a blank page and calls it a letter."""
    assert clean(html) == ""


def test_sizes_are_held_to_what_paper_can_show() -> None:
    """A height of a thousand kilometres is a page or so; a thousand columns are a hundred."""
    cleaned = clean('<p style="height:1e9px;width:-1e9em">x<table><td colspan=60000 width=9999999>y<td rowspan=0007>z')
    assert "height:5000px" in cleaned
    assert "width:-312.5em" in cleaned
    assert 'colspan="100"' in cleaned
    assert 'rowspan="7"' in cleaned
    assert "9999999" not in cleaned


def test_rules_reach_the_body_of_the_mail_only() -> None:
    """A mail that restyles `td` or `body` must not restyle the cover that it stands on."""
    cleaned = clean("<style>body, td.x > p, * , html body a:link { color: red }</style><p>x")
    sheet = re.findall(r"<style>(.*?)</style>", cleaned, re.DOTALL)[0]
    assert sheet == ".mail-body,.mail-body td.x > p,.mail-body *,.mail-body a:link{color:red}"
    assert '<div class="mail-body"><p>x</p></div>' in cleaned


def test_turkish_text_and_its_entities_come_through() -> None:
    """Every letter, in whatever way it is written."""
    cleaned = clean("<p>ğüşıöç ĞÜŞİÖÇ &#287;&#x131;&Uuml; &lt;b&gt; &amp; 3 < 5")
    assert cleaned == "<p>ğüşıöç ĞÜŞİÖÇ ğıÜ &lt;b&gt; &amp; 3 &lt; 5</p>"


def test_nulls_and_lone_surrogates_become_the_sign_for_what_cannot_be_shown() -> None:
    """The engine would refuse the whole page for one of them."""
    assert clean("a\0b") == "a\ufffdb"
    assert clean("a\ud800b") == "a\ufffdb"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 50_000 + "words",
        "<b>" * 50_000 + "words",
        "<table><tr><td>" * 5_000 + "words",
        "".join(f"<div><b class=c{n}></div>" for n in range(20_000)) + "words",
        "<p><font color=red>" * 20_000 + "words",
        "</b><b>" * 50_000 + "<span>" * 50_000 + "words",
        "<!--" * 100_000 + "-->words",
        "<style>" * 100_000 + "</style>words",
        "<" * 200_000 + " words",
        "<p style='" + "color:red;" * 50_000 + "'>words",
        "<style>" + "p{" * 50_000 + "</style>words",
        "<style>" + ("p " * 400 + "{color:red}") * 200 + "</style>words",
    ],
)
def test_no_document_takes_long_to_clean(html: str) -> None:
    """Parsers take the square of the depth; the guard in front sees to it that there is none."""
    began = time.process_time()
    assert "words" in clean(html)
    assert time.process_time() - began < 2


def test_a_mail_with_many_open_ends_is_not_taken_for_a_deep_one() -> None:
    """Paragraphs, list items and rows without end tags are common, and are no nesting."""
    html = (
        "<ul>" + "<li>item <b>bold</b>" * 2000 + "</ul><table>" + "<tr><td>a<td>b" * 2000 + "</table>" + "<p>x" * 2000
    )
    cleaned = clean(html)
    assert cleaned.count("<b>") == 2000
    assert cleaned.count("<tr>") == 2000


def test_what_is_too_deep_keeps_its_words_line_by_line() -> None:
    """The form is lost, the text is not."""
    cleaned = clean("<div>" * 1000 + "first &lt;line&gt;</div><div>second" + "</div>" * 999)
    assert cleaned == "first &lt;line&gt;<br>\nsecond"


def test_a_body_beyond_all_measure_is_refused() -> None:
    """Cutting it off in silence would be worse."""
    with pytest.raises(DocumentRefused) as refused:
        clean("x" * 2_000_001)
    assert refused.value.reason == "html_too_large"


async def test_the_worker_cleans_the_same(documents: Documents) -> None:
    """Through the real process, odd characters too."""
    assert await documents.clean_html(OUTLOOK) == clean(OUTLOOK)
    assert await documents.clean_html("<p>ğ\0\ud800<script>x</script>") == "<p>ğ\ufffd\ufffd</p>"
    assert await documents.clean_html("<img src='cid:a'>", images=True) == '<img src="cid:a">'
