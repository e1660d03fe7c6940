"""The walls of a worker process: limits of the kernel, no network, no new programs, no life after the parent.

Everything here holds from inside: a job that is taken over by a hostile document cannot undo it. Landlock and
the seccomp filter are second walls behind the engines' own refusal to fetch; where the kernel or the processor
has none, the job runs without.
"""

import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from fax_bridge.documents.job import Limits
from fax_bridge.documents.landlock import shut_files
from fax_bridge.documents.seccomp import REACHING_OUT, Only, no_new_privileges, shut_calls

_PR_SET_PDEATHSIG = 1
_CLONE_THREAD = 0x00010000

_DENIED = REACHING_OUT | {
    # Talking to anyone.
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmsg",
    "sendmmsg",
    # Starting programs or processes, and reaching into others.
    "execve",
    "execveat",
    "fork",
    "vfork",
    "kill",
    "tkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_open",
    "pidfd_send_signal",
    "kcmp",
    "umount2",
}


@dataclass(frozen=True, slots=True)
class Walls:
    """Which of the walls stand that a kernel may not have."""

    files: bool
    calls: bool


def confine(limits: Limits, own: Path, *readable: Path) -> Walls:
    """Raise the walls around this process, which keeps the directory ``own`` and may look into those ``readable``.

    The soft limit on processor time kills with SIGXCPU, which the parent tells from other deaths.
    """
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 2),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
    ):
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)  # a unit may hold us shorter than we ask
        resource.setrlimit(kind, (soft, hard))
    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    if not no_new_privileges(libc):
        return Walls(files=False, calls=False)
    return Walls(files=shut_files(own, readable), calls=_shut_calls(libc))


def die_with(parent: int) -> None:
    """End with the process ``parent``, also if it ended before this call."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(os.EX_UNAVAILABLE)


def _shut_calls(libc: ctypes.CDLL) -> bool:
    """Threads only, no processes, no network; whether the filter stands.

    ``clone3`` hides its flags behind a pointer, so it is said not to exist, upon which the C library takes ``clone``.
    ``tgkill``, with which ``abort`` ends a process, and ``prlimit64``, from which the C library learns the size of its
    stack, reach this process only.
    """
    only = (Only("clone", _CLONE_THREAD, bits=True), Only("tgkill", os.getpid()), Only("prlimit64", 0))
    return shut_calls(libc, denied=_DENIED, only=only, absent=("clone3",))
