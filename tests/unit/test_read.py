"""A mail's parts and the plan for each; nothing is dropped in silence."""

import base64
import random
import zlib
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fax_bridge.documents.worker import PartKind
from fax_bridge.email_to_fax.mail_part import Plan
from fax_bridge.email_to_fax.mail_text import text_to_html
from fax_bridge.email_to_fax.part_kind import kind_of
from fax_bridge.email_to_fax.read import read_mail


def plans(mail: EmailMessage | bytes) -> list[tuple[str, str, str]]:
    content = mail if isinstance(mail, bytes) else mail.as_bytes()
    return [(part.section, str(part.plan), part.reason) for part in read_mail(content).parts]


def test_html_wins_over_its_plain_wording() -> None:
    """The other wording says the same again, and its fate says so."""
    mail = EmailMessage()
    mail.set_content("düz")
    mail.add_alternative("<p>zengin</p>", subtype="html")
    assert plans(mail) == [("1", "left_out", "alternative_not_used"), ("2", "body", "")]
    assert "zengin" in read_mail(mail.as_bytes()).body


def test_attachments_are_sources_in_their_order() -> None:
    """What they are is read from their first bytes, not from what the client called them."""
    mail = EmailMessage()
    mail.set_content("metin")
    mail.add_attachment(b"%PDF-1.7\n", maintype="application", subtype="octet-stream", filename="a.bin")
    mail.add_attachment(b"\xff\xd8\xff\xe0", maintype="image", subtype="png", filename="b.png")
    mail.add_attachment("satır\n", filename="c.txt")
    kinds = [(part.section, part.kind) for part in read_mail(mail.as_bytes()).parts if part.plan == Plan.SOURCE]
    assert kinds == [("2", PartKind.PDF), ("3", PartKind.JPEG), ("4", PartKind.TEXT)]


@pytest.mark.parametrize(
    ("maintype", "subtype", "reason"),
    [
        ("application", "zip", "zip_not_opened"),
        ("audio", "wav", "unsupported_type"),
        ("application", "vnd.autocad.dwg", "unsupported_type"),
    ],
)
def test_what_cannot_be_faxed_is_refused(maintype: str, subtype: str, reason: str) -> None:
    """All or nothing begins here."""
    mail = EmailMessage()
    mail.set_content("metin")
    mail.add_attachment(b"PK\x03\x04", maintype=maintype, subtype=subtype, filename="x")
    assert plans(mail)[1] == ("2", "refused", reason)


def test_a_picture_that_the_body_shows_is_no_page_of_its_own() -> None:
    """cid: references of the HTML are pictures; an image that nobody references is an attachment."""
    mail = EmailMessage()
    mail.set_content("<p><img src='cid:logo@x'></p>", subtype="html")
    mail.add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<logo@x>")
    mail.add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<scan@x>")
    assert [plan for _, plan, _ in plans(mail)] == ["body", "picture", "source"]


def test_text_between_attachments_belongs_to_the_body() -> None:
    """Apple Mail writes text, PDF, text."""
    mail = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nbir\r\n--b\r\n'
        b"Content-Type: application/pdf\r\nContent-Disposition: inline; filename=x.pdf\r\n\r\n%PDF-1.4\r\n--b\r\n"
        b"Content-Type: text/plain\r\n\r\niki\r\n--b--\r\n"
    )
    read = read_mail(mail)
    assert [part.plan for part in read.parts] == ["body", "source", "body"]
    assert read.body.index("bir") < read.body.index("iki")


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"=?utf-8?q?S=C3=B6zle=C5=9Fme?=", "Sözleşme"),
        (b"=?iso-8859-9?Q?S=F6zle=FEme?=", "Sözleşme"),
        ("Sözleşme".encode(), "Sözleşme"),
        ("Sözleşme".encode("cp1254"), "Sözleşme"),
        (b"=?no-such-charset?q?x?=", "x"),
        (b"a\r\n b\tc", "a b c"),
    ],
)
def test_a_subject_is_read_in_every_spelling_that_clients_use(header: bytes, subject: str) -> None:
    """Encoded words, raw UTF-8, raw Windows-1254, folded lines."""
    assert read_mail(b"Subject: " + header + b"\r\n\r\nx").subject == subject


@pytest.mark.parametrize(
    "parameter",
    [
        "filename*=utf-8''%C5%9Fema.pdf",
        'filename="=?utf-8?b?xZ9lbWEucGRm?="',
        'filename="şema.pdf"',
        'filename="C:\\\\x\\\\şema.pdf"',
    ],
)
def test_a_file_name_is_read_in_every_spelling_and_has_no_path(parameter: str) -> None:
    """RFC 2231, encoded words as Outlook and Gmail write them, raw 8-bit, a Windows path."""
    mail = f"Content-Type: application/pdf\r\nContent-Disposition: attachment; {parameter}\r\n\r\n%PDF".encode()
    assert read_mail(mail).parts[0].name == "şema.pdf"


@pytest.mark.parametrize("charset", ["iso-8859-9", "windows-1254", "utf-8", "no-such", "us-ascii", ""])
def test_turkish_text_is_read_in_its_charset_or_guessed(charset: str) -> None:
    """A wrong or missing charset must not turn ş and ğ into boxes."""
    raw = "ğüşıöç".encode("utf-8" if charset == "utf-8" else "cp1254")
    declared = f"; charset={charset}" if charset else ""
    mail = f"Content-Type: text/plain{declared}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode() + raw
    assert "ğüşıöç" in read_mail(mail).body


def test_message_ids_are_kept_clean_for_our_own_headers() -> None:
    """They are written into reports; nothing but ids may come along."""
    read = read_mail(b"Message-ID: <a@b>\r\nReferences: <x@y>\r\n <z@y> junk\r\n\r\n")
    assert (read.message_id, read.references) == ("<a@b>", "<x@y> <z@y>")


def test_plain_text_keeps_its_lines_and_its_blanks() -> None:
    """And its signs: it is text, not HTML."""
    assert text_to_html("a  <b>\n\n  c\n") == "<div>a\u00a0\u00a0&lt;b&gt;<br>\n<br>\n\u00a0\u00a0c</div>"
    assert text_to_html(" \n\t\r\n") == ""


def test_a_nesting_bomb_is_one_refused_part() -> None:
    """Depth costs nothing and says so."""
    mail = b""
    for level in range(300):
        mail += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    assert plans(mail + b"\r\nx")[-1][1:] == ("refused", "bad_mime")


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_a_fault(content: bytes) -> None:
    """Nothing but parts with plans comes out."""
    assert read_mail(content).parts


PIECES = [
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: text/html; charset=utf-8\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Disposition: attachment; filename*0*=x''%; filename*=\r\n",
    b"Content-ID: <\xff>\r\n",
    b"Subject: =?utf-8?b?\xff?=\r\n",
    b"Date: Mon, 99 Foo 20260 99:99:99 +9999\r\n",
    b"From: \xc5\x9f <a@b\r\n",
    b"\r\n",
    b"--b\r\n",
    b"--b--\r\n",
    b"=C5=9",
    b"AAA=\xff",
    b"text \x00 more\r\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_mixture_of_headers_and_boundaries_is_read(pieces: list[bytes]) -> None:
    """Broken structure becomes parts, never an exception."""
    read_mail(b"".join(pieces))


def test_three_thousand_levels_are_one_refused_part() -> None:
    """The standard parser itself goes down one call for each level."""
    mail = b"Subject: derin\r\n"
    for level in range(3000):
        mail += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    assert plans(mail + b"\r\nx")[-1][1:] == ("refused", "bad_mime")
    assert read_mail(mail).subject == "derin"


def test_a_text_attachment_keeps_its_letters() -> None:
    """The worker sees no headers: what the charset says is settled here."""
    mail = b"Content-Type: text/plain; charset=koi8-r; name=a.txt\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    (part,) = read_mail(mail + "Привет".encode("koi8-r")).parts
    assert part.data.decode("utf-8-sig") == "Привет"


@pytest.mark.parametrize("kind", ["application/pkcs7-signature", "text/calendar"])
def test_what_says_nothing_on_paper_is_left_out_with_the_reason(kind: str) -> None:
    """The signature of a mail and the invitation beside its text refuse no mail."""
    mail = EmailMessage()
    mail.set_content("metin")
    mail.add_attachment(b"x", maintype=kind.split("/")[0], subtype=kind.split("/")[1], filename="x")
    assert plans(mail)[1][1] == "left_out"


@pytest.mark.parametrize(
    ("content_type", "name", "data", "kind"),
    [
        ("application/vnd.ms-excel", "stok.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", PartKind.XLS),
        ("application/vnd.ms-excel", "stok.xls", b"PK\x03\x04", PartKind.XLSX),
        ("application/vnd.ms-excel", "stok.xlsx", b"PK\x03\x04", PartKind.XLSX),
        ("application/vnd.ms-excel", "stok.csv", b"a;b\n", PartKind.CSV),
        ("application/vnd.ms-excel", "stok.xls", b"a\tb\n1\t2\n", PartKind.CSV),
        ("application/octet-stream", "stok.xls", b"\xef\xbb\xbf <html><table>", PartKind.HTML),
        ("application/msword", "mektup.doc", b"{\\rtf1\\ansi", PartKind.RTF),
        ("application/msword", "mektup.docx", b"PK\x03\x04", PartKind.DOCX),
        ("application/zip", "mektup.docx", b"PK\x03\x04", PartKind.DOCX),
        ("text/rtf", "mektup.rtf", b"{\\rtf1\\ansi", PartKind.RTF),
        ("application/octet-stream", "resim", b"GIF89a", PartKind.GIF),
        ("image/jpeg", "x.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", PartKind.HEIF),
        ("application/octet-stream", "x", b"RIFF\0\0\0\0WEBPVP8 ", PartKind.WEBP),
        ("application/octet-stream", "x", b"BMx not a bitmap", None),
        ("text/x-log", "", b"satir", PartKind.TEXT),
        ("text/plain", "a.txt", b"see the %PDF- header", PartKind.TEXT),
        ("application/octet-stream", "a.bin", b"\r\njunk %PDF-1.4", PartKind.PDF),
        ("audio/amr", "ses.amr", b"#!AMR", None),
    ],
)
def test_a_part_is_what_its_bytes_say_then_its_type_then_its_name(
    content_type: str, name: str, data: bytes, kind: PartKind | None
) -> None:
    """Business programs call HTML and text a workbook, and Windows calls everything Excel's."""
    assert kind_of(content_type, name, data) == kind


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"Content-Type: text/plain; name=a.gz\r\n", "unsupported_type"),
        (b"Content-Disposition: attachment; filename=list.csv\r\n", "unsupported_type"),
        (b"Content-Type: text/html\r\n", "text_undecodable"),
        (b"", "text_undecodable"),
    ],
)
def test_what_is_called_text_and_is_none_is_refused(head: bytes, reason: str) -> None:
    """A packed file whose type a program did not know must not be faxed as pages of signs."""
    dice = random.Random(7)  # noqa: S311 — no secret
    packed = base64.encodebytes(zlib.compress(bytes(dice.choices(b"abcdefgh", k=9000))))
    (part,) = read_mail(head + b"Content-Transfer-Encoding: base64\r\n\r\n" + packed).parts
    assert (part.plan, part.reason) == (Plan.REFUSED, reason)


@pytest.mark.parametrize(
    "text",
    [
        "Şu ğüzel ıssız çöl\n".encode("utf-16") * 40,
        "日本語のメール\n".encode("iso2022_jp") * 40,
        b"a\0b\0\0" + b"many words of a text " * 20,
        b"\x1b[1mbold\x1b[0m\ttab\x0cpage\x08\x07" * 30,
        "Türkçe metin ğşı\n".encode("cp1254") * 40,
        b"\x01",
    ],
)
def test_a_text_in_any_charset_is_a_text(text: bytes) -> None:
    """Wide letters, escapes and a few stray controls do not make it a file of another kind."""
    encoded = base64.encodebytes(text)
    charset = b"; charset=iso-2022-jp" if b"\x1b$" in text else b""
    head = b"Content-Type: text/plain" + charset + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    (part,) = read_mail(head + encoded).parts
    assert part.plan == Plan.BODY
