"""Pages that a browser saved as one file, their pictures by address (RFC 2557); and invoices as XML."""

import email
from email.message import EmailMessage

import pytest

from fax_bridge.email_to_fax.invoice import is_invoice
from fax_bridge.email_to_fax.located import with_content_ids
from fax_bridge.email_to_fax.mail_part import Plan
from fax_bridge.email_to_fax.read import read_mail

KNOWN = {"https://x.example/img/a.png": "a@located", "picture.gif": "b@located"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('<img src="https://x.example/img/a.png">', '<img src="cid:a@located">'),
        ("<IMG alt=1 SRC='/img/a.png'>", '<IMG alt=1 SRC="cid:a@located">'),
        ("<img src=img/a.png width=3>", '<img src="cid:a@located" width=3>'),
        ('<img src="picture.gif">', '<img src="cid:b@located">'),
        ('<img src="https://other.example/img/a.png">', '<img src="https://other.example/img/a.png">'),
        ('<img src="http://[::1">', '<img src="http://[::1">'),
        ('<a href="/img/a.png">', '<a href="/img/a.png">'),
    ],
)
def test_a_picture_is_known_by_its_address_and_by_no_other(written: str, expected: str) -> None:
    """Absolute, relative to the page, or to the letter."""
    assert with_content_ids(written, "https://x.example/page.html", KNOWN) == expected


def saved(inner: bytes, name: str = "a.mht", content_type: str = "octet-stream") -> bytes:
    mail = EmailMessage()
    mail.set_content("x")
    mail.add_attachment(inner, "application", content_type, filename=name)
    return mail.as_bytes()


def test_a_page_in_a_page_ends() -> None:
    """A saved page that holds saved pages is gone into once."""
    inner = b"Content-Type: text/html\n\n<p>innermost</p>"
    for _ in range(30):
        page = email.message.EmailMessage()
        page.set_content("<p>page</p>", subtype="html")
        page.add_related(inner, "application", "octet-stream", filename="b.mht")
        inner = page.as_bytes()
    parts = read_mail(saved(inner)).parts
    assert [(part.plan, part.reason) for part in parts] == [
        (Plan.BODY, ""),
        (Plan.BODY, ""),
        (Plan.LEFT_OUT, "web_page_side_data"),
    ]


@pytest.mark.parametrize(
    "inner", [b"", b"\0" * 500, b"Content-Type: image/png\n\nx", b"Content-Type: multipart/related\n\n"]
)
def test_what_only_bears_the_name_of_a_saved_page_is_refused(inner: bytes) -> None:
    """Rather than faxed as an empty page."""
    (_, page) = read_mail(saved(inner)).parts
    assert (page.plan, page.reason) == (Plan.REFUSED, "bad_mime")


def test_a_saved_page_that_was_sent_as_a_mail_is_one_all_the_same() -> None:
    """Mail servers guess message/rfc822 from its first lines."""
    mail = EmailMessage()
    mail.set_content("x")
    inner = email.message_from_bytes(b"Subject: s\nContent-Type: text/html\n\n<p>page</p>", policy=mail.policy)
    mail.add_attachment(inner, filename="seite.MHT")
    parts = read_mail(mail.as_bytes()).parts
    assert [part.plan for part in parts] == [Plan.BODY, Plan.BODY]
    assert read_mail(mail.as_bytes()).letterheads == {}


UBL = 'xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"<?xml version='1.0'?>\n<!-- <html> --><Invoice {UBL}>", True),
        (f"\ufeff  <inv:Invoice\n {UBL.replace('xmlns', 'xmlns:inv')}/>", True),
        (f"<CreditNote {UBL}>", True),
        ("<sh:StandardBusinessDocument xmlns:ef='http://www.efatura.gov.tr/package-namespace'>", True),
        ("<rsm:CrossIndustryInvoice xmlns:rsm='urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100'>", True),
        ("<Invoice>the word alone</Invoice>", False),
        (f"<html><p {UBL}>", False),
        (f"see <Invoice {UBL}>", False),
        ("", False),
        ("<!--" * 1000, False),
    ],
)
def test_an_invoice_is_known_by_its_root_and_its_vocabulary(text: str, found: bool) -> None:
    """In UTF-8 and UTF-16; a text that only speaks of one is a text."""
    assert is_invoice(text.encode()) is found
    assert is_invoice(text.lstrip("\ufeff").encode("utf-16")) is found
