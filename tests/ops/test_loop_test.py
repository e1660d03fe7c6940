"""The test fax to the own number: it goes out, comes in, and bothers nobody; or else the operator hears of it."""

import asyncio
import base64
import contextlib
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageOps
from sqlalchemy import select

from fax_bridge.documents.marks import html_of
from fax_bridge.documents.marks_reading import read
from fax_bridge.documents.worker import Documents
from fax_bridge.fax import Resolution
from fax_bridge.loop_test import number_of
from fax_bridge.ops.looping import Loop
from fax_bridge.received_faxes import listed
from fax_bridge.setting_sources import load
from fax_bridge.store.schema import audit, fax
from fax_bridge.store.store import Store
from tests.e2e.conftest import OUR_NUMBER, SECRET, Bridge, bridge_in, settings_text, until
from tests.ops.test_watching import get, samples

LOOP = (
    '\n[ops]\nlisten = ["127.0.0.1:0"]\n'
    '[alerts]\nlook_every = "100ms"\nloop_test_every = "1h"\nloop_test_within = "{within}"\n'
)
NUMBER = number_of("01M7YATS31JZHSMW1DA8S1XZ7J")


async def received(bridge: Bridge, state: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((row for row in await listed(bridge.settings, 10) if row["state"] == state), None)

    return await until(look)


async def test_it_comes_back_and_nobody_is_bothered(tmp_path: Path) -> None:
    """One goes out, the whole way, and comes in as a received fax: no report, no mail with a fax, no alert."""
    async with bridge_in(tmp_path, more=LOOP.format(within="30m")) as bridge:
        home = await received(bridge, "mailed")
        assert home["called"] == home["caller"] == "+90 216 222 25 25"
        sent = await bridge.ended("delivered")
        steps = [step["note"] for step in (await bridge.fax(sent["id"]))["events"]]
        assert "came back as a received fax" in steps
        await asyncio.sleep(1.5)  # a second look, and the report that is not written
        assert len(await bridge.faxes()) == 1
        assert bridge.mails() == []
        seen = samples((await get(bridge, "/metrics")).text)
    for outcome in ("sent", "home"):
        assert seen[("fax_bridge_loop_tests_total", (("outcome", outcome),))] == 1
    assert seen[("fax_bridge_loop_test_seconds_count", ())] == 1


async def test_one_that_does_not_come_back_is_told_and_a_fax_of_people_is_never_taken_for_it(tmp_path: Path) -> None:
    """FaxMAX's pushes do not arrive; then one does, with somebody's fax from the same number to the same number."""
    async with bridge_in(tmp_path, more=LOOP.format(within="1s")) as bridge:
        bridge.sandbox.notify_url = "http://127.0.0.1:9/push"
        alert = await bridge.mail("postmaster@example.com")
        assert "geri gelmedi" in str(alert["Subject"])
        async with Documents() as documents:
            page = await documents.html_to_pdf(html_of(NUMBER) + "<p>Sözleşme")
            tiff = await documents.rasterise(page)
        element = {
            "type": "INCOMING_FAX", "id": "in-1", "cli": OUR_NUMBER, "cld": OUR_NUMBER,
            "content": base64.b64encode(tiff).decode(),
        }  # fmt: skip
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(f"http://127.0.0.1:{bridge.webhook_port}/push/{SECRET}", json=[element])
        await bridge.mail("reception@example.com")
        assert len(bridge.mails("postmaster@example.com")) == 1


async def test_of_two_nodes_that_find_it_is_time_one_sends_it(tmp_path: Path, postgresql_url: str) -> None:
    """The rule against repeats holds for it too; and who sent it is in the audit log."""
    path = tmp_path / "fax-bridge.toml"
    path.write_text(settings_text(tmp_path, "http://127.0.0.1:9/api/v1") + LOOP.format(within="30m"))
    settings = load(path)
    async with contextlib.AsyncExitStack() as stack:
        documents = await stack.enter_async_context(Documents())
        stores = [await Store.open(postgresql_url) for _ in range(2)]
        for store in stores:
            stack.push_async_callback(store.close)
        await asyncio.gather(*(Loop(settings, store, documents).look() for store in stores))
        async with stores[0].read() as conn:
            faxes = (await conn.execute(select(fax.c.number, fax.c.repeat_key))).all()
            acts = (await conn.execute(select(audit.c.act, audit.c.who, audit.c.by_right))).all()
        assert [tuple(one) for one in faxes] == [(OUR_NUMBER, "loop test")]
        assert [tuple(one) for one in acts] == [("accepted", "fax-bridge", "alerts.loop_test_every")]
        assert await Loop(settings, stores[1], documents).look() is None


@pytest.mark.parametrize("resolution", list(Resolution))
async def test_the_number_is_read_from_a_page_that_was_faxed(resolution: Resolution) -> None:
    """As FaxMAX draws it and as it comes back, at each resolution."""
    async with Documents() as documents:
        pdf = await documents.html_to_pdf(f"<html><body>{html_of(NUMBER)}<p>fax-bridge</body></html>")
        made = await documents.tiff_to_pdf(await documents.rasterise(pdf, resolution=resolution))
        assert await documents.marks(made.pdf) == NUMBER
        assert await documents.marks(await documents.html_to_pdf("<p>Merhaba")) is None


async def test_the_number_is_read_from_a_page_that_was_shrunk_shifted_and_damaged() -> None:
    """A line of the sending machine above it, 5 % smaller, moved, and every eighth line lost."""
    async with Documents() as documents:
        pdf = await documents.html_to_pdf(f"<html><body>{html_of(NUMBER)}</body></html>")
        png = await documents.picture(pdf)
    page = Image.open(io.BytesIO(png)).convert("L")
    small = ImageOps.scale(page, 0.95)
    sheet = Image.new("L", page.size, 255)
    sheet.paste(small, (9, 17))
    sheet.paste(0, (20, 4, 220, 8))
    for y in range(0, sheet.height, 8):
        sheet.paste(255, (0, y, sheet.width, y + 1))
    assert read(sheet) == NUMBER
