"""The programs that are measured, as processes: started, watched through ``/proc`` and ended by their own pid."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

STARTS_WITHIN = 60.0
"""Seconds that a program has to take its first connection; a start takes one or two, but the machine may be busy."""
ENDS_WITHIN = 45.0
"""Seconds from SIGTERM to SIGKILL; the bridge gives 30 to what is in hand."""

_TICKS = os.sysconf("SC_CLK_TCK")
# Compiled modules are kept, as in an installed package.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Failed(Exception):
    """A benchmark that did not measure what it says it does; the text says why."""


@contextlib.contextmanager
def program(command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """A program for as long as the block lasts; its pid. What it says goes to ``log``."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[1],
            env={**_ENVIRONMENT, **(environment or {})},
        )
    try:
        yield process.pid
        if process.poll() is not None:
            raise Failed(f"{command[0]} ended by itself with {process.returncode}: {_end_of(log)}")
    finally:
        _end(process)


def python(*arguments: str) -> list[str]:
    """The command of a Python module of this tree."""
    return [sys.executable, "-m", *arguments]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int, pid: int, log: Path) -> None:
    """Until the port takes connections. Raises :class:`Failed` where the program ends before, or takes too long."""
    give_up_at = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        if not Path(f"/proc/{pid}").exists() or _is_zombie(pid):
            break
        time.sleep(0.05)
    raise Failed(f"nothing listens on port {port}: {_end_of(log)}")


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of these processes and all that they started, the ended ones included (proc(5))."""
    spent = 0
    for pid in _with_children(roots):
        fields = _stat(pid)
        spent += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return spent / _TICKS


def peak_memory(pid: int) -> int:
    """The largest resident set that the process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise Failed(f"process {pid} has no VmHWM")


def _with_children(roots: Iterable[int]) -> set[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found & parents.keys()


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third on; none where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()
