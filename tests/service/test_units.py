"""The unit files, judged by systemd's own tools, with the program where they say it is."""

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools import tool

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [tool("systemd-analyze"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with systemd's own units, ours, and the program."""
    tool("systemd-analyze")
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    ours = tmp_path / "etc/systemd/system"
    ours.mkdir(parents=True)
    for unit in UNITS.iterdir():
        if unit.suffix in {".service", ".socket", ".timer"}:
            shutil.copy(unit, ours)
    dropins = ours / "fax-bridge@office.service.d"
    dropins.mkdir()
    shutil.copy(UNITS / "fax-bridge-libreoffice.conf", dropins / "libreoffice.conf")
    for program in ("opt/fax-bridge/bin/fax-bridge", "bin/kill"):
        place = tmp_path / program
        place.parent.mkdir(parents=True)
        shutil.copy(shutil.which("true") or "/bin/true", place)
    return tmp_path


def test_the_units_are_clean_with_the_package_installed(root: Path) -> None:
    """systemd-analyze verify has nothing to say, an instance with the LibreOffice drop-in included."""
    names = [path.name for path in UNITS.iterdir() if path.suffix in {".service", ".socket", ".timer"}]
    names.remove("fax-bridge@.service")
    names += ["fax-bridge@sales.service", "fax-bridge@office.service"]
    done = analyze("verify", f"--root={root}", "--man=no", *names)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_verify_would_tell_of_a_wrong_line(root: Path) -> None:
    """The check above can fail."""
    unit = root / "etc/systemd/system/fax-bridge.service"
    unit.write_text(unit.read_text().replace("ProtectClock=yes", "ProtectClok=yes"))
    done = analyze("verify", f"--root={root}", "--man=no", "fax-bridge.service")
    assert "ProtectClok" in done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_the_sandbox_is_tight(name: str) -> None:
    """systemd-analyze security: an exposure of at most 1.5 of 10."""
    done = analyze("security", "--offline=yes", "--threshold=15", "--no-pager", str(UNITS / name))
    assert done.returncode == 0, done.stdout


def test_every_switch_of_the_service_says_why() -> None:
    """Each line of the unit has a comment above it, its own or that of the lines it stands with."""
    lines = (UNITS / "fax-bridge.service").read_text().splitlines()
    section = lines[lines.index("# --- the sandbox ---") :]
    for before, here in itertools.pairwise(section):
        if "=" in here and not here.startswith("#"):
            assert before, f"{here} stands alone"
    assert sum(line.startswith("#") for line in section) >= 25
