"""Every fate of the sandbox ends in the right state and in the right words to the sender."""

import asyncio
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.e2e.conftest import Bridge, bridge_in, until


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def first_line(mail: EmailMessage) -> str:
    return next(line for line in text_of(mail).splitlines() if line.strip())


@pytest.mark.parametrize(
    ("digits", "state", "result", "words"),
    [
        ("3344", "delivered", "delivered", "teslim edildi"),
        ("0001", "failed", "busy", "hat meşguldü"),
        ("0002", "failed", "no_answer", "yanıt veren olmadı"),
        ("0003", "failed", "partial", "yarım kaldı"),
        ("0004", "failed", "not_a_fax", "karşıda faks cihazı bulunamadı"),
        ("0005", "failed", "refused", "FaxMAX faksı reddetti"),
        ("0006", "failed", "refused", "FaxMAX faksı reddetti"),
        ("0007", "uncertain", "unknown", "gidip gitmediği belirsiz"),
        ("0008", "uncertain", "unknown", "gidip gitmediği belirsiz"),
        ("0009", "delivered", "delivered", "teslim edildi"),
        ("0010", "delivered", "delivered", "teslim edildi"),
        ("0011", "delivered", "delivered", "teslim edildi"),
        ("0012", "delivered", "delivered", "teslim edildi"),
        ("0013", "unconfirmed", "unknown", "sonucu bildirilmedi"),
        ("0015", "delivered", "delivered", "teslim edildi"),
    ],
)
async def test_each_fate_ends_in_the_right_state_and_words(
    bridge: Bridge, note: EmailMessage, digits: str, state: str, result: str, words: str
) -> None:
    """One mail, one fax, one report whose first line says what happened, in the sender's language."""
    number = f"90216333{digits}"
    await bridge.send(note, number)
    report = await bridge.mail("ayse@example.com")
    (fax,) = await bridge.faxes()
    assert (fax["state"], fax["result"]) == (state, result)
    assert words in first_line(report)
    assert "Sözleşme hakkında" in str(report["Subject"])
    assert report["In-Reply-To"] == "<note-1@example.com>"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["Return-Path"] == "<>"
    await asyncio.sleep(0.3)
    assert len(bridge.mails()) == 1, "one report, and nothing to anybody else"


async def test_a_delivered_fax_went_out_exactly_once(bridge: Bridge, note: EmailMessage) -> None:
    """Retries of a 503, repeated pushes and lost answers never make a second fax."""
    for digits in ("0009", "0010", "0011", "0015"):
        await bridge.send(note, f"90216333{digits}")

    async def four_reports() -> bool | None:
        return len(bridge.mails("ayse@example.com")) == 4 or None

    await until(four_reports)
    faxes = await bridge.faxes()
    assert {fax["state"] for fax in faxes} == {"delivered"}
    assert len({fax["faxmax_id"] for fax in faxes}) == 4


async def test_bad_credentials_pause_the_account_and_lose_nothing(tmp_path: Path, note: EmailMessage) -> None:
    """The fax stays queued, the operator is told once, the other account goes on; resumed, the fax is tried again."""
    async with bridge_in(tmp_path) as bridge:
        await bridge.send(note, "902163330014")
        alert = await bridge.mail("postmaster@example.com")
        assert "default" in text_of(alert)
        assert "T0KEN" not in alert.as_string()
        (account,) = await bridge.accounts()
        assert account["state"] == "paused"
        (fax,) = await bridge.faxes()
        assert fax["state"] == "queued"
        await bridge.send(note, "902163333344")
        await asyncio.sleep(1.5)
        assert {one["state"] for one in await bridge.faxes()} == {"queued"}
        assert bridge.mails("ayse@example.com") == []
        assert len(bridge.mails("postmaster@example.com")) == 1


async def test_a_paused_account_ends_its_faxes_when_their_time_is_over(tmp_path: Path, note: EmailMessage) -> None:
    """The sender hears of it by a promised time even if nobody mends the account."""
    async with bridge_in(tmp_path, queue_lifetime="2s") as bridge:
        await bridge.send(note, "902163330014")
        report = await bridge.mail("ayse@example.com")
        (fax,) = await bridge.faxes()
        assert (fax["state"], fax["result"]) == ("failed", "expired")
        assert "Sözleşme hakkında" in str(report["Subject"])


async def test_many_recipients_are_told_in_one_report(bridge: Bridge, note: EmailMessage) -> None:
    """One report when all faxes of the mail have ended, each with its own outcome."""
    await bridge.send(note, "902163333344", "902163330001", "902163330005")
    report = await bridge.mail("ayse@example.com")
    text = text_of(report)
    for number in ("+90 216 333 33 44", "+90 216 333 00 01", "+90 216 333 00 05"):
        assert number in text
    assert {fax["state"] for fax in await bridge.faxes()} == {"delivered", "failed"}
    await asyncio.sleep(0.3)
    assert len(bridge.mails()) == 1


async def test_the_report_speaks_the_senders_language(bridge: Bridge, note: EmailMessage) -> None:
    """English by the sender's entry, where the site's language is Turkish."""
    await bridge.send(note, "902163330001", sender="jo@english.example.com")
    report = await bridge.mail("jo@english.example.com")
    assert "busy" in text_of(report)
    assert "meşgul" not in text_of(report)


async def test_with_on_unknown_retry_the_fax_is_sent_again(tmp_path: Path, note: EmailMessage) -> None:
    """The setting for those who would rather have it twice than not at all."""
    async with bridge_in(tmp_path, on_unknown="retry", queue_lifetime="4s") as bridge:
        await bridge.send(note, "902163330008")

        async def twice() -> bool | None:
            (fax,) = await bridge.faxes() or [{"attempts": 0}]
            return fax["attempts"] >= 2 or None

        await until(twice)
