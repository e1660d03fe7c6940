"""Packed parts through the real worker: damaged ones are refused or read, and nothing hangs."""

import io
import random
import time
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from fax_bridge.documents.worker import Documents, Limits, Packing
from fax_bridge.email_to_fax.document import Prepared, Unfaxable, prepare
from fax_bridge.email_to_fax.mail_part import MailPart, Plan
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.errors import DocumentRefused
from fax_bridge.fax import Paper

MAILS = Path(__file__).parents[1] / "data" / "mails"
PACKED = ("outlook-winmail-html", "outlook-msg-attached", "smime-opaque", "smime-opaque-ber")
ROUNDS = 10
REASONS = {"packed_broken", "mail_encrypted", "worker_timeout", "worker_limit"}


def packed_part(name: str) -> MailPart:
    (part,) = (p for p in read_mail((MAILS / f"{name}.eml").read_bytes()).parts if p.plan == Plan.PACKED)
    return part


async def outcome_of(data: bytes, packing: Packing, documents: Documents | None = None) -> bytes | str:
    """What was in it, or the reason why it was refused."""
    try:
        if documents:
            return await documents.unpack(data, packing)
        async with Documents() as documents:
            return await documents.unpack(data, packing)
    except DocumentRefused as refused:
        return refused.reason


@pytest.mark.parametrize("name", PACKED)
async def test_a_damaged_package_is_refused_or_read_and_never_holds_up_the_others(name: str) -> None:
    """The parsers may raise, crash or turn in a ring; outside, a reason comes back within the limit."""
    part = packed_part(name)
    assert part.packing is not None
    async with Documents(limits=Limits(wall_seconds=4.0)) as documents:
        dice = random.Random(name)  # noqa: S311 — the same damage each time
        for _ in range(ROUNDS):
            data = bytearray(part.data)
            for _ in range(dice.randint(1, 20)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            began = time.monotonic()
            outcome = await outcome_of(bytes(data), part.packing, documents)
            assert isinstance(outcome, bytes) or outcome in REASONS
            assert time.monotonic() - began < 6


@pytest.mark.parametrize("packing", Packing)
@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\x78\x9f\x3e\x22", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100])
async def test_what_is_no_package_is_refused(documents: Documents, packing: Packing, data: bytes) -> None:
    """In words of ours, with the parser's for the operator."""
    with pytest.raises(DocumentRefused) as refused:
        await documents.unpack(data, packing)
    assert refused.value.reason == "packed_broken"
    assert refused.value.detail


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", PACKED)
async def test_a_package_that_was_cut_off_is_never_taken_for_a_whole_one(
    documents: Documents, name: str, cut: float
) -> None:
    """Half an attachment, or a mail without its last one, would be an incomplete fax that is reported as sent."""
    part = packed_part(name)
    assert part.packing is not None
    whole = await documents.unpack(part.data, part.packing)
    assert await outcome_of(part.data[: int(len(part.data) * cut)], part.packing) in {whole, "packed_broken"}


async def test_compressed_s_mime_is_unpacked_and_a_bomb_of_it_refused(documents: Documents) -> None:
    """RFC 8551 §3.6; few send it."""
    import zlib

    from asn1crypto import cms

    def compressed(content: bytes) -> bytes:
        data = cms.CompressedData(
            {
                "version": "v0",
                "compression_algorithm": {"algorithm": "zlib"},
                "encap_content_info": {"content_type": "data", "content": zlib.compress(content)},
            }
        )
        return bytes(cms.ContentInfo({"content_type": "compressed_data", "content": data}).dump())

    entity = b"Content-Type: text/plain\r\n\r\nmetin"
    assert await documents.unpack(compressed(entity), Packing.CMS) == entity
    with pytest.raises(DocumentRefused) as refused:
        async with Documents(limits=Limits(output_bytes=1 << 20)) as small:
            await small.unpack(compressed(b"\0" * (5 << 20)), Packing.CMS)
    assert refused.value.reason == "packed_broken"


# --- zip files, where they are opened --------------------------------------------------------------------


def zipped(files: dict[str, bytes], **options: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def mail_with(archive: bytes) -> bytes:
    mail = EmailMessage()
    mail.set_content("Belgeler zip dosyasında.")
    mail.add_attachment(archive, maintype="application", subtype="x-zip-compressed", filename="belgeler.zip")
    return mail.as_bytes()


async def test_the_files_of_a_zip_are_parts_like_any_other(documents: Documents) -> None:
    """Each under its own name, with what a Mac adds left out; one zip in another is refused."""
    files = {
        "belgeler/şartname.txt": "şartname metni".encode(),
        "belgeler/liste.csv": b"a;b\n1;2\n",
        "__MACOSX/belgeler/._liste.csv": b"\0\5\x16\7",
    }
    mail = read_mail(mail_with(zipped(files)), unzip=True)
    made = await prepare(mail, documents, paper=Paper.A4)
    assert isinstance(made, Prepared)
    assert [(fate.part, fate.name, str(fate.kind), fate.first_page) for fate in made.fates] == [
        ("1", "", "cover", 0),
        ("2.1", "şartname.txt", "faxed", 1),
        ("2.2", "liste.csv", "faxed", 2),
        ("2.3", "._liste.csv", "left_out", 0),
    ]
    nested = read_mail(mail_with(zipped({"b.zip": zipped(files)})), unzip=True)
    refused = await prepare(nested, documents, paper=Paper.A4)
    assert isinstance(refused, Unfaxable)
    assert (refused.reason, refused.detail) == ("zip_not_opened", "b.zip")


async def test_a_zip_is_not_opened_unless_the_administrator_says_so(documents: Documents) -> None:
    """The default: nobody knows what is in it until it is on paper."""
    refused = await prepare(read_mail(mail_with(zipped({"a.txt": b"x"}))), documents, paper=Paper.A4)
    assert isinstance(refused, Unfaxable)
    assert (refused.reason, refused.detail) == ("zip_not_opened", "belgeler.zip")


def with_password() -> bytes:
    """The flag of an encrypted file, in the local header and in the directory (APPNOTE §4.4.4)."""
    data = bytearray(zipped({"a.txt": b"x"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def damaged() -> bytes:
    data = bytearray(zipped({"a.txt": bytes(range(256)) * 8}))
    data[100] ^= 0xFF
    return bytes(data)


def lying_about_its_size() -> bytes:
    data = zipped({"a.txt": b"\0" * 1_000_000})
    return data.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (with_password(), "zip_password"),
        (zipped({f"{number}.txt": b"x" for number in range(101)}), "zip_too_large"),
        (zipped({"a.txt": b"\0" * 6_000_000}), "zip_too_large"),
        (lying_about_its_size(), "packed_broken"),
        (zipped({}), "packed_broken"),
        (zipped({"a.txt": b"x" * 5000})[:-30], "packed_broken"),
        (damaged(), "packed_broken"),
    ],
)
async def test_a_zip_that_cannot_be_opened_whole_is_refused(data: bytes, reason: str) -> None:
    """A password, a bomb, a lie, damage: all files or none."""
    with pytest.raises(DocumentRefused) as refused:
        async with Documents(limits=Limits(output_bytes=10_000_000)) as small:
            await small.unpack(data, Packing.ZIP)
    assert refused.value.reason == reason
