"""The Debian package: built by its script, unpacked, and put to work from there."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not installed, which test_quick_start.py does. The environment under /opt runs from anywhere as a module."""
    root = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(root)], check=True, timeout=120)
    return root


def test_the_package_has_units_manual_completion_and_no_settings(unpacked: Path) -> None:
    """init writes the settings, so that dpkg never asks about them."""
    for path in (
        "usr/lib/systemd/system/fax-bridge.service",
        "usr/lib/systemd/system/fax-bridge-smtp.socket",
        "usr/lib/sysusers.d/fax-bridge.conf",
        "usr/share/man/man1/fax-bridge.1.gz",
        "usr/share/bash-completion/completions/fax-bridge",
        "DEBIAN/postinst",
    ):
        assert (unpacked / path).stat().st_size > 0, path
    assert list((unpacked / "etc/fax-bridge").iterdir()) == []
    assert (unpacked / "opt/fax-bridge/bin/fax-bridge").read_text().startswith("#!/opt/fax-bridge/bin/python")


def test_the_maintainer_scripts_are_sound_shell(unpacked: Path) -> None:
    """A fault in one leaves a package that can be neither installed nor removed."""
    for name in ("postinst", "prerm", "postrm"):
        subprocess.run(["sh", "-n", str(unpacked / "DEBIAN" / name)], check=True, timeout=10)


def test_both_round_trips_go_through_the_package(unpacked: Path, tmp_path: Path) -> None:
    """With the dependencies that it brings, and nothing of this checkout."""
    command = [
        str(unpacked / "opt/fax-bridge/bin/python"),
        "-m",
        "fax_bridge",
        "demo",
        "--once",
        "--dir",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
