"""A worker may read the program and write its own directory, and sees no other file: Landlock, where the kernel has it.

The worker runs as the daemon's user. Without this wall a document that takes over an engine could read the
settings and the queue, and print them onto the fax.
"""

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same numbers on every architecture."""
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_MAKE_SOCKET = 1 << 9
_EVERYTHING = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""From this version of Landlock on, all rights over files that it knows (linux/landlock.h)."""
_ON_FILES = _EXECUTE | _WRITE | _READ | 1 << 14
"""The rights that make sense on a file rather than a directory."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/dev/urandom")


def shut_files(own: Path, also: Iterable[str | Path] = (), sockets_in: Iterable[str] = ()) -> bool:
    """From now on this process reads the installed programs and ``also``, and has ``own``; whether the kernel can.

    In ``sockets_in`` it may make Unix sockets, and nothing else.

    Needs no_new_privs to be set. Cannot be undone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    everything = _EVERYTHING[max(known for known in _EVERYTHING if known <= version)]
    handled = struct.pack("=Q", everything)
    ruleset = libc.syscall(_CREATE_RULESET, handled, len(handled), 0)
    if ruleset < 0:
        return False
    try:
        readable = {sys.prefix, sys.base_prefix, *filter(None, sys.path), *_SYSTEM, *map(str, also)}
        _allow(libc, ruleset, readable, (_EXECUTE | _READ | _LIST) & everything)
        _allow(libc, ruleset, ["/dev/null"], (_READ | _WRITE) & everything)
        _allow(libc, ruleset, sockets_in, _MAKE_SOCKET & everything)
        _allow(libc, ruleset, [str(own)], everything)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # what is not there needs no rule
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                fitting = rights if Path(path).is_dir() else rights & _ON_FILES
                libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", fitting, handle), 0)
            finally:
                os.close(handle)
