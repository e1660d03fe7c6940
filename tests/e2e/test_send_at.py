"""A time to send at, from the mail to the sandbox, and what people hear of it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from sqlalchemy import update

from fax_bridge.fax import now
from fax_bridge.store import faxes
from fax_bridge.store.schema import fax as fax_table
from fax_bridge.store.store import Store, Tx
from tests.e2e.conftest import Bridge, bridge_in, until
from tests.e2e.test_cli import run


def at(note: EmailMessage, when: str) -> EmailMessage:
    note["x-fax-SEND-at"] = when
    return note


async def test_a_fax_waits_for_its_time_and_then_goes(bridge: Bridge, note: EmailMessage) -> None:
    """Until then it is shown as waiting; it does not go a moment earlier."""
    due = datetime.now(UTC) + timedelta(seconds=4)
    await bridge.send(at(note, due.isoformat()), "902163333344")

    async def waiting() -> dict[str, object] | None:
        found = await bridge.faxes()
        return found[0] if found and found[0]["not_before"] else None

    fax = await until(waiting)
    assert fax["state"] == "queued"
    await bridge.mail("ayse@example.com")
    (ended,) = await bridge.faxes()
    assert ended["state"] == "delivered"
    assert ended["not_before"] is None
    submitted = next(e for e in (await bridge.fax(ended["id"]))["events"] if e["state"] == "submitting")
    assert datetime.fromisoformat(submitted["at"]) >= due.replace(microsecond=0)


async def test_an_operator_can_send_it_sooner(bridge: Bridge, note: EmailMessage) -> None:
    """faxes retry waits for nothing; faxes show says what it waited for."""
    await bridge.send(at(note, (datetime.now(UTC) + timedelta(days=1)).isoformat()), "902163333344")
    (fax,) = await until(lambda: _queued(bridge))
    config = str(bridge.directory / "fax-bridge.toml")
    shown = await _run("faxes", "show", fax["id"], "--config", config)
    assert "not before" in shown
    assert "queued, not before" in await _run("faxes", "list", "--config", config)
    started = time.monotonic()
    await _run("faxes", "retry", fax["id"], "--config", config)
    await bridge.mail("ayse@example.com")
    assert time.monotonic() - started < 30
    assert (await bridge.fax(fax["id"]))["state"] == "delivered"


async def test_a_fax_that_is_claimed_in_the_quiet_hours_goes_back_untried(tmp_path: Path, note: EmailMessage) -> None:
    """Whatever made it due: a resumed account, say. The fax to another country goes meanwhile."""
    hours = [(datetime.now(UTC) + timedelta(hours=h)).strftime("%H:%M") for h in (-1, 1)]
    quiet = f'[[quiet_hours]]\nmatch = "90"\nfrom = "{hours[0]}"\nuntil = "{hours[1]}"\ntimezone = "UTC"\n'
    async with bridge_in(tmp_path, more=quiet) as bridge:
        await bridge.send(note, "902163333344")
        await bridge.send(note, "4930123456")
        (fax,) = [one for one in await until(lambda: _queued(bridge)) if one["number"].startswith("90")]
        # Its document is made then: what made it due before that would be overwritten.
        await until(lambda: _noted(bridge, fax["id"], "not before"))
        store = await Store.open(bridge.settings.store.url, exclusive=False)
        await store.write(partial(_make_due, fax_id=fax["id"]))
        await store.close()
        await until(lambda: _noted(bridge, fax["id"], "put off; not before"))
        shown = await bridge.fax(fax["id"])
        assert (shown["state"], shown["attempts"]) == ("queued", 0)
        await bridge.mail("ayse@example.com")
        ended = {one["number"]: one["state"] for one in await bridge.faxes()}
        assert ended == {"902163333344": "queued", "4930123456": "delivered"}
        await _run("faxes", "retry", fax["id"], "--config", str(bridge.directory / "fax-bridge.toml"))
        await bridge.mail("ayse@example.com", 2)
        assert (await bridge.fax(fax["id"]))["state"] == "delivered"


async def _make_due(tx: Tx, fax_id: str) -> None:
    """That one, which has its document; another one may still wait for its own."""
    await tx.conn.execute(update(fax_table).where(fax_table.c.id == fax_id).values(due_at=now()))
    tx.wake(faxes.SUBMIT.name)


async def _noted(bridge: Bridge, fax_id: str, note: str) -> bool | None:
    return any(note in event["note"] for event in (await bridge.fax(fax_id))["events"]) or None


async def test_a_time_that_cannot_be_read_refuses_the_mail_in_words(tmp_path: Path, note: EmailMessage) -> None:
    """The sender hears what it was and how to write it; in both languages; nothing is sent."""
    async with bridge_in(tmp_path) as bridge:
        await bridge.send(at(note, "yarın sabah"), "902163333344")
        await bridge.send(note, "902163333355", sender="john@english.example.com")
        turkish = await bridge.mail("ayse@example.com")
        english = await bridge.mail("john@english.example.com")
        assert {one["state"] for one in await bridge.faxes()} == {"failed"}
        assert {one["attempts"] for one in await bridge.faxes()} == {0}
    for mail, words in (
        (turkish, ("bu bir gönderim saati değil", "yarın sabah", "bir seçenek kullanılamadı")),
        (english, ("this is no time to send at", "yarın sabah", "could not be used")),
    ):
        body = mail.get_body(("plain",))
        assert body is not None
        text = f"{mail['Subject']} {' '.join(body.get_content().split())}"
        assert all(word in text for word in words), text


async def _queued(bridge: Bridge) -> list[dict[str, str]] | None:
    found = await bridge.faxes()
    return found if any(one["not_before"] for one in found) else None


async def _run(*words: str) -> str:
    told = await asyncio.to_thread(run, *words)
    assert told.returncode == 0, told.stderr
    return str(told.stdout)
