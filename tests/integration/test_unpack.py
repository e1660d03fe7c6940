"""Packed parts through the real worker: damaged ones are refused or read, and nothing hangs."""

import random
import time
from pathlib import Path

import pytest

from fax_bridge.documents.worker import Documents, Limits, Packing
from fax_bridge.email_to_fax.mail_part import MailPart, Plan
from fax_bridge.email_to_fax.read import read_mail
from fax_bridge.errors import DocumentRefused

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
        return await (documents or Documents()).unpack(data, packing)
    except DocumentRefused as refused:
        return refused.reason


@pytest.mark.parametrize("name", PACKED)
async def test_a_damaged_package_is_refused_or_read_and_never_holds_up_the_others(name: str) -> None:
    """The parsers may raise, crash or turn in a ring; outside, a reason comes back within the limit."""
    part = packed_part(name)
    assert part.packing is not None
    documents = Documents(limits=Limits(wall_seconds=4.0))
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
async def test_what_is_no_package_is_refused(packing: Packing, data: bytes) -> None:
    """In words of ours, with the parser's for the operator."""
    with pytest.raises(DocumentRefused) as refused:
        await Documents().unpack(data, packing)
    assert refused.value.reason == "packed_broken"
    assert refused.value.detail


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", PACKED)
async def test_a_package_that_was_cut_off_is_never_taken_for_a_whole_one(name: str, cut: float) -> None:
    """Half an attachment, or a mail without its last one, would be an incomplete fax that is reported as sent."""
    part = packed_part(name)
    assert part.packing is not None
    whole = await Documents().unpack(part.data, part.packing)
    assert await outcome_of(part.data[: int(len(part.data) * cut)], part.packing) in {whole, "packed_broken"}


async def test_compressed_s_mime_is_unpacked_and_a_bomb_of_it_refused() -> None:
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
    assert await Documents().unpack(compressed(entity), Packing.CMS) == entity
    with pytest.raises(DocumentRefused) as refused:
        await Documents(limits=Limits(output_bytes=1 << 20)).unpack(compressed(b"\0" * (5 << 20)), Packing.CMS)
    assert refused.value.reason == "packed_broken"
