"""A database of an older release: it brings itself up to date, and what was under way in it goes on."""

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fax_bridge.errors import BridgeError
from fax_bridge.fax import now
from fax_bridge.store import faxes, messages
from fax_bridge.store.engines import engines_of
from fax_bridge.store.lease import claim
from fax_bridge.store.migrate import NEWEST
from fax_bridge.store.retention import Kept, purge
from fax_bridge.store.schema import fax, message, metadata
from fax_bridge.store.store import Store

MIGRATIONS = Path(messages.__file__).with_name("migrations")

OLD_ROWS = (
    (
        "INSERT INTO message (id, account, state, accepted_at, mail_from, client, size, language, options, due_at)"
        " VALUES ('01OLDMESSAGE00000000000001', 'default', 'ready', :at, 'ayse@example.com', '127.0.0.1', 3, 'tr',"
        " :options, NULL)"
    ),
    "INSERT INTO document (message_id, pdf) VALUES ('01OLDMESSAGE00000000000001', '%PDF')",
    (
        "INSERT INTO fax (id, message_id, account, number, recipients, state, accepted_at, give_up_at, due_at)"
        " VALUES ('01OLDFAX000000000000000001', '01OLDMESSAGE00000000000001', 'default', '902163334455',"
        " :recipients, 'queued', :at, :later, :at)"
    ),
)
"""A queued fax as release 0001 wrote it: what its sender asked to be told is a string among the options."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/old.db"
    found: str = request.getfixturevalue("postgresql_url")
    return found


OLD = "01OLD000000000000000000001"
FULL_0002: dict[str, dict[str, object]] = {
    "account": {"name": "default", "state": "active", "changed_at": 1},
    "message": {
        "id": OLD, "account": "default", "state": "reported", "accepted_at": 1, "ended_at": 2, "mail_from": "a@b",
        "client": "127.0.0.1", "size": 3, "language": "tr", "options": {"cli": "902162222525"}, "cover": {"body": "x"},
        "dsn_ret": "HDRS", "subject": "ğüş",
        "fates": [{"part": "1", "name": "", "content_type": "text/plain", "size": 3, "kind": "faxed", "first_page": 1,
                   "last_page": 1, "reason": "", "detail": ""}],
    },
    "message_piece": {"message_id": OLD, "seq": 0, "data": b"x"},
    "document": {"message_id": OLD, "pdf": b"%PDF"},
    "fax": {
        "id": OLD, "message_id": OLD, "account": "default", "number": "902163334455", "recipients": ["902163334455@x"],
        "dsn": {"902163334455@x": {"notify": "SUCCESS", "orcpt": ""}}, "state": "delivered", "result": "delivered",
        "accepted_at": 1, "give_up_at": 9, "ended_at": 2, "provider_id": "p1", "send_at": 1,
    },
    "fax_event": {"id": 1, "fax_id": OLD, "at": 1, "state": "delivered", "note": "DELIVERED"},
    "push": {"id": OLD, "received_at": 1, "client": "127.0.0.1", "body": b"[]", "state": "done"},
    "status": {
        "push_id": OLD, "seq": 0, "received_at": 1, "provider_id": "p1", "fax_id": OLD, "called": "902163334455",
        "requested_at": 1, "ours": 1, "word": "DELIVERED", "message": "", "result": "delivered", "final": 1,
        "facts": {"pages_sent": 1},
    },
    "received": {
        "id": OLD, "account": "default", "provider_id": "r1", "push_id": OLD, "received_at": 1, "caller": "",
        "caller_raw": "", "called": "", "called_raw": "", "remote_station": "", "tiff": b"II*", "state": "mailed",
    },
    "outbox": {
        "id": f"report-{OLD}", "kind": "report", "about": OLD, "created_at": 1, "give_up_at": 9, "mail_from": "",
        "recipients": ["a@b"], "refused": {}, "content": b"mail", "state": "sent",
    },
}  # fmt: skip
"""A row in each table, as release 0002 had them."""


async def _full(url: str) -> None:
    def fill(conn: Connection) -> None:
        config = Config(attributes={"connection": conn})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0002")
        old = MetaData()
        old.reflect(conn)
        assert set(old.tables) == {*FULL_0002, "alembic_version"}
        for name, row in FULL_0002.items():
            conn.execute(insert(old.tables[name]), row)

    engines = await engines_of(url, exclusive=True)
    async with engines.writer.begin() as conn:
        await conn.run_sync(fill)
    await engines.dispose()


async def test_a_row_of_each_table_is_there_after_the_upgrade_and_can_be_purged(url: str) -> None:
    """Every column as it was, the new ones at what means nothing was asked; and retention drops all of it."""
    await _full(url)
    store = await Store.open(url)
    try:
        async with store.read() as conn:
            for name, row in FULL_0002.items():
                (found,) = (await conn.execute(select(metadata.tables[name]))).mappings().all()
                assert {key: found[key] for key in row} == row
            (sent,) = await messages.faxes_of(conn, OLD)
            (fate,) = messages.fates_of(await messages.shown(conn, OLD))
        assert (sent.target, sent.options) == ("", None)
        assert fate.last_page == 1
        await purge(store, Kept(content=1000, metadata=1000))
        async with store.read() as conn:
            left = {name for name in FULL_0002 if (await conn.execute(select(metadata.tables[name]))).first()}
        assert left == {"account"}
    finally:
        await store.close()


async def _of_the_first_release(url: str) -> None:
    asked = {"902163334455@fax.example.com": {"notify": "NEVER", "orcpt": "rfc822;A+2Bb"}}
    options = {"cli": "902162222525", "dsn_ret": "HDRS", "dsn_envid": "Ab", "dsn_rcpt": json.dumps(asked)}
    values = {
        "at": now(),
        "later": now() + 3_600_000,
        "options": json.dumps(options),
        "recipients": json.dumps(["902163334455@fax.example.com"]),
    }

    def upgrade(conn: Connection) -> None:
        config = Config(attributes={"connection": conn})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")

    engines = await engines_of(url, exclusive=True)
    async with engines.writer.begin() as conn:
        await conn.run_sync(upgrade)
        for row in OLD_ROWS:
            statement = text(row)
            await conn.execute(statement, {key: values[key] for key in statement.compile().params})
    await engines.dispose()


async def _one(conn: AsyncConnection) -> tuple[object, ...]:
    asked = select(message.c.options, message.c.dsn_ret, message.c.dsn_envid, fax.c.dsn)
    return tuple((await conn.execute(asked.join(fax, fax.c.message_id == message.c.id))).one())


async def test_a_fax_under_way_survives_the_upgrade_of_its_database(url: str) -> None:
    """It can be claimed and handed over, and what its sender asked to be told has moved to where reports look; of
    its pages nothing is known."""
    await _of_the_first_release(url)
    store = await Store.open(url)
    try:
        async with store.read() as conn:
            assert await _one(conn) == (
                {"cli": "902162222525"}, "HDRS", "Ab",
                {"902163334455@fax.example.com": {"notify": "NEVER", "orcpt": "rfc822;A+2Bb"}},
            )  # fmt: skip
        async with store.read() as conn:
            assert messages.page_facts_of((await conn.execute(select(message))).one()) == ()
        [(lease, row)] = await store.write(
            lambda tx: claim(tx, faxes.SUBMIT, owner="me", lease_ms=60_000, limit=4, lane="default")
        )
        assert row.number == "902163334455"
        assert await store.write(lambda tx: faxes.submitting(tx, lease=lease)) == 1
    finally:
        await store.close()


async def test_a_database_of_a_later_release_is_not_touched(url: str) -> None:
    """The words say what to do, and the database is as it was."""
    await _of_the_first_release(url)
    engines = await engines_of(url, exclusive=True)
    async with engines.writer.begin() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engines.dispose()
    with pytest.raises(BridgeError, match=r"newer \(9999\) than this program"):
        await Store.open(url)
    engines = await engines_of(url, exclusive=True)
    async with engines.readers.connect() as conn:
        assert (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar() == "9999"
    await engines.dispose()


def test_the_newest_migration_is_the_one_that_a_start_looks_for() -> None:
    """One that is forgotten there would never be run on a database of the release before."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]
