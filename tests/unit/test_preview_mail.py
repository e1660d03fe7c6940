"""The answer to a preview, read back with the parser that a mail reader uses."""

import re
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest

from fax_bridge.email_to_fax.preview_address import preview_of
from fax_bridge.fax import Fate, FateKind, Language, Paper, Resolution
from fax_bridge.mail import preview as module
from fax_bridge.mail.preview import Preview, PreviewRecipient, preview_mail
from fax_bridge.mail.words import Words

WORDS = Words()
NOON = 1_795_000_000_000  # 2026-11-18 14:06:40 in Istanbul
PNG = b"\x89PNG\r\n\x1a\n picture"
SHOWN = Preview(
    message_id="01HF7YAT31JZHSMW1DA8S1XZ7J",
    to="ayse@example.com",
    subject="Şişli şantiyesi",
    recipients=(PreviewRecipient("902162222525", ("preview+02162222525@fax.example.com",), NOON + 3_600_000),),
    resolution=Resolution.FINE,
    paper=Paper.A4,
    pages=2,
    covered=True,
    pdf=b"%PDF-1.7 the pages\xff",
    cover=b"%PDF-1.7 the cover",
    pictures=(PNG, PNG + b"2"),
    fates=(Fate("2", "a.pdf", "application/pdf", 2_300_000, FateKind.FAXED, first_page=1, last_page=2),),
    document_sha256="9f86d081",
)
LANGUAGES = pytest.mark.parametrize("language", Language)


def read(preview: Preview) -> EmailMessage:
    mail = preview_mail(
        preview, WORDS, sender="Faks <f@fax.example.com>", message_id="<preview-1@fax.example.com>", date=NOON
    )
    message = BytesParser(policy=policy.default).parsebytes(mail)
    assert isinstance(message, EmailMessage)
    assert not any(part.defects for part in message.walk())
    return message


def words(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@LANGUAGES
def test_text_and_html_say_the_same(language: Language) -> None:
    """That nothing was sent, to whom it would go and when, the pages, the fates, how to send it."""
    message = read(replace(SHOWN, language=language))
    resolution = "fine resolution" if language == "en" else "ince çözünürlük"
    for kind in ("plain", "html"):
        said = words(message, kind)
        for fact in (
            "+90 216 222 25 25",
            "15:06",
            "Şişli şantiyesi",
            "a.pdf",
            "9f86d081",
            "preview+",
            "A4",
            resolution,
        ):
            assert fact in said, (kind, fact)
    assert ("Nothing was sent" if language == "en" else "Hiçbir şey gönderilmedi") in words(message, "html")


@LANGUAGES
def test_the_pictures_stand_in_the_html_and_the_pdfs_hang_on_the_mail(language: Language) -> None:
    """Every cid: that the HTML names is there, and every picture is named."""
    message = read(replace(SHOWN, language=language))
    named = re.findall(r'src="cid:([^"]+)"', words(message, "html"))
    there = [str(part["Content-ID"]).strip("<>") for part in message.walk() if part["Content-ID"]]
    assert named == there
    assert [part.get_content() for part in message.iter_attachments()] == [SHOWN.pdf, SHOWN.cover]


@LANGUAGES
def test_a_refusal_is_told_in_the_words_of_a_report(language: Language) -> None:
    """And no word is said of sending it, for it cannot be sent as it is."""
    message = read(
        replace(SHOWN, language=language, refused="pdf_password: a.pdf", pages=0, pdf=None, cover=None, pictures=())
    )
    for kind in ("plain", "html"):
        assert WORDS.phrase(language, "reason.pdf_password")[:30] in " ".join(words(message, kind).split())
        assert "“preview+”" not in words(message, kind)
    assert list(message.iter_attachments()) == []


@LANGUAGES
def test_a_pdf_too_large_for_a_mail_is_left_off_and_said_so(
    language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are there all the same; a mail that the relay refuses would show nothing."""
    monkeypatch.setattr(module, "MOST_ATTACHED", 20)
    message = read(replace(SHOWN, language=language))
    assert list(message.iter_attachments()) == []
    assert ("too large" if language == "en" else "büyük") in words(message, "plain")
    assert "cid:" in words(message, "html")


def test_nothing_from_outside_can_begin_a_header_or_a_tag() -> None:
    """Subjects and names of parts are a stranger's."""
    evil = 'x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>"'
    fate = replace(SHOWN.fates[0], name=evil, reason=evil)
    message = read(replace(SHOWN, subject=evil, refused=evil, fates=(fate,)))
    assert message["Bcc"] is None
    assert "<script>" not in words(message, "html")


@pytest.mark.parametrize(
    ("local", "found"),
    [
        ("preview+02163334455", (True, "02163334455")),
        ("PREVIEW++902163334455+at=0800", (True, "+902163334455+at=0800")),
        ('"preview+0216 333 44 55"', (True, "0216 333 44 55")),
        ("preview02163334455", (False, "preview02163334455")),
        ("02163334455+preview", (False, "02163334455+preview")),
        ("preview", (False, "preview")),
    ],
)
def test_the_word_stands_before_the_number(local: str, found: tuple[bool, str]) -> None:
    """In any letters; what is behind it is read as the address of a fax."""
    assert preview_of(local) == found
