"""The unit files, judged by systemd's own tools, with the program where they say it is."""

import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
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


HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def call_numbers() -> dict[str, int]:
    if platform.machine() != "x86_64" or not HEADER.exists():
        message = "the numbers of the system calls are not known here (linux-libc-dev on x86-64)"
        pytest.fail(message) if os.environ.get("FAX_BRIDGE_CI") else pytest.skip(message)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())}


def members_of(groups: dict[str, list[str]], name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return set().union(*(members_of(groups, member) for member in groups[name]))


def allowed_calls(unit: Path) -> set[str]:
    """What SystemCallFilter= leaves, as systemd reads it: lists that are added, and with ~ taken away."""
    groups: dict[str, list[str]] = {}
    for line in analyze("syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            groups[line.strip()] = []
        elif line.strip() and not line.strip().startswith("#") and groups:
            groups[list(groups)[-1]].append(line.strip())
    allowed = members_of(groups, "@default")
    for line in re.findall(r"^SystemCallFilter=(.+)$", unit.read_text(), re.MULTILINE):
        named = set().union(*(members_of(groups, word) for word in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def test_both_round_trips_work_within_the_system_calls_of_the_unit(tmp_path: Path) -> None:
    """The daemon, and its converters with their own limits, filter and Landlock on top; installed in the kernel for
    real. And the filter is one: a call that the unit forbids fails.
    """
    numbers = call_numbers()
    allowed = allowed_calls(UNITS / "fax-bridge.service")
    assert {"landlock_restrict_self", "setrlimit", "prctl", "execve"} <= allowed
    assert not {"mount", "setuid", "chown", "keyctl", "bpf", "ptrace"} & allowed
    given = ",".join(str(numbers[name]) for name in sorted(allowed & numbers.keys()))
    launch = [sys.executable, str(Path(__file__).with_name("confined.py")), given, sys.executable]
    command = [*launch, "-m", "fax_bridge", "demo", "--once", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    forbidden = [*launch, "-c", "import os; os.chown('/nonexistent', 0, 0)"]
    refused = subprocess.run(forbidden, capture_output=True, text=True, timeout=60, check=False)
    assert "PermissionError" in refused.stderr
