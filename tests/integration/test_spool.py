"""Large mails of a SQLite store are files beside it: on disk before the 250, and gone when nothing wants them."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select, update
from ulid import ULID

from fax_bridge.fax import now
from fax_bridge.settings import Settings
from fax_bridge.store import intake
from fax_bridge.store.backup import back_up
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import message
from fax_bridge.store.spool import Spool, spool_of
from fax_bridge.store.store import Store

LARGE = b"Subject: x\r\n\r\n" + bytes(range(256)) * 4000


@pytest.fixture
def spool(settings: Settings) -> Path:
    assert settings.store.path is not None
    return spool_of(settings.store.path)


def new(message_id: str, *, key: str = "", spooled: int = len(LARGE)) -> intake.NewMessage:
    return intake.NewMessage(
        id=message_id, account="default", mail_from="a@example.com", client="c", content=b"", language="tr", options={},
        give_up_at=now() + 1000, faxes=(intake.NewFax(str(ULID()), "902163334455", ("n@x",), key),),
        spooled_bytes=spooled, repeat_window=60_000,
    )  # fmt: skip


def modes(spool: Path) -> list[int]:
    return [path.stat().st_mode & 0o777 for path in (spool, *spool.iterdir())]


def names(spool: Path) -> set[str]:
    return {path.name for path in spool.iterdir()}


async def kept(store: Store, message_id: str) -> None:
    """A large mail as the intake hands it in."""
    assert store.spool is not None
    mail = store.spool.begin(message_id)
    await mail.write(LARGE[:500_000])
    await mail.write(bytearray(LARGE[500_000:]))
    await mail.sync()
    await store.write_each(intake.accept, new(message_id))


async def test_a_spooled_mail_comes_back_to_the_byte_and_is_for_nobody_else(store: Store, spool: Path) -> None:
    """The directory and the file can be read by the daemon's user only; nothing of the mail is in the database."""
    message_id = str(ULID())
    await kept(store, message_id)
    assert await intake.content(store, message_id) == LARGE
    assert modes(spool) == [0o700, 0o600]
    async with store.read() as conn:
        row = (await conn.execute(select(message))).one()
        assert (row.size, row.spooled) == (len(LARGE), 1)


async def test_many_who_wait_for_their_name_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But none of them is served by one that had begun before."""
    spool = Spool(tmp_path / "spool")
    synced: list[set[str]] = []
    sync = spool._sync  # noqa: SLF001 — counted, not replaced

    def counted() -> None:
        synced.append({path.name for path in (tmp_path / "spool").iterdir()})
        sync()

    monkeypatch.setattr(spool, "_sync", counted)

    async def one(name: str) -> None:
        mail = spool.begin(name)
        await mail.write(b"x")
        await mail.sync()
        assert any(name in names for names in synced)

    await asyncio.gather(*(one(f"m{n}") for n in range(100)))
    assert len(synced) < 100
    spool.close()


async def test_what_nothing_wants_any_more_is_swept_away(store: Store, spool: Path) -> None:
    """Mails that never became messages after their time, purged ones after the purge; never one that is wanted."""
    assert store.spool is not None
    old = {name: str(ULID.from_timestamp(1_000_000 + n)) for n, name in enumerate(("orphan", "wanted", "purged"))}
    young = str(ULID())
    for name in ("wanted", "purged"):
        await kept(store, old[name])
    for orphan in (old["orphan"], young):
        await store.spool.begin(orphan).write(b"x")
    (spool / "no-mail-of-ours").write_bytes(b"x")
    await store.write(
        lambda tx: tx.conn.execute(
            update(message).where(message.c.id == old["purged"]).values(state="reported", ended_at=1)
        )
    )
    await purge(store, Kept(content=1000, metadata=10**12))
    assert await intake.purge_incomplete(store, before=now() - 86_400_000) == 3
    assert names(spool) == {old["wanted"], young}
    assert await intake.content(store, old["purged"]) == b""
    assert await intake.content(store, old["wanted"]) == LARGE


async def test_a_backup_is_one_file_with_the_spooled_mails_in_it(
    store: Store, settings: Settings, tmp_path: Path, spool: Path
) -> None:
    """What is restored from it needs no spool; the store goes on with its own."""
    ids = [str(ULID()) for _ in range(3)]
    for one in ids:
        await kept(store, one)
    await store.write(
        lambda tx: tx.conn.execute(update(message).where(message.c.id == ids[1]).values(state="reported", ended_at=1))
    )
    for gone in ids[1:]:  # one purged between the copy of the rows and that of the files, one lost before its document
        (spool / gone).unlink()
    await back_up(settings.store.url, tmp_path / "copy.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT id FROM message WHERE spooled = 1").fetchall() == [(ids[2],)]
    assert await intake.content(store, ids[0]) == LARGE
    restored = await Store.open(f"sqlite:///{tmp_path}/copy.db")
    try:
        assert [await intake.content(restored, one) for one in ids[:2]] == [LARGE, b""]
        with pytest.raises(FileNotFoundError):
            await intake.content(restored, ids[2])
    finally:
        await restored.close()


async def test_a_spool_that_lost_a_mail_says_so(store: Store, spool: Path) -> None:
    """It is a fault to be told of, not an empty mail to be faxed."""
    message_id = str(ULID())
    await kept(store, message_id)
    (spool / message_id).unlink()
    with pytest.raises(FileNotFoundError):
        await intake.content(store, message_id)
