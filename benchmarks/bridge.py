"""Our side: ``fax-bridge serve`` as an administrator runs it, on a new database."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Database
from benchmarks.processes import free_port, program, python, wait_for

SECRET = "a-long-random-string"  # noqa: S105 — of a loopback port that lives for a minute
REGION = "DE"
"""smtp-source makes its recipients by a number in front; of all plans the German one takes most of them for valid."""

# FaxMAX's port is the discard service's, where nothing listens: a fax that is prepared is tried once, and waits.
SETTINGS = """
[smtp]
listen = ["127.0.0.1:{smtp}"]
domains = ["fax.example.com"]
max_sessions = 1000
max_sessions_per_client = 1000
[store]
url = "{database}"
[faxmax]
url = "{faxmax}"
token = "T0KEN-pl4nted"
cli = "902162222525"
[webhook]
listen = ["127.0.0.1:{webhook}"]
secrets = ["{secret}"]
[relay]
url = "maildir://{directory}/Maildir"
from = "Fax <fax@fax.example.com>"
[inbound]
fallback = "postmaster@example.com"
[numbers]
region = "{region}"
[log]
level = "warning"
[[senders]]
match = "*@example.com"
networks = ["127.0.0.0/8"]
"""


@dataclass(frozen=True, slots=True)
class Bridge:
    smtp: int
    webhook: int
    pid: int
    log: Path


@contextlib.contextmanager
def bridge(
    directory: Path,
    database: Database,
    *,
    launcher: tuple[str, ...] = ("fax_bridge",),
    faxmax: str = "http://127.0.0.1:9/api/v1",
) -> Iterator[Bridge]:
    """One daemon. ``launcher``: the module that starts it and its own arguments, where something is to be wrapped."""
    smtp, webhook = free_port(), free_port()
    config, log = directory / "fax-bridge.toml", directory / "fax-bridge.log"
    config.write_text(
        SETTINGS.format(
            smtp=smtp,
            webhook=webhook,
            database=database.url,
            faxmax=faxmax,
            directory=directory,
            secret=SECRET,
            region=REGION,
        )
    )
    with program(python(*launcher, "serve", "--config", str(config)), log) as pid:
        wait_for(smtp, pid, log)
        yield Bridge(smtp, webhook, pid, log)


def parked(*queues: str) -> tuple[str, ...]:
    """The launcher that leaves these queues alone."""
    return ("benchmarks.parked", ",".join(queues))
