"""Where a number was measured: without that it means nothing."""

import os
import platform
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import Failed

_IN_MEMORY = {"tmpfs", "ramfs", "overlay"}


def described(command: str, directory: Path, postgresql: str = "") -> str:
    """Markdown lines: the date, the command, the machine, the disk, the versions of all that took part."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("fax-bridge", "uvloop", "aiosmtpd", "uvicorn", "starlette", "sqlalchemy", "aiosqlite", "asyncpg")
    )
    programs = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    programs += [f"PostgreSQL {postgresql}"] if postgresql else []
    programs += [f"{name} {found}" for name, found in (("Postfix", _postfix()), ("wrk", _wrk())) if found]
    return "\n".join(
        (
            f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{command}`, at `{_revision()}`",
            f"- {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, {platform.system()} {platform.release()}",
            f"- load at the start {os.getloadavg()[0]:.1f}",
            f"- data on {filesystem(directory)}",
            f"- {', '.join(programs)}",
            f"- {packages}",
        )
    )


def filesystem(directory: Path) -> str:
    """``ext4 on /dev/vda``. Raises :class:`Failed` where it is none that a commit reaches a disk on."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [(where, kind, device) for device, where, kind, *_ in mounts if directory.resolve().is_relative_to(where)]
    _, kind, device = max(inside, key=lambda mount: len(mount[0]))
    if kind in _IN_MEMORY:
        raise Failed(
            f"{directory} is on {kind}, and durable means a disk. Give --directory one that is on ext4 or xfs."
        )
    return f"{kind} on {device}"


def need(program: str, package: str) -> str:
    """The path of a program that pip cannot bring. Raises :class:`Failed` with what to install."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/postfix/sbin")
    if found is None:
        raise Failed(f"{program} is missing. Install it: apt-get install --no-install-recommends {package}")
    return found


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
    except OSError:
        return ""


def _postfix() -> str:
    return _said("/usr/sbin/postconf", "-d", "-h", "mail_version").strip()


def _wrk() -> str:
    words = _said("wrk", "--version").split()
    return words[1].removeprefix("debian/") if words else ""


def _revision() -> str:
    return _said("git", "describe", "--always", "--dirty").strip() or "no revision"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
