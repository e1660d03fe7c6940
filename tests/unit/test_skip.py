"""What a mail may go without."""

import tomllib
from pathlib import Path

from fax_bridge.email_to_fax.mail_part import MailPart, Plan
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.email_to_fax.skip import KIND_OF, may_skip, without_skipped
from fax_bridge.fax import SkipKind

WORDS = Path(__file__).parents[2] / "templates" / "email" / "en" / "words.toml"


def test_every_kind_has_reasons_and_every_reason_its_words() -> None:
    """A reason that was renamed would refuse a mail that its sender's setting lets go."""
    assert set(KIND_OF.values()) == set(SkipKind)
    assert set(KIND_OF) <= set(tomllib.loads(WORDS.read_text(encoding="utf-8"))["reason"])


def test_nothing_is_skipped_unless_its_kind_is_named() -> None:
    """And a structure that cannot be read, or too long a document, never is."""
    assert not any(may_skip(reason, ()) for reason in KIND_OF)
    assert may_skip("pdf_password", [SkipKind.PASSWORD])
    assert not may_skip("pdf_password", [SkipKind.BROKEN])
    assert not may_skip("bad_mime", list(SkipKind))
    assert not may_skip("too_many_pages", list(SkipKind))


def test_the_mails_own_text_is_never_left_out() -> None:
    """An encrypted text is the message itself; an encrypted file beside it may be let go."""
    armoured = b"-----BEGIN PGP MESSAGE-----\r\n\r\nx\r\n-----END PGP MESSAGE-----\r\n"
    mail = read_mail(b"Content-Type: text/plain\r\n\r\n" + armoured)
    assert [part.plan for part in without_skipped(mail, [SkipKind.ENCRYPTED]).parts] == [Plan.REFUSED]
    mail = read_mail(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n"
        b'--b\r\nContent-Type: application/zip; name="a.zip"\r\n\r\nPK\x03\x04\r\n--b--\r\n'
    )
    skipped: tuple[MailPart, ...] = without_skipped(mail, [SkipKind.ARCHIVE]).parts
    assert [(part.plan, part.reason) for part in skipped] == [(Plan.BODY, ""), (Plan.SKIPPED, "zip_not_opened")]
