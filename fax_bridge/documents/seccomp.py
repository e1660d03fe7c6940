"""Which calls of the kernel a process may still make: a seccomp filter, written in classic BPF (seccomp(2)).

A second wall behind the engines' own refusal to fetch. It needs no rights, holds for all that the process starts, and
cannot be undone. Where the kernel or the processor has none, the caller is told, and goes on without.
"""

import ctypes
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_MODE_FILTER = 2

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM, _ENOSYS = 1, 38

_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Classic BPF: load a word of ``struct seccomp_data``, three jumps, return (linux/bpf_common.h)."""

_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Machine → its AUDIT_ARCH constant and its column in the table below."""

_CALLS: dict[str, tuple[int | None, int | None]] = {
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
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "kcmp": (312, 272),
    "umount2": (166, 39),
    "prlimit64": (302, 261),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
    "pidfd_getfd": (438, 438),
}
"""Call → its number on x86-64 and on 64-bit ARM; ``None`` where there is no such call (asm/unistd_64.h)."""

REACHING_OUT = frozenset(
    {
        # io_uring, which opens sockets without the call.
        "io_uring_setup",
        # Into other processes.
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        # The kernel's less trodden paths, which no document needs.
        "unshare",
        "setns",
        "mount",
        "pivot_root",
        "chroot",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "keyctl",
        "add_key",
        "request_key",
        "open_by_handle_at",
    }
)
"""What no program that reads documents has to do, be it ours or LibreOffice."""


@dataclass(frozen=True, slots=True)
class Only:
    """A call that is allowed with this first argument, or with one that has any of these bits, and denied else."""

    call: str
    argument: int
    bits: bool = False


def no_new_privileges(libc: ctypes.CDLL) -> bool:
    """What a filter and Landlock need first; whether the kernel has it."""
    return hasattr(libc, "prctl") and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def shut_calls(
    libc: ctypes.CDLL, *, denied: Iterable[str], only: Iterable[Only] = (), absent: Iterable[str] = ()
) -> bool:
    """From now on those ``denied`` fail with EPERM, those ``absent`` with ENOSYS; whether the filter stands.

    A call through another door of the kernel (the 32-bit one) kills. Needs :func:`no_new_privileges`.
    """
    machine = _ARCHITECTURES.get(platform.machine())
    if machine is None:
        return False
    program = _program(*machine, denied, tuple(only), absent)
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        """``struct sock_fprog`` (linux/filter.h)."""

        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    filled = Program(len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filled), 0, 0) == 0)


def _program(arch: int, column: int, denied: Iterable[str], only: tuple[Only, ...], absent: Iterable[str]) -> bytes:
    code = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, arch, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if column == 0:
        code += [_step(_AT_LEAST, _X32, 0, 1), _step(_RETURN, _ERRNO | _EPERM)]
    for names, errno in ((denied, _EPERM), (absent, _ENOSYS)):
        for name in sorted(names):
            number = _CALLS[name][column]
            if number is not None:
                code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | errno)]
    for each in only:
        number = _CALLS[each.call][column]
        if number is not None:
            code += [
                _step(_EQUAL, number, 0, 4),
                _step(_LOAD, _FIRST_ARGUMENT),
                _step(_BITS if each.bits else _EQUAL, each.argument, 1, 0),
                _step(_RETURN, _ERRNO | _EPERM),
                _step(_RETURN, _ALLOW),
            ]
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One ``struct sock_filter``; the jumps count steps to skip."""
    return struct.pack("=HBBI", operation, if_true, if_false, value)
