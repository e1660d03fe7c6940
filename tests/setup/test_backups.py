"""The row of backups that the nightly timer keeps."""

from pathlib import Path

import pytest

from fax_bridge.backups import drop_old, new_name
from fax_bridge.errors import BridgeError
from fax_bridge.store.store import Store
from tests.e2e.test_cli import run
from tests.service.manager import write_settings


async def test_a_backup_into_a_directory_is_named_for_the_time_and_the_oldest_go(tmp_path: Path) -> None:
    """Only what is named as ours; the newest stay."""
    config = write_settings(tmp_path)
    await (await Store.open(f"sqlite:///{tmp_path}/fax-bridge.db")).close()
    into = tmp_path / "backups"
    into.mkdir()
    for name in ("fax-bridge-20200101T000000Z.db", "fax-bridge-20210101T000000Z.db", "other.db"):
        (into / name).write_bytes(b"")
    done = run("backup", "--into", str(into), "--keep", "2", "--config", str(config))
    assert done.returncode == 0, done.stderr
    *old, newest = sorted(path.name for path in into.glob("fax-bridge-*.db"))
    assert old == ["fax-bridge-20210101T000000Z.db"]
    assert (into / newest).stat().st_size > 10_000
    assert (into / "other.db").exists()
    both = run("backup", str(tmp_path / "x.db"), "--into", str(into), "--config", str(config))
    assert (both.returncode, both.stderr) == (1, "Give a FILE, or a directory with --into.\n")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before the database is read."""
    with pytest.raises(BridgeError, match="is no directory"):
        new_name(tmp_path / "none")
    assert drop_old(tmp_path, 1) == []
