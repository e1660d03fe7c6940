"""A machine that systemd boots for one script, and that is gone afterwards: systemd-nspawn on this machine's own files.

Its root is an overlay: it sees all that is installed here, and what it changes is written elsewhere. It has a network
of its own with nothing in it but the loopback, unless it is given this machine's.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools import tool

UNIT = """
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
WorkingDirectory=/root
ExecStart=/bin/bash /root/script
StandardInput=null
StandardOutput=file:/root/said
StandardError=inherit
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS > /root/status; systemctl exit --no-block'
"""

BOOT = """
set -eu
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
shift 1
exec "$@"
"""


@dataclass(frozen=True)
class Machine:
    home: Path
    """Where its layers are."""

    @property
    def upper(self) -> Path:
        """What differs from this machine; before the start, what it is to find."""
        return self.home / "upper"

    def write(self, path: str, text: str) -> None:
        file = self.upper / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, script: str, *, seconds: float, network: bool = False) -> tuple[int, str]:
        """Boot, run it with bash as root, power off; its exit status and all it said.

        ``network`` gives it this machine's, and the settings of pip, for what registries are needed for.
        """
        self.write("/etc/machine-id", "")  # its own: the journal of this machine is none of it
        self.write("/root/script", script)
        self.write("/etc/systemd/system/the-script.service", UNIT)
        given = (
            [f"--setenv={name}" for name in os.environ if name.startswith("PIP_")] if network else ["--private-network"]
        )
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", BOOT, "sh", str(self.home)),
            *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"),
            *(*given, f"--directory={self.home}/root", "--console=pipe", "--boot", "systemd.unit=the-script.service"),
        ]
        with (self.home / "console").open("wb") as console:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.terminate()  # nspawn asks its machine to power off
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(20)
        return int(self._read("/root/status") or -1), self._read("/root/said") or self._console

    def _read(self, path: str) -> str:
        file = self.upper / path.lstrip("/")
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def _console(self) -> str:
        return (self.home / "console").read_text(errors="replace")


@contextmanager
def machine() -> Iterator[Machine]:
    """Skips where the kernel lets nobody mount an overlay, as in most containers."""
    for name in ("systemd-nspawn", "unshare"):
        tool(name)
    if os.geteuid():
        if os.environ.get("FAX_BRIDGE_CI"):
            pytest.fail("a machine has to be booted by root")
        pytest.skip("a machine has to be booted by root")
    home = Path(tempfile.mkdtemp(prefix="fax-bridge-machine-", dir="/var/tmp"))
    try:
        home.chmod(0o755)
        for name in ("upper", "work", "root"):
            (home / name).mkdir(mode=0o755)
        tried = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", BOOT, "sh", str(home), "true"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if tried.returncode:
            pytest.skip(f"no machine can be booted here: {tried.stderr.strip()}")
        yield Machine(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
