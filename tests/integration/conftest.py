"""A store on a real file, settings on free ports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings
from fax_bridge.store.store import Store

SETTINGS = """
[smtp]
listen = ["127.0.0.1:0"]
domains = ["fax.example.com", "faks.example.com"]
max_message_bytes = 200000

[store]
url = "sqlite:///{dir}/fax-bridge.db"

[faxmax]
url = "http://127.0.0.1:1/api/v1"
token = "T"
cli = "902162222525"

[webhook]
listen = ["127.0.0.1:0"]
secrets = ["first-long-random-string", "second-long-random-string"]
max_body_bytes = 100000

[relay]
url = "maildir://{dir}/Maildir"
from = "Fax <fax@fax.example.com>"

[inbound]
fallback = "postmaster@example.com"

[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8", "::1/128"]

[[senders]]
match = "far@example.net"
networks = ["192.0.2.0/24"]

[[routes]]
called = "902162222525"
to = ["reception@example.com"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "fax-bridge.toml"
    path.write_text(SETTINGS.format(dir=tmp_path))
    return load(path)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = await Store.open(settings.store.url)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """A new, empty database of each kind: one test body for both."""
    if request.param == "sqlite":
        return settings.store.url
    url: str = request.getfixturevalue("postgresql_url")
    return url
