"""Listening sockets that systemd opened for us and keeps open while we restart (sd_listen_fds(3)).

A port below 1024 then needs no privilege, and a client that comes during a restart waits in the socket's queue instead
of being refused. The socket units name each with ``FileDescriptorName=``: ``smtp``, ``lmtp`` or ``webhook``.
"""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Literal, get_args

from fax_bridge.errors import BridgeError

FIRST = 3
"""``SD_LISTEN_FDS_START``."""

Name = Literal["smtp", "lmtp", "webhook"]


@dataclass(frozen=True, slots=True)
class Handed:
    """By the place of the settings that they stand in for."""

    smtp: tuple[socket.socket, ...] = ()
    lmtp: tuple[socket.socket, ...] = ()
    webhook: tuple[socket.socket, ...] = ()


NONE = Handed()


def handed_over(environ: MutableMapping[str, str], first: int = FIRST) -> Handed:
    """The sockets that this process was given; taken once, the variables are removed, so that no child believes them.

    Raises :class:`BridgeError` for one that cannot be what its name says.
    """
    meant_for, count, names = (environ.pop(key, "") for key in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if meant_for != str(os.getpid()) or not count.isdigit():
        return NONE
    given: dict[str, list[socket.socket]] = {name: [] for name in get_args(Name)}
    for number, name in zip(range(first, first + int(count)), names.split(":") + [""] * int(count), strict=False):
        os.set_inheritable(number, False)
        if name not in given:
            known = ", ".join(given)
            raise BridgeError(
                f'systemd handed over a socket named "{name}". Write FileDescriptorName= as one of: {known}.'
            )
        given[name].append(_listening(number, name))
    return Handed(**{name: tuple(sockets) for name, sockets in given.items()})


def _listening(number: int, name: str) -> socket.socket:
    try:
        found = socket.socket(fileno=number)
    except OSError as fault:
        raise BridgeError(f"systemd handed over {number} as {name}, which is no socket ({fault.strerror}).") from None
    if wrong := _fault(found, name):
        found.close()
        raise BridgeError(wrong)
    found.setblocking(False)
    return found


def _fault(found: socket.socket, name: str) -> str:
    listens = found.type == socket.SOCK_STREAM and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if not listens:
        return f"the socket {name} takes no connections. Its unit needs ListenStream= and Accept=no."
    if name != "lmtp" and found.family == socket.AF_UNIX:
        return f"the socket {name} is a Unix socket. Only lmtp may be one; give it ListenStream=ADDRESS:PORT."
    return ""
