"""Tells the service manager how we are, by the protocol of sd_notify(3): one datagram of ``KEY=value`` lines.

Own lines rather than a library: it is one ``sendto``, and the libraries that exist either wrap libsystemd (a compiler
at installation) or have not been touched for years.
"""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

log = structlog.get_logger("service")


@dataclass(frozen=True, slots=True)
class Notifier:
    """``address`` is ``$NOTIFY_SOCKET``, empty where nobody listens; ``watchdog`` the seconds that may pass between two
    signs of life, 0 where nobody waits for them."""

    address: str = ""
    watchdog: float = 0.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        """``WATCHDOG_PID`` names another process where the variable was inherited (sd_watchdog_enabled(3))."""
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog = int(microseconds) / 1e6 if ours and microseconds.isdigit() else 0.0
        return cls(environ.get("NOTIFY_SOCKET", ""), watchdog)

    def ready(self, status: str) -> None:
        """Mail is taken from now on, or again after :meth:`reloading`."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=finishing what is in hand")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.setblocking(False)
                manager.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
        except OSError as fault:  # the manager restarts, say: that costs the message, never the daemon
            log.warning("service manager not told", what=lines[0], fault=str(fault))
