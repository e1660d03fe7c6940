"""What the operator sees: metrics, health and alerts of a bridge that runs, over real sockets and a real database."""

import asyncio
import email
import sqlite3
from contextlib import closing
from datetime import datetime, time
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ulid import ULID

from fax_bridge.fax import now
from fax_bridge.ops import health
from fax_bridge.ops.metrics import Metrics
from fax_bridge.ops.observer import Facts
from fax_bridge.ops.watch import causes
from fax_bridge.ops.working_time import WorkingTime
from fax_bridge.setting_sources import load
from fax_bridge.store.depths import Depths, depths
from fax_bridge.store.store import Store
from tests.e2e.conftest import SECRET, Bridge, bridge_in, until

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"
OPS = '\n[ops]\nlisten = ["127.0.0.1:0"]\n[alerts]\nlook_every = "100ms"\n'

ISTANBUL = ZoneInfo("Europe/Istanbul")


def samples(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def get(bridge: Bridge, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{bridge.ops_port}{path}")


async def test_a_fax_on_its_way_is_counted_at_each_step(tmp_path: Path, note: EmailMessage) -> None:
    """Accepted, made, submitted, delivered, mailed, each once; the queue is empty at the end and we are ready."""
    async with bridge_in(tmp_path, more=OPS) as bridge:
        await bridge.send(note, "902163333344")
        await bridge.ended("delivered")
        await bridge.mail("ayse@example.com")

        async def counted() -> dict[Any, float] | None:
            seen = samples((await get(bridge, "/metrics")).text)
            mailed = seen.get(("fax_bridge_relay_mails_total", (("outcome", "sent"),)))
            # The event of the end follows its commit, and the mail may be quicker.
            told = mailed and seen.get(("fax_bridge_delivery_seconds_count", ()))
            # The gauges may be two seconds old.
            return seen if told and seen[("fax_bridge_oldest_waiting_fax_seconds", ())] == 0 else None

        seen = await until(counted)
        ready = await get(bridge, "/readyz")
    for name, labels in (
        ("mails_accepted_total", ()),
        ("faxes_accepted_total", ()),
        ("documents_total", (("outcome", "made"),)),
        ("submissions_total", (("outcome", "submitted"),)),
        ("faxes_ended_total", (("result", "delivered"), ("state", "delivered"))),
        ("accept_seconds_count", ()),
        ("submit_seconds_count", ()),
        ("delivery_seconds_count", ()),
        ("database_up", ()),
        ("ready", ()),
    ):
        assert seen[(f"fax_bridge_{name}", labels)] == 1, name
    assert 0 < seen[("fax_bridge_delivery_seconds_sum", ())] < 60
    assert seen[("fax_bridge_event_loop_lag_seconds_count", ())] >= 0
    assert seen[("process_resident_memory_bytes", ())] > 1e6
    assert (ready.status_code, ready.json()["ok"]) == (200, True)
    assert [check["name"] for check in ready.json()["checks"]] == ["process", "database", "disk", "faxmax", "relay"]


async def test_a_refused_account_is_a_reason_not_to_be_ready_and_none_to_be_restarted(
    tmp_path: Path, note: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/readyz says which account and why; /healthz stays green, for no restart would mend that."""
    monkeypatch.setenv("FAX_BRIDGE_FAXMAX__TOKEN", "wrong")
    async with bridge_in(tmp_path, more=OPS) as bridge:
        await bridge.send(note, "902163333344")

        async def refused() -> httpx.Response | None:
            answer = await get(bridge, "/readyz")
            return answer if answer.status_code == 503 else None

        told = {check["name"]: check for check in (await until(refused)).json()["checks"]}
        assert not told["faxmax"]["ok"]
        assert "account default is paused" in told["faxmax"]["reason"]
        assert (await get(bridge, "/healthz")).json() == {
            "ok": True,
            "checks": [{"name": "process", "ok": True, "reason": ""}],
        }
        seen = samples((await get(bridge, "/metrics")).text)
        assert seen[("fax_bridge_account_paused", (("account", "default"),))] == 1
        assert seen[("fax_bridge_queue_rows", (("queue", "faxes"), ("state", "queued")))] == 1
        assert seen[("fax_bridge_ready", ())] == 0


async def test_the_public_port_has_no_metrics(tmp_path: Path) -> None:
    """Whoever can reach the webhook learns nothing."""
    async with bridge_in(tmp_path, more=OPS) as bridge, httpx.AsyncClient() as client:
        for path in ("/metrics", f"/push/{SECRET}/metrics"):
            assert (await client.get(f"http://127.0.0.1:{bridge.webhook_port}{path}")).status_code == 404


async def test_a_cause_that_lasts_is_told_once(tmp_path: Path) -> None:
    """Disk low, looked at ten times a second: one mail, with how much is free and what to do."""
    more = OPS + "disk_free_bytes = 1_000_000_000_000_000\n"
    async with bridge_in(tmp_path, more=more) as bridge:
        mail = await bridge.mail("postmaster@example.com")
        await asyncio.sleep(2.5)
        assert len(bridge.mails("postmaster@example.com")) == 1
    text = email.message_from_bytes(mail.as_bytes(), policy=policy.default).get_body(("plain",))
    assert text is not None
    assert "[retention]" in text.get_content()
    with closing(sqlite3.connect(tmp_path / "fax-bridge.db")) as database:
        assert database.execute("SELECT about FROM outbox WHERE kind = 'alert'").fetchall() == [("disk_low",)]


# --- the parts ---------------------------------------------------------------------------------------


def facts(**values: Any) -> Facts:
    found = {"queues": (), "oldest_fax_at": None, "last_push_at": None, "oldest_mail_at": None} | values
    disk = found.pop("disk_free_bytes", 10**12)
    known = Depths(**{"oldest_mail_error": "", "paused": (), **found})
    return Facts((), known, "", 0.001, 1, disk, {"default": False})


def test_each_cause_is_found_and_none_without_reason() -> None:
    """A fax that waits too long; a full disk; silence of FaxMAX in working time."""
    settings = load(GOOD)
    settings.__dict__["alerts"] = settings.alerts.model_copy(update={"no_push": 4 * 3600.0})
    noon = int(datetime(2026, 11, 25, 14, tzinfo=ISTANBUL).timestamp() * 1000)

    def found(**values: Any) -> list[str]:
        return [cause.name for cause in causes(facts(**values), settings, at=noon, since=noon)]

    assert found() == []
    assert found(oldest_fax_at=noon - 7_100_000) == []
    assert found(oldest_fax_at=noon - 7_300_000) == ["oldest_fax"]
    assert found(disk_free_bytes=5) == ["disk_low"]
    assert found(last_push_at=noon - 3 * 3_600_000) == []
    assert found(last_push_at=noon - 5 * 3_600_000) == ["no_push"]
    # From 17:00 yesterday: one hour of then, and what there is of today.
    assert found(last_push_at=noon - 21 * 3_600_000) == ["no_push"]


@pytest.mark.parametrize(
    ("since", "until_", "hours"),
    [
        ("2026-11-25 09:00", "2026-11-25 11:00", 2),
        ("2026-11-25 17:00", "2026-11-26 09:00", 2),  # the night between does not count
        ("2026-11-27 17:00", "2026-11-30 09:00", 2),  # nor does the weekend
        ("2026-11-28 00:00", "2026-11-29 23:00", 0),
        ("2026-11-25 11:00", "2026-11-25 09:00", 0),  # the clock was set back
        ("2026-01-01 00:00", "2026-11-25 09:00", 420),  # only so many days are looked at
    ],
)
def test_only_working_time_counts(since: str, until_: str, hours: int) -> None:
    """Monday to Friday, eight to six, in Istanbul."""
    week = WorkingTime(time(8), time(18), frozenset(range(5)), ISTANBUL)
    ends = [int(datetime.fromisoformat(at).replace(tzinfo=ISTANBUL).timestamp() * 1000) for at in (since, until_)]
    assert week.seconds(*ends) / 3600 == hours


def test_a_night_shift_ends_on_the_next_day() -> None:
    """From ten to six."""
    night = WorkingTime(time(22), time(6), frozenset(range(5)), ISTANBUL)
    ends = [datetime(2026, 11, 25, 23, tzinfo=ISTANBUL), datetime(2026, 11, 26, 3, tzinfo=ISTANBUL)]
    assert night.seconds(*(int(at.timestamp() * 1000) for at in ends)) == 4 * 3600


def test_labels_are_words_from_closed_lists() -> None:
    """A stranger who invents addresses, codes or results makes no new series."""
    metrics = Metrics()
    for n in range(50):
        metrics.hear("rejected", "-", {"why": f"550 5.1.3 {n} is no number", "to": f"{n}@x"})
        metrics.hear("rejected", "-", {"why": f"something new {n}"})
        metrics.hear("ended", str(ULID()), {"state": f"s{n}", "result": f"r{n}", "message": "M"})
        metrics.hear("nothing_of_ours", "-", {})
    page = metrics.page(facts(), ready=True).decode()
    seen = samples(page)
    assert seen[("fax_bridge_rejections_total", (("reason", "5.1.3"),))] == 50
    assert seen[("fax_bridge_rejections_total", (("reason", "other"),))] == 50
    assert seen[("fax_bridge_faxes_ended_total", (("result", "other"), ("state", "other")))] == 50


def test_an_end_is_counted_once_and_a_correction_apart() -> None:
    """The step that ends a fax tells it, and so does its report."""
    metrics, fax = Metrics(), str(ULID())
    metrics.hear("ended", fax, {"state": "failed", "result": "expired"})
    metrics.hear("ended", fax, {"state": "failed", "result": "expired", "message": "M", "correction": False})
    metrics.hear("ended", fax, {"state": "delivered", "result": "delivered", "message": "M", "correction": True})
    seen = samples(metrics.page(facts(), ready=True).decode())
    assert seen[("fax_bridge_faxes_ended_total", (("result", "expired"), ("state", "failed")))] == 1
    assert seen[("fax_bridge_faxes_corrected_total", ())] == 1


def test_a_relay_that_takes_nothing_is_a_reason() -> None:
    """After a quarter of an hour: before that it may be greylisting."""
    young = health.ready(facts(oldest_mail_at=now() - 60_000, oldest_mail_error="451 later"), min_free_bytes=0)
    old = health.ready(facts(oldest_mail_at=now() - 1_000_000, oldest_mail_error="451 later"), min_free_bytes=0)
    assert all(check.ok for check in young)
    assert [(check.name, check.reason) for check in old if not check.ok] == [
        ("relay", "the oldest mail waits since 16 minutes: 451 later")
    ]


async def test_depths_are_the_same_on_both_databases(tmp_path: Path, postgresql_url: str) -> None:
    """An empty one has no queue at all."""
    for url in (f"sqlite:///{tmp_path}/d.db", postgresql_url):
        store = await Store.open(url)
        try:
            async with store.read() as conn:
                assert await depths(conn) == Depths((), None, None, None, "", ())
        finally:
            await store.close()
