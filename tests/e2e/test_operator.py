"""What the operator can do while the daemon runs."""

import asyncio
import json
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import update

from fax_bridge.fax import now
from fax_bridge.history import status_words
from fax_bridge.store import faxes
from fax_bridge.store.schema import fax as fax_table
from fax_bridge.store.store import Store, Tx
from tests.e2e.conftest import SECRET, Bridge, bridge_in, until
from tests.e2e.test_cli import run, said


async def command(bridge: Bridge, *words: str) -> Any:
    return await asyncio.to_thread(run, *words, "--config", str(bridge.directory / "fax-bridge.toml"))


async def test_a_fax_that_waits_can_be_tried_now_or_cancelled(tmp_path: Path, note: EmailMessage) -> None:
    """Cancelled before it was handed over: its sender is told, nothing goes out."""
    async with bridge_in(tmp_path, retry_first="10m", retry_longest="10m") as bridge:
        await bridge.sandbox.stop()
        await bridge.send(note, "902163333344")
        await until(lambda: _state(bridge, attempts=1))
        (fax,) = await bridge.faxes()
        told = await command(bridge, "queue", "--json")
        assert said(told)["counts"]["faxes"] == {"queued": 1}
        assert (await command(bridge, "faxes", "retry", fax["id"])).returncode == 0
        await until(lambda: _state(bridge, attempts=2))
        assert (await command(bridge, "faxes", "cancel", fax["id"])).returncode == 0
        report = await bridge.mail("ayse@example.com")
        assert "iptal" in str(report["Subject"])
        again = await command(bridge, "faxes", "cancel", fax["id"])
        assert again.returncode == 1
        assert "only a fax that was not handed to FaxMAX" in again.stderr


async def _state(bridge: Bridge, attempts: int) -> bool | None:
    faxes = await bridge.faxes()
    return bool(faxes and faxes[0]["attempts"] >= attempts and faxes[0]["state"] == "queued") or None


async def test_a_held_fax_goes_when_it_is_released_and_is_cancelled_when_nobody_does(
    tmp_path: Path, note: EmailMessage
) -> None:
    """Its sender hears of the latter by the ordinary report, with the reason."""
    async with bridge_in(tmp_path, held_for="60s", retry_first="10m", retry_longest="10m") as bridge:
        await bridge.sandbox.stop()
        await bridge.send(note, "902163333344", "902163333355")
        await until(lambda: _state(bridge, attempts=1))
        held, released = await bridge.faxes()
        for fax in (held, released):
            assert (await command(bridge, "faxes", "hold", fax["id"])).returncode == 0
        assert [fax["state"] for fax in await bridge.faxes()] == ["held", "held"]
        assert (await command(bridge, "faxes", "release", released["id"])).returncode == 0
        store = await Store.open(bridge.settings.store.url, exclusive=False)
        # Its time is over now; to wait for it would leave the commands above, on a busy machine, too little of it.
        await store.write(partial(_held_until_now, fax_id=held["id"]))
        await store.close()
        await until(lambda: _in(bridge, held["id"], "cancelled"))
        assert (await bridge.fax(released["id"]))["state"] == "queued"
        assert (await command(bridge, "faxes", "cancel", released["id"])).returncode == 0
        report = await bridge.mail("ayse@example.com")
        body = report.get_body(("plain",))
        assert body is not None
        assert "bekletiliyordu ve süresi içinde kimse serbest bırakmadı" in " ".join(body.get_content().split())


async def _held_until_now(tx: Tx, fax_id: str) -> None:
    row = await faxes.locked(tx, fax_id)
    assert row.due_at > now()
    await tx.conn.execute(update(fax_table).where(fax_table.c.id == row.id).values(due_at=now()))


async def _in(bridge: Bridge, fax_id: str, state: str) -> bool | None:
    return (await bridge.fax(fax_id))["state"] == state or None


async def test_an_ended_fax_can_be_sent_once_more(bridge: Bridge, note: EmailMessage) -> None:
    """A message of its own, with a report of its own; one that may still go out cannot."""
    await bridge.send(note, "902163330001")
    await bridge.mail("ayse@example.com")
    (fax,) = await bridge.faxes()
    assert (await command(bridge, "faxes", "resend", fax["id"])).returncode == 0
    await bridge.mail("ayse@example.com", 2)
    assert [one["state"] for one in await bridge.faxes()] == ["failed", "failed"]
    assert (await command(bridge, "faxes", "release", fax["id"])).returncode == 1


async def test_a_quarantined_push_can_be_looked_at_and_replayed(bridge: Bridge) -> None:
    """What it told before is not told twice."""
    async with httpx.AsyncClient(trust_env=False) as http:
        body = json.dumps([{"type": "SMS", "id": "x"}])
        await http.post(f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}", content=body)
    await bridge.mail("postmaster@example.com")
    (push,) = said(await command(bridge, "pushes", "list", "--state", "quarantined", "--json"))
    assert push["bytes"] == len(body)
    shown = await command(bridge, "pushes", "show", push["id"])
    assert '"type": "SMS"' in shown.stdout
    assert (await command(bridge, "pushes", "replay", push["id"])).returncode == 0

    async def quarantined_again() -> bool | None:
        rows = said(await command(bridge, "pushes", "list", "--json"))
        return rows[0]["state"] == "quarantined" or None

    await until(quarantined_again)
    assert len(bridge.mails()) == 1


async def test_a_status_word_is_counted_told_once_and_understood_after_the_line_is_added(
    tmp_path: Path, note: EmailMessage
) -> None:
    """The alert has the line and the push; with the line in the settings, replaying the push ends the fax."""
    async with bridge_in(tmp_path, confirm_within="10m") as bridge:
        await bridge.send(note, "902163330013")
        provider_id = await until(lambda: _provider_id(bridge))
        await _push(bridge, provider_id, "İLETİLDİ-2")
        alert = await bridge.mail("postmaster@example.com")
        await _push(bridge, provider_id, "iletildi 2")
        await until(lambda: _words(bridge, 2))
        text = " ".join(str(alert.get_body(("plain",)).get_content()).split())  # type: ignore[union-attr]  # it has one
        assert '"İLETİLDİ-2" = { class = "CLASS", final = true }' in text
        words = {row["word"]: row for row in said(await command(bridge, "pushes", "words", "--json"))}
        assert (words["İLETİLDİ-2"]["count"], words["İLETİLDİ-2"]["known"]) == (1, False)
        assert set(words) == {"İLETİLDİ-2", "iletildi 2"}
        shown = await command(bridge, "pushes", "words")
        assert "not known, not final" in shown.stdout
        assert len(bridge.mails("postmaster@example.com")) == 1
        assert await bridge.ended("submitted")
    added = '[faxmax.status_map]\n"İLETİLDİ-2" = { class = "delivered", final = true }\n'
    async with bridge_in(tmp_path, confirm_within="10m", more=added) as bridge:
        push = words["İLETİLDİ-2"]["last_push"]
        assert f"pushes replay {push}" in text
        assert (await command(bridge, "pushes", "replay", push)).returncode == 0
        assert (await bridge.ended("delivered"))["result"] == "delivered"
        assert "teslim edildi" in str((await bridge.mail("ayse@example.com"))["Subject"])


async def _push(bridge: Bridge, provider_id: str, status: str) -> None:
    content = json.dumps([{"type": "OUTGOING_FAX", "id": provider_id, "status": status}])
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.post(f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}", content=content)


async def _words(bridge: Bridge, count: int) -> bool | None:
    return len(await status_words(bridge.settings)) == count or None


async def _provider_id(bridge: Bridge) -> str | None:
    faxes = await bridge.faxes()
    return faxes[0]["faxmax_id"] if faxes else None
