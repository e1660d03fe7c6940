"""Our side: ``fax-bridge serve`` as an administrator runs it, on a new database."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import free_port, program, python, wait_for

SECRET = "a-long-random-string"  # noqa: S105 — of a loopback port that lives for a minute
REGION = "DE"
"""smtp-source makes its recipients by a number in front; of all plans the German one takes most of them for valid."""
NOBODY = "http://127.0.0.1:9/api/v1"
"""A FaxMAX where nothing listens: a fax that is prepared is tried, and waits."""

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
url = "{relay}"
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


@contextlib.contextmanager
def bridge(
    directory: Path,
    database_url: str,
    *,
    module: tuple[str, ...] = ("fax_bridge",),
    faxmax: str = NOBODY,
    relay: str = "",
    takes_mail: bool = True,
    more: str = "",
) -> Iterator[Bridge]:
    """One daemon, once its ports answer. ``module``: what starts it, and its first arguments; ``more``: settings.

    Without a ``relay`` its mails go to a Maildir.
    """
    smtp, webhook = free_port(), free_port()
    config, log = directory / "fax-bridge.toml", directory / "fax-bridge.log"
    config.write_text(
        SETTINGS.format(
            smtp=smtp,
            webhook=webhook,
            database=database_url,
            faxmax=faxmax,
            relay=relay or f"maildir://{directory}/Maildir",
            secret=SECRET,
            region=REGION,
        )
        + more
    )
    with program(python(*module, "serve", "--config", str(config)), log) as pid:
        for port in (smtp, webhook) if takes_mail else (webhook,):
            wait_for(port, pid, log)
        yield Bridge(smtp, webhook, pid)


def parked(*queues: str) -> tuple[str, ...]:
    """The module that starts it and leaves these queues alone."""
    return ("benchmarks.parked", ",".join(queues))
