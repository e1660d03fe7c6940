"""The driver of the dialogue files; ``README.md`` says what their lines mean."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import func, select

from fax_bridge.email_to_fax.receive import Intake
from fax_bridge.setting_sources import load
from fax_bridge.setting_types import Listen, UnixSocket
from fax_bridge.settings import Settings
from fax_bridge.store import intake
from fax_bridge.store.schema import fax, message, message_piece
from fax_bridge.store.store import Store
from tests.certificates import authority, signed

SETTINGS = """
[smtp]
listen = ["127.0.0.1:0"]
domains = ["fax.example.com"]
{smtp}
[store]
url = "sqlite:///{dir}/fax-bridge.db"
[faxmax]
url = "http://127.0.0.1:1/api/v1"
token = "T"
[webhook]
listen = ["127.0.0.1:0"]
secrets = ["first-long-random-string"]
[relay]
url = "maildir://{dir}/Maildir"
from = "Fax <fax@fax.example.com>"
[inbound]
fallback = "postmaster@example.com"
[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8"]
[[senders]]
match = "*@unix.example.com"
networks = ["unix"]
{also}
"""

USER = """
[[users]]
name = "ayse"
password_hash = "{hash}"
[[senders]]
match = ["ayse@login.example.com", "shared@login.example.com"]
auth = ["ayse"]
"""

PATIENCE = 5.0
"""Seconds that a reply may take."""


@dataclass(frozen=True)
class Line:
    number: int
    kind: str
    text: str


@dataclass(frozen=True)
class Dialogue:
    settings: tuple[str, ...]
    also: tuple[str, ...]
    over: str
    tls: bool
    password: str
    lines: tuple[Line, ...]


def settings_in(directory: Path, *smtp: str, also: str = "") -> Settings:
    path = directory / "fax-bridge.toml"
    path.write_text(SETTINGS.format(dir=directory, smtp="\n".join(smtp), also=also))
    return load(path)


def read(path: Path) -> Dialogue:
    """Raises ``ValueError`` for a line that is none."""
    settings: list[str] = []
    also: list[str] = []
    over, tls, password = "smtp", False, ""
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        key, _, value = text.partition(" ")
        if not text or key == "#":
            continue
        if key == "settings:":
            settings.append(value)
        elif key == "also:":
            also.append(value)
        elif key == "over:":
            over = value
        elif key == "tls:":
            tls = True
        elif key == "password:":
            password = value
        elif key in {"C:", "C>", "C*", "C!", "S:", "=", "--"}:
            lines.append(Line(number, key, value))
        else:
            raise ValueError(f"{path.name}:{number}: {text}")
    return Dialogue(tuple(settings), tuple(also), over, tls, password, tuple(lines))


def octets(text: str) -> bytes:
    r"""``\r``, ``\n``, ``\\`` and ``\xHH`` are bytes; the rest is UTF-8."""
    plain = {b"\\r": b"\r", b"\\n": b"\n", b"\\\\": b"\\"}

    def one(found: re.Match[bytes]) -> bytes:
        return plain.get(found[0]) or bytes.fromhex(found[0][2:].decode())

    return re.sub(rb"\\(?:[rn\\]|x[0-9a-fA-F]{2})", one, text.encode())


async def play(path: Path, directory: Path) -> None:
    dialogue = read(path)
    also = "\n".join(dialogue.also)
    if dialogue.password:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        also = USER.format(hash=cheap.hash(dialogue.password)) + also
    if dialogue.tls:
        pair = signed(directory, authority(directory), "server")
        also = f'[smtp.tls]\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n' + also
    settings = settings_in(directory, *dialogue.settings, also=also)
    store = await Store.open(settings.store.url)
    intake = Intake(settings, store)
    try:
        reader, writer = await _connect(intake, dialogue.over, directory)
        client = _Client(path.name, reader, writer, directory)
        for line in (line for line in dialogue.lines if line.kind != "="):
            await client.act(line)
        writer.close()
        await intake.stop(grace=2)
        for line in (line for line in dialogue.lines if line.kind == "="):
            await _look(store, f"{path.name}:{line.number}", line.text)
    finally:
        await intake.stop(grace=0)
        await store.close()


async def _connect(intake: Intake, over: str, directory: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if over == "unix":
        socket = UnixSocket(path=directory / "lmtp.sock")
        await intake.listen_lmtp(socket)
        return await asyncio.open_unix_connection(socket.path)
    where = Listen(host="127.0.0.1", port=0)
    if over == "smtps":
        port = await intake.listen_smtp_tls(where)
        return await asyncio.open_connection("127.0.0.1", port, ssl=_trusting(directory))
    listen = {"lmtp": intake.listen_lmtp, "scanners": intake.listen_scanners, "smtp": intake.listen_smtp}[over]
    return await asyncio.open_connection("127.0.0.1", await listen(where))


def _trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=directory / "ca.pem")


class _Client:
    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, directory: Path) -> None:
        self._name = name
        self._directory = directory
        self._reader = reader
        self._writer = writer
        self._said = bytearray()
        self._alone = False

    async def act(self, line: Line) -> None:
        place = f"{self._name}:{line.number}"
        if line.kind == "C:":
            self._said += octets(line.text) + b"\r\n"
        elif line.kind == "C>":
            self._said += octets(line.text)
        elif line.kind == "C*":
            times, _, text = line.text.partition(" ")
            self._said += octets(text) * int(times)
        else:
            await self._send()
        if line.kind == "--":
            await asyncio.sleep(0.03)
        elif line.kind == "C!" and line.text == "eof":
            self._writer.write_eof()
        elif line.kind == "C!" and line.text == "tls":
            async with asyncio.timeout(PATIENCE):
                await self._writer.start_tls(_trusting(self._directory), server_hostname="127.0.0.1")
        elif line.kind == "C!":
            self._alone = True
        elif line.kind == "S:" and line.text == "closed":
            async with asyncio.timeout(PATIENCE):
                assert await self._reader.read() == b"", place
        elif line.kind == "S:":
            code, _, words = line.text.partition(" ")
            reply = await self._reply(place)
            assert reply.startswith(code), f"{place}: {reply}"
            assert words in reply, f"{place}: {reply}"

    async def _send(self) -> None:
        said, self._said = bytes(self._said), bytearray()
        if not said:
            return
        for piece in [said[i : i + 1] for i in range(len(said))] if self._alone else [said]:
            self._writer.write(piece)
            if self._alone:
                await asyncio.sleep(0.0005)
        await self._writer.drain()

    async def _reply(self, place: str) -> str:
        lines: list[str] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not lines or lines[-1][3:4] == "-":
                    line = await self._reader.readuntil(b"\r\n")
                    lines.append(line.decode().removesuffix("\r\n"))
        except (TimeoutError, asyncio.IncompleteReadError) as fault:
            raise AssertionError(f"{place}: no reply after {lines}: {fault!r}") from fault
        return "|".join(lines)


async def _look(store: Store, place: str, text: str) -> None:
    """Compare what is in the store."""
    what, _, rest = text.partition(" ")
    async with store.read() as conn:
        found: Any = (await conn.execute(select(message).order_by(message.c.id))).all()
        if what == "mails":
            assert len(found) == int(rest), place
            orphans = select(func.count()).where(message_piece.c.message_id.not_in(select(message.c.id)))
            assert (await conn.execute(orphans)).scalar() == 0, place
            return
        index, _, expected = rest.partition(" ")
        row = found[int(index)]
        if what == "mail":
            assert await intake.content(store, row.id) == octets(expected), place
        elif what == "size":
            assert (row.size, len(await intake.content(store, row.id))) == (int(expected),) * 2, place
        elif what == "from":
            assert row.mail_from == expected, place
        elif what == "to":
            addresses = (await conn.execute(select(fax.c.recipients).where(fax.c.message_id == row.id))).scalars()
            assert sorted(a for one in addresses for a in one) == sorted(expected.split(", ")), place
        elif what == "asked":
            assert f"{row.dsn_ret} {row.dsn_envid}".strip() == expected, place
        elif what == "notify":
            address, _, value = expected.partition(" ")
            asked = (await conn.execute(select(fax.c.dsn).where(fax.c.message_id == row.id))).scalars()
            told = {key: dsn for one in asked if one for key, dsn in one.items()}.get(address, {})
            assert f"{told.get('notify', '')} {told.get('orcpt', '')}".strip() == value, place
        else:
            raise ValueError(f"{place}: {text}")
