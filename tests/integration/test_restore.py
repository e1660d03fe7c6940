"""``fax-bridge restore``: what it refuses, and what it leaves behind."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.fax import FaxState, now
from fax_bridge.quiet_hours import ALWAYS
from fax_bridge.store import faxes, intake, operator
from fax_bridge.store.backup import back_up, restore
from fax_bridge.store.lease import LeaseLost, claim
from fax_bridge.store.schema import fax, fax_event
from fax_bridge.store.store import Store
from tests.integration.test_store import accepted

HOUR = 3_600_000


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def states(conn: AsyncConnection) -> dict[str, str]:
    return {row.id: row.state for row in (await conn.execute(select(fax.c.id, fax.c.state))).all()}


async def test_a_database_that_is_in_its_place_has_its_waiting_faxes_held(either_url: str) -> None:
    """As after pg_restore: none is left that could go by itself, and each one's history says why."""
    store = await Store.open(either_url)
    await accepted(store, "F1", "F2")
    await store.close()
    until = now() + HOUR
    assert await restore(either_url, None, until=until) == 2
    assert await restore(either_url, None, until=until) == 0
    store = await Store.open(either_url)
    async with store.read() as conn:
        rows = (await conn.execute(select(fax))).all()
        notes = (await conn.execute(select(fax_event.c.note).where(fax_event.c.state == FaxState.HELD))).scalars().all()
    await store.close()
    assert {(row.state, row.owner, row.due_at) for row in rows} == {(FaxState.HELD, None, until)}
    assert len(notes) == 2
    assert "restored from a backup" in notes[0]


async def test_a_worker_that_has_a_fax_in_hand_does_not_hand_over_what_is_held(either_url: str) -> None:
    """Its lease is lost before the POST."""
    store = await Store.open(either_url)
    try:
        await accepted(store, "F1")
        take = partial(claim, queue=faxes.SUBMIT, owner="w", lease_ms=60_000, limit=1, lane="default")
        ((lease, _),) = await store.write(take)
        await store.write(partial(operator.hold_all, until=now() + HOUR))
        with pytest.raises(LeaseLost):
            await store.write(partial(faxes.submitting, lease=lease))
    finally:
        await store.close()


async def test_a_held_fax_without_a_document_cannot_be_released(either_url: str) -> None:
    """It would be tried for nothing until its time is over; the words say what to do."""
    new = intake.NewMessage(
        id="M1", account="default", mail_from="a@example.com", client="", content=b"x", language="tr", options={},
        give_up_at=now() + HOUR, faxes=(intake.NewFax("F1", "902163334455", ()),),
    )  # fmt: skip
    store = await Store.open(either_url)
    try:
        await store.write_each(intake.accept, new)
        await store.write(partial(operator.hold_all, until=now() + HOUR))
        with pytest.raises(operator.NotPossible, match="document is not made"):
            await store.write(partial(operator.release, fax_id="F1", schedule=ALWAYS, give_up_at=now() + HOUR))
    finally:
        await store.close()


async def test_a_backup_is_put_where_no_database_is(tmp_path: Path) -> None:
    """With its faxes held and for nobody else's eyes; nothing else is left there."""
    origin, place = tmp_path / "origin.db", tmp_path / "new"
    place.mkdir()
    store = await Store.open(f"sqlite:///{origin}")
    await accepted(store, "F1")
    await back_up(f"sqlite:///{origin}", tmp_path / "copy.db")
    await store.close()
    target = place / "fax-bridge.db"
    assert await restore(f"sqlite:///{target}", tmp_path / "copy.db", until=now() + HOUR) == 1
    assert [path.name for path in place.iterdir()] == ["fax-bridge.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    store = await Store.open(f"sqlite:///{target}")
    async with store.read() as conn:
        assert await states(conn) == {"F1": FaxState.HELD}
    await store.close()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda place: (place / "fax-bridge.db").touch(), "fax-bridge.db is still there. Stop the daemon"),
        (lambda place: (place / "fax-bridge.db-wal").touch(), "fax-bridge.db-wal is still there"),
        (lambda place: (place / "copy.db").unlink(), "Name a file that fax-bridge backup has made"),
        (lambda place: (place / "copy.db").write_bytes(b""), "is no database of fax-bridge"),
        (lambda place: (place / "copy.db").write_bytes(b"no database at all"), "cannot be copied"),
    ],
)
async def test_what_cannot_be_restored_is_refused_and_changes_nothing(
    tmp_path: Path, prepare: Callable[[Path], object], words: str
) -> None:
    """A database that is there is never replaced, nor a write-ahead log played into another one."""
    store = await Store.open(f"sqlite:///{tmp_path}/origin.db")
    await store.close()
    await back_up(f"sqlite:///{tmp_path}/origin.db", tmp_path / "copy.db")
    prepare(tmp_path)
    before = files_in(tmp_path)
    with pytest.raises(BridgeError, match=words):
        await restore(f"sqlite:///{tmp_path}/fax-bridge.db", tmp_path / "copy.db", until=now())
    assert files_in(tmp_path) == before


async def test_a_file_is_no_way_to_restore_a_server(postgresql_url: str, tmp_path: Path) -> None:
    """The words name the tool that is."""
    with pytest.raises(BridgeError, match="pg_restore"):
        await restore(postgresql_url, tmp_path / "copy.db", until=now())
