"""The log in systemd's journal, each fact a field of its own: ``journalctl FAX_ID=01J…`` tells one fax's whole story.

The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) is one datagram of ``KEY=value`` lines; own lines
rather than systemd-python, which needs a compiler at installation.
"""

import os
import re
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}
"""Of syslog (RFC 5424 §6.2.1), by structlog's levels."""
LONGEST = 48 * 1024
"""Bytes of one field; more might not fit into a datagram, and belongs in no log."""
PATIENCE = 0.5
"""Seconds that a line waits for a busy journal; then it goes to standard output instead."""


def is_ours(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether ``stream`` goes to the journal: ``$JOURNAL_STREAM`` names its device and inode (systemd.exec(5))."""
    try:
        about = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}" and Path(SOCKET).exists()


class JournalLogger:
    """What structlog writes to: its last processor gives the message, the level and the facts."""

    def __init__(self, otherwise: Callable[[str], Any], address: str = SOCKET) -> None:
        self._address = address
        self._otherwise = otherwise
        self._socket: socket.socket | None = None

    def msg(self, message: str, level: str, facts: Mapping[str, Any]) -> None:
        fields = {"MESSAGE": message, "PRIORITY": PRIORITIES.get(level, 6), "SYSLOG_IDENTIFIER": "fax-bridge"}
        datagram = b"".join(_field(key, str(value)) for key, value in (fields | _named(facts)).items())
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.settimeout(PATIENCE)
            self._socket.sendto(datagram, self._address)
        except OSError:
            self._otherwise(message + "\n")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    debug = info = warning = error = critical = exception = fatal = msg


def facts_apart(
    render: Callable[[Any, str, Any], Any],
) -> Callable[[Any, str, Any], tuple[tuple[Any, ...], dict[str, Any]]]:
    """The last processor: ``render`` makes the line, and the facts go beside it."""

    def last(logger: Any, method: str, event_dict: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        facts = dict(event_dict)
        facts.pop("exc_info", None)
        line = render(logger, method, event_dict)
        return (str(line), str(facts.pop("level", method)), facts), {}

    return last


def _named(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``id`` → ``FAX_ID``, ``event`` → ``FAX_EVENT``: upper case, digits and underscores, at most 64 (the protocol)."""
    return {f"FAX_{re.sub('[^A-Z0-9]', '_', key.upper())}"[:64]: value for key, value in facts.items()}


def _field(key: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")[:LONGEST]
    if b"\n" in data:
        return key.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return key.encode() + b"=" + data + b"\n"
