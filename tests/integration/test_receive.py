"""The SMTP listener over real sockets, with a real client."""

import asyncio
import contextlib
import smtplib
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.service.reload import take_over
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import UnixSocket
from fax_bridge.settings import Settings
from fax_bridge.store import intake
from fax_bridge.store.schema import fax, message, message_piece
from fax_bridge.store.spool import spool_of
from fax_bridge.store.store import Store, Tx

T = TypeVar("T")
MAIL = b"Subject: Deneme\r\n\r\n.noktayla\r\nMerhaba\r\n"


@pytest.fixture
async def port(settings: Settings, store: Store) -> AsyncIterator[int]:
    intake = Intake(settings, store)
    yield await intake.listen_smtp(settings.smtp.listen[0])
    await intake.stop(grace=1)


async def talk(port: int, dialogue: Callable[[smtplib.SMTP], T]) -> T:
    def session() -> T:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            smtp.ehlo("client.example.com")
            return dialogue(smtp)

    return await asyncio.to_thread(session)


async def rcpt(port: int, recipient: str, sender: str = "ayse@example.com") -> tuple[int, bytes]:
    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail(sender)
        return smtp.rcpt(recipient)

    return await talk(port, dialogue)


async def test_a_mail_is_on_disk_before_its_250(port: int, store: Store) -> None:
    """The message, byte for byte, and one fax per number are committed when the client hears 250."""

    def dialogue(smtp: smtplib.SMTP) -> dict[str, tuple[int, bytes]]:
        return smtp.sendmail("ayse@example.com", ["902163334455@fax.example.com", "02163334466@fax.example.com"], MAIL)

    assert await talk(port, dialogue) == {}
    async with store.read() as conn:
        row = (await conn.execute(select(message))).one()
        faxes = (await conn.execute(select(fax).order_by(fax.c.number))).all()
        assert await intake.content(store, row.id) == MAIL
    assert (row.state, row.mail_from, row.client, row.account) == (
        "accepted",
        "ayse@example.com",
        "127.0.0.1",
        "default",
    )
    assert [(one.number, one.state) for one in faxes] == [("902163334455", "queued"), ("902163334466", "queued")]


@pytest.mark.parametrize(("edit", "code"), [("*@example.org", 451), ("ayse@example.com", 451), ("*@example.com", 250)])
async def test_a_right_that_is_taken_away_within_a_mail_is_gone(
    settings: Settings, store: Store, port: int, tmp_path: Path, edit: str, code: int
) -> None:
    """A client could keep a transaction open, and send once more after the reload that was to stop it. What has changed
    nothing for it is not felt."""

    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail("ayse@example.com")
        assert smtp.rcpt("902163334455@fax.example.com")[0] == 250
        path = tmp_path / "changed.toml"
        path.write_text((tmp_path / "fax-bridge.toml").read_text().replace("*@example.com", edit) + ALSO)
        take_over(settings, load(path))
        return smtp.data(MAIL)

    answered, words = await talk(port, dialogue)
    assert (answered, words[:5]) == (code, b"4.7.1" if code == 451 else b"2.0.0")
    async with store.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(message))).scalar() == (code == 250)


ALSO = '[[senders]]\nmatch = "veli@example.net"\nnetworks = ["127.0.0.0/8"]\n'


async def test_two_addresses_of_one_number_are_one_fax(port: int, store: Store) -> None:
    """Two RCPTs that normalise to one number must not fax twice; both addresses are kept for the report."""

    def dialogue(smtp: smtplib.SMTP) -> None:
        smtp.sendmail("ayse@example.com", ["902163334455@fax.example.com", "0216-333-4455@faks.example.com"], MAIL)

    await talk(port, dialogue)
    async with store.read() as conn:
        (only,) = (await conn.execute(select(fax))).all()
    assert only.recipients == ["902163334455@fax.example.com", "0216-333-4455@faks.example.com"]


@pytest.mark.parametrize(
    ("recipient", "code", "words"),
    [
        ("902163334455@fax.example.com", 250, b"2.1.5"),
        ("902163334455@FAX.EXAMPLE.COM", 250, b"2.1.5"),
        ("112@fax.example.com", 550, b'5.1.3 "112" is an emergency number'),
        ("ayse@fax.example.com", 550, b"5.1.3"),
        ("902163334455@example.org", 550, b"5.1.2"),
    ],
)
async def test_a_recipient_is_judged_at_rcpt_with_the_reason(
    port: int, recipient: str, code: int, words: bytes
) -> None:
    """A refusal in the dialogue needs no bounce, so there is no backscatter."""
    answer = await rcpt(port, recipient)
    assert answer[0] == code
    assert words in answer[1]


@pytest.mark.parametrize("sender", ["mallory@example.org", "", "far@example.net", "ayse@notexample.com"])
async def test_nobody_sends_who_may_not(port: int, sender: str) -> None:
    """No entry, the null sender, an entry for another network, a domain that only ends alike: 550 5.7.1."""
    answer = await rcpt(port, "902163334455@fax.example.com", sender)
    assert answer[0] == 550
    assert answer[1].startswith(b"5.7.1")


async def test_a_refused_sender_learns_nothing_of_the_recipients(port: int) -> None:
    """The same reply for a good and a bad number, until admission is decided."""
    good = await rcpt(port, "902163334455@fax.example.com", "mallory@example.org")
    bad = await rcpt(port, "nobody@example.org", "mallory@example.org")
    assert good == bad


async def test_a_store_that_cannot_commit_answers_451_and_the_client_keeps_the_mail(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A fault of ours is never a permanent refusal, and shows none of our insides."""
    store = await Store.open(f"sqlite:///{tmp_path_factory.mktemp('db')}/broken.db")
    intake = Intake(settings, store)
    port = await intake.listen_smtp(settings.smtp.listen[0])

    async def breaks(tx: object) -> None:
        await tx.conn.exec_driver_sql("DROP TABLE fax_event")  # type: ignore[attr-defined]  # Tx

    await store.write(breaks)

    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail("ayse@example.com")
        smtp.rcpt("902163334455@fax.example.com")
        return smtp.data(MAIL)

    answer = await talk(port, dialogue)
    async with store.read() as conn:
        assert (await conn.execute(select(message))).all() == []
    await intake.stop(grace=1)
    await store.close()
    assert answer == (451, b"4.3.0 local error, try again later")


async def test_a_mail_that_is_too_large_is_refused(port: int) -> None:
    """By its declared size at MAIL already, and by what really comes."""
    declared = await talk(port, lambda smtp: smtp.mail("ayse@example.com", ["SIZE=999999"]))
    assert declared[0] == 552

    def dialogue(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        smtp.mail("ayse@example.com")
        smtp.rcpt("902163334455@fax.example.com")
        return smtp.data(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 4000)

    assert (await talk(port, dialogue))[0] == 552


async def test_recipients_beyond_the_limit_are_put_off(port: int) -> None:
    """RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another mail."""

    def dialogue(smtp: smtplib.SMTP) -> list[int]:
        smtp.mail("ayse@example.com")
        return [smtp.rcpt(f"90216333{n:04d}@fax.example.com")[0] for n in range(101)]

    codes = await talk(port, dialogue)
    assert codes == [250] * 100 + [452]


# --- limits, slow and dead clients, the daemon's stop ---------------------------------------------------


@contextlib.asynccontextmanager
async def intake_with(settings: Settings, store: Store, **smtp: Any) -> AsyncIterator[tuple[Intake, int]]:
    """An intake with other ``[smtp]`` settings, and its port."""
    changed = settings.model_copy(update={"smtp": settings.smtp.model_copy(update=smtp)})
    intake = Intake(changed, store)
    port = await intake.listen_smtp(changed.smtp.listen[0])
    yield intake, port
    await intake.stop(grace=1)


class Client:
    """A client that can be slow, rude and dead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def line(self) -> str:
        async with asyncio.timeout(5):
            return (await self.reader.readline()).decode().strip()

    async def to_data(self) -> None:
        """As far as the 354."""
        self.writer.write(
            b"HELO c\r\nMAIL FROM:<ayse@example.com>\r\nRCPT TO:<902163334455@fax.example.com>\r\nDATA\r\n"
        )
        assert [(await self.line())[:3] for _ in range(5)] == ["220", "250", "250", "250", "354"]


@pytest.fixture
async def either_store(either_url: str) -> AsyncIterator[Store]:
    """Where large mails are files, and where they are rows."""
    store = await Store.open(either_url)
    yield store
    await store.close()


async def bytes_in(store: Store, settings: Settings) -> int:
    """Of all mails, in the database and in the spool."""
    async with store.read() as conn:
        rows = (await conn.execute(select(func.sum(func.length(message_piece.c.data))))).scalar() or 0
    assert settings.store.path is not None
    spool = spool_of(settings.store.path)
    return int(rows) + sum(path.stat().st_size for path in (spool.iterdir() if spool.is_dir() else ()))


async def gone(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await look():  # noqa: ASYNC110 — looks at the database
            await asyncio.sleep(0.02)


async def test_a_silent_client_is_let_go(settings: Settings, store: Store) -> None:
    """RFC 5321 §3.8: 421 before the connection is closed, in a command and in a mail alike."""
    async with intake_with(settings, store, idle_timeout=0.3) as (_, port):
        idle, within = await Client.connect(port), await Client.connect(port)
        await within.to_data()
        await idle.line()
        assert (await idle.line()).startswith("421 4.4.2")
        assert (await within.line()).startswith("421 4.4.2")
        assert await within.line() == ""
        idle.writer.close()
        within.writer.close()


async def test_a_client_that_trickles_is_let_go(settings: Settings, store: Store) -> None:
    """Never idle, but far below the minimum rate after the grace."""
    async with intake_with(settings, store, min_rate=1000.0, min_rate_grace=0.2) as (_, port):
        client = await Client.connect(port)
        await client.to_data()
        answer = asyncio.create_task(client.line())
        for _ in range(100):
            if answer.done():
                break
            client.writer.write(b"x")
            await asyncio.sleep(0.02)
        assert (await answer).startswith("421 4.4.2")
        client.writer.close()


async def test_sessions_beyond_the_limits_get_a_421(settings: Settings, store: Store) -> None:
    """Per client and in all; who leaves makes room."""
    async with intake_with(settings, store, max_sessions=3, max_sessions_per_client=2) as (_, port):
        first, second, third = [await Client.connect(port) for _ in range(3)]
        assert [(await one.line())[:9] for one in (first, second, third)] == [
            "220 fax.e",
            "220 fax.e",
            "421 4.7.0",
        ]
        assert await third.line() == ""
        first.writer.write(b"QUIT\r\n")
        assert (await first.line()).startswith("221")
        await first.reader.read()
        fourth = await Client.connect(port)
        assert (await fourth.line()).startswith("220")
        for one in (first, second, third, fourth):
            one.writer.close()


async def test_what_a_vanished_client_left_behind_is_dropped(settings: Settings, either_store: Store) -> None:
    """What was stored of a mail that will never end is gone soon after its connection."""
    store = either_store
    async with intake_with(settings, store, max_message_bytes=10_000_000) as (_, port):
        client = await Client.connect(port)
        await client.to_data()
        client.writer.write(b"x" * 2_000_000)
        await client.writer.drain()

        async def most_are_stored() -> bool:
            return await bytes_in(store, settings) >= 1_000_000

        await gone(most_are_stored)
        client.writer.transport.abort()

        async def none_left() -> bool:
            return await bytes_in(store, settings) == 0

        await gone(none_left)


async def test_a_piece_that_cannot_be_stored_makes_a_451_at_the_end(settings: Settings, either_store: Store) -> None:
    """The client is heard to its end, keeps its mail, and the session goes on."""
    store = either_store
    assert settings.store.path is not None
    spool_of(settings.store.path).write_bytes(b"no directory")
    async with intake_with(settings, store, max_message_bytes=10_000_000) as (_, port):

        async def breaks(tx: Tx) -> None:
            await tx.conn.exec_driver_sql("ALTER TABLE message_piece RENAME TO elsewhere")

        await store.write(breaks)
        client = await Client.connect(port)
        await client.to_data()
        client.writer.write(b"x" * 2_000_000 + b"\r\n.\r\nNOOP\r\n")
        assert await client.line() == "451 4.3.0 local error, try again later"
        assert (await client.line()).startswith("250")
        client.writer.close()


async def test_chunks_that_come_too_late_are_not_accepted(settings: Settings, store: Store) -> None:
    """What was staged may be purged by then: an empty last chunk must not make a mail of the rest."""
    async with intake_with(settings, store, data_timeout=0.2, max_message_bytes=1_000_000) as (_, port):
        client = await Client.connect(port)
        client.writer.write(
            b"EHLO c\r\nMAIL FROM:<ayse@example.com>\r\nRCPT TO:<902163334455@fax.example.com>\r\nBDAT 1\r\nx"
        )
        while not (await client.line()).endswith("octets received"):
            pass
        await asyncio.sleep(0.3)
        client.writer.write(b"BDAT 0 LAST\r\n")
        assert (await client.line()).startswith("421 4.4.2")
        client.writer.close()
    async with store.read() as conn:
        assert (await conn.execute(select(message))).all() == []


async def test_a_stop_lets_a_mail_end_and_sends_idle_clients_away(settings: Settings, store: Store) -> None:
    """Nobody is cut off within a mail that still comes; nobody may begin another."""
    async with intake_with(settings, store) as (intake, port):
        busy, idle = await Client.connect(port), await Client.connect(port)
        await busy.to_data()
        await idle.line()
        stopping = asyncio.create_task(intake.stop(grace=5))
        assert (await idle.line()).startswith("421 4.3.2")
        busy.writer.write(b"x\r\n.\r\nMAIL FROM:<ayse@example.com>\r\n")
        assert (await busy.line()).startswith("250 2.0.0 accepted")
        assert (await busy.line()).startswith("421 4.3.2")
        await stopping
        with pytest.raises(OSError, match="Connect"):
            await Client.connect(port)
        busy.writer.close()
        idle.writer.close()


async def test_a_stop_does_not_wait_for_a_stalled_mail(settings: Settings, store: Store) -> None:
    """After the grace the client hears 421, and keeps its mail."""
    async with intake_with(settings, store) as (intake, port):
        client = await Client.connect(port)
        await client.to_data()
        await intake.stop(grace=0.1)
        assert (await client.line()).startswith("421 4.3.2")
        client.writer.close()


async def test_a_socket_left_by_a_dead_daemon_is_taken_over_and_a_live_one_is_not(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    """The path serves the newcomer; two daemons never fight for it; the mode is the one of the settings."""
    where = UnixSocket(path=tmp_path / "lmtp.sock")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(where.path))
    dead.close()
    intake, second = Intake(settings, store), Intake(settings, store)
    await intake.listen_lmtp(where)
    assert stat.S_IMODE(where.path.stat().st_mode) == 0o660
    with pytest.raises(OSError, match="in use"):
        await second.listen_lmtp(where)
    await second.stop(grace=0)
    reader, writer = await asyncio.open_unix_connection(where.path)
    assert (await reader.readline()).startswith(b"220")
    writer.close()
    await intake.stop(grace=1)
    assert not where.path.exists()


MEMORY = """
import asyncio, re, sys
from pathlib import Path
from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.store.store import Store

def peak() -> int:
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

async def main() -> None:
    settings = load(Path(sys.argv[1]))
    settings = settings.model_copy(update={"smtp": settings.smtp.model_copy(update={"max_message_bytes": 30_000_000})})
    store = await Store.open(settings.store.url)
    intake = Intake(settings, store)
    print(await intake.listen_smtp(settings.smtp.listen[0]), peak(), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(peak(), flush=True)
    await intake.stop(1)
    await store.close()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
async def test_many_large_mails_at_once_take_constant_memory(settings: Settings, tmp_path: Path) -> None:
    """Twenty sessions send 20 MB each, 400 MB in all; the daemon's peak grows by less than 60 MB."""
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEMORY, str(tmp_path / "fax-bridge.toml"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert daemon.stdout
    try:
        port, before = map(int, (await daemon.stdout.readline()).split())
        chunk = b"x" * 78 + b"\r\n"

        async def send() -> str:
            client = await Client.connect(port)
            await client.to_data()
            for _ in range(250):
                client.writer.write(chunk * 1000)
                await client.writer.drain()
            client.writer.write(b".\r\n")
            async with asyncio.timeout(60):
                reply = (await client.reader.readline()).decode()
            client.writer.close()
            return reply

        replies = await asyncio.gather(*(send() for _ in range(20)))
        told = (await daemon.communicate(b"\n"))[0].split()[-1]
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()
    assert all(reply.startswith("250 2.0.0 accepted") for reply in replies)
    assert int(told) - before < 60_000
