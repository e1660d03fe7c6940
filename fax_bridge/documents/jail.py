"""The walls of a worker process: limits of the kernel, no network, no new programs, no life after the parent.

Everything here holds from inside: a job that is taken over by a hostile document cannot undo it. Landlock and
the seccomp filter are second walls behind the engines' own refusal to fetch; where the kernel or the processor
has none, the job runs without.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass
from pathlib import Path

from fax_bridge.documents.job import Limits
from fax_bridge.documents.landlock import shut_files

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1
_KILL = 0x80000000

_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Classic BPF: load a word of ``struct seccomp_data``, three jumps, return (linux/bpf_common.h)."""

_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Machine → its AUDIT_ARCH constant and its column in the table below."""

_DENIED: dict[str, tuple[int | None, int | None]] = {
    # Talking to anyone. io_uring would open sockets without these calls.
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425),
    # Starting programs or processes, and reaching into others.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    # The kernel's less trodden paths, which no document needs.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_TGKILL = (234, 131)
_PRLIMIT64 = (302, 261)


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
    if not hasattr(libc, "prctl") or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
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
    """Install the filter; false where there is none to be had (an old kernel, another processor, some containers)."""
    machine = _ARCHITECTURES.get(platform.machine())
    if machine is None:
        return False
    program = _program(*machine, os.getpid())
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        """``struct sock_fprog`` (linux/filter.h)."""

        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    filled = Program(len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filled), 0, 0) == 0)


def _program(arch: int, column: int, pid: int) -> bytes:
    """The filter: a call through another door of the kernel kills; a denied call fails with EPERM.

    ``clone`` may make threads only. ``clone3`` hides its flags behind a pointer, so it is said not to exist
    (ENOSYS), upon which the C library takes ``clone``. ``tgkill``, with which ``abort`` ends a process, and
    ``prlimit64``, from which the C library learns the size of its stack, reach this process only.
    """
    enosys = 0x00050000 | 38
    code = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, arch, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if column == 0:
        code += [_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _EPERM)]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _EPERM)]
    code += [_step(_EQUAL, _CLONE3[column], 0, 1), _step(_RETURN, enosys)]
    code += [
        _step(_EQUAL, _CLONE[column], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_BITS, _CLONE_THREAD, 1, 0),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    for numbers, allowed in ((_TGKILL, pid), (_PRLIMIT64, 0)):
        code += [
            _step(_EQUAL, numbers[column], 0, 4),
            _step(_LOAD, _FIRST_ARGUMENT),
            _step(_EQUAL, allowed, 1, 0),
            _step(_RETURN, _EPERM),
            _step(_RETURN, _ALLOW),
        ]
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One ``struct sock_filter``; the jumps count steps to skip."""
    return struct.pack("=HBBI", operation, if_true, if_false, value)
