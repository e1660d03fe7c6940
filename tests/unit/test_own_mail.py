"""A reply to a mail of ours: what of it is the person's, and what they only gave back."""

import email

import pytest

from fax_bridge.documents import quoted
from fax_bridge.email_to_fax.mail_text import TOLERANT
from fax_bridge.email_to_fax.own_mail import answers_ours, without_quoted

ULID = "01KAVZ8T5Q4M7N2P9R3S6V8W0X"
OURS = f"<received-{ULID}@fax.example>"


@pytest.mark.parametrize(
    ("headers", "answers"),
    [
        (f"In-Reply-To: {OURS}\nSubject: Re: Faks", True),
        (f"In-Reply-To: {OURS}\nSubject: YNT: Faks", True),
        (f"References: <a@b> <correction-{ULID}@fax.example>\nSubject: AW: Faks", True),
        (f"References: {OURS} <later@example.com>\nIn-Reply-To: <later@example.com>\nSubject: Re: Faks", False),
        (f"In-Reply-To: {OURS}\nSubject: Fwd: Faks", False),
        (f"In-Reply-To: {OURS}\nSubject: FW: Faks", False),
        (f"In-Reply-To: {OURS}\nSubject: İLT: Faks", False),
        (f"In-Reply-To: {OURS}\nSubject: =?utf-8?q?=C4=B0LT=3A_Faks?=", False),
        (f"In-Reply-To: {OURS}\nSubject: WG: Faks", False),
        ("In-Reply-To: <received-1@fax.example>\nSubject: Re: Faks", False),
        ("Subject: Re: Faks", False),
        ("", False),
    ],
)
def test_only_an_answer_to_a_mail_of_ours_is_cut(headers: str, answers: bool) -> None:
    """One that is passed on carries the fax on purpose; one in a longer talk quotes other people."""
    assert answers_ours(email.message_from_bytes(headers.encode() + b"\n\n", policy=TOLERANT)) is answers


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Evet.\n\nOn 24 Nov, X <9@f.example> wrote:\n\n> soru\n> soru\n", "Evet.\n"),
        ("Evet.\n\nFaks <9@f.example>, 24 Kas 2026 tarihinde şunu\nyazdı:\n> soru\n", "Evet.\n"),
        ("> soru 1\n\ncevap 1\n\n> soru 2\ncevap 2\n", "\ncevap 1\ncevap 2\n"),
        ("Şu üç madde:\n> soru\n", "Şu üç madde:\n"),
        ("Evet.\n\n-----Original Message-----\nFrom: X <9@f.example>\nSent: dün\n\nsoru", "Evet.\n"),
        ("Evet.\n\nKimden: X <9@f.example>\nGönderildi: 24 Kasım 2026 Salı 09:00\nKime: Y\n\nsoru", "Evet.\n"),
        ("From: bizim müdür\nYarın geliyor.", "From: bizim müdür\nYarın geliyor."),
        ("----- Madde 1 -----\nmetin", "----- Madde 1 -----\nmetin"),
        ("a > b\nb < c", "a > b\nb < c"),
    ],
)
def test_the_answer_is_left_of_a_plain_text(text: str, answer: str) -> None:
    """Quotations go with the line that introduces them; a line of the person's never does."""
    found, cut = without_quoted(text)
    assert (found.strip(), cut) == (answer.strip(), answer != text)


ANSWERS = {
    "Gmail, above": (
        "<div>Evet</div><div class='gmail_quote'><div class='gmail_attr'>On X wrote:</div>"
        "<blockquote class='gmail_quote'>SORU</blockquote></div>"
    ),
    "Gmail, between the lines": (
        "<div class='gmail_quote gmail_quote_container'><div class='gmail_attr'>On X wrote:</div>"
        "<blockquote class='gmail_quote'>SORU</blockquote><div>Evet</div>"
        "<blockquote class='gmail_quote'>SORU</blockquote></div>"
    ),
    "Thunderbird, below": (
        "<div class=moz-cite-prefix>On X wrote:</div><blockquote type=cite>SORU<blockquote type=cite>SORU</blockquote>"
        "</blockquote><p>Evet</p>"
    ),
    "Apple Mail": "Evet<br><blockquote type='cite'><div>On X, Y &lt;9@f&gt; wrote:</div><br>SORU</blockquote>",
    "an introduction without a mark": (
        "<p>Evet</p><div>On X, 9@f.example wrote:</div><br><blockquote type=cite>SORU</blockquote>"
    ),
    "Outlook on the web": (
        "<div>Evet</div><div id=appendonsend></div><hr><div id=divRplyFwdMsg>wrote</div><div>SORU</div>SORU"
    ),
    "Outlook for Windows": (
        "<div class=WordSection1><p>Evet</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3pt'>"
        "<p>wrote</p></div></div><p>SORU</p></div>SORU"
    ),
    "Yahoo": "<div>Evet</div><div id=x class=yahoo_quoted><div>X wrote:</div>SORU</div>",
    "Zoho": "Evet<div class=zmail_extra><blockquote id=blockquote_zmail>SORU</blockquote></div>",
}


@pytest.mark.parametrize("program", ANSWERS)
def test_the_answer_is_left_of_each_program_s_html(program: str) -> None:
    """By the marks that the programs put around what they quote."""
    text, cut, _ = quoted.without_quoted(f"<html><head><style>p{{margin:0}}</style></head><body>{ANSWERS[program]}")
    assert cut
    assert "Evet" in text
    assert "SORU" not in text
    assert "wrote" not in text
    assert "margin:0" in text


@pytest.mark.parametrize(
    "html",
    [
        "<p>Evet</p><blockquote>kendi alıntım</blockquote>",
        "<p>Şunlara 9@f.example adresinden bakın:</p><ul><li>bir",
        "<div style='border-top:solid red 1pt'>Evet</div>",
        "",
        "düz metin",
    ],
)
def test_what_no_program_marked_stays_to_the_letter(html: str) -> None:
    """The document is not even written anew."""
    assert quoted.without_quoted(html) == (html, False, set())


def test_the_pictures_of_the_quotation_go_and_the_person_s_stay() -> None:
    """A picture that both show stays."""
    quotation = "<blockquote type=cite><img src='CID:ours'><img src='cid:both'></blockquote>"
    _, cut, pictures = quoted.without_quoted(f"<img src='cid:mine'><img src='cid:both'>{quotation}")
    assert (cut, pictures) == (True, {"ours"})


def test_html_beyond_the_parser_s_depth_is_not_cut_at_all() -> None:
    """The parser would drop what lies deeper, and with it words of the person's."""
    deep = "<blockquote type=cite>SORU</blockquote>" + "<div>" * 10_000 + "Evet"
    text, cut, _ = quoted.without_quoted(deep)
    assert "Evet" in text
    assert not cut or "SORU" not in text
