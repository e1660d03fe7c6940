"""A row of backups in one directory, the oldest of which go: what the nightly timer wants."""

from datetime import UTC, datetime
from pathlib import Path

from fax_bridge.errors import BridgeError

PATTERN = "fax-bridge-*.db"


def new_name(directory: Path) -> Path:
    """A file that is not there yet, named for the second in UTC. Raises :class:`BridgeError`."""
    if not directory.is_dir():
        raise BridgeError(
            f"{directory} is no directory. Make it, for nobody else to read: mails and faxes will be in it."
        )
    return directory / f"fax-bridge-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"


def drop_old(directory: Path, keep: int) -> list[Path]:
    """Remove all but the newest ``keep``, by name, and nothing that is named otherwise; what was removed."""
    old = sorted(directory.glob(PATTERN))[:-keep]
    for path in old:
        path.unlink()
    return old
