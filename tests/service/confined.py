"""Runs a command under the unit's SystemCallFilter= and MemoryDenyWriteExecute=, by the kernel's own means.

``python confined.py NUMBER,NUMBER,… COMMAND…``: calls that are not among the numbers fail with EPERM, as
SystemCallErrorNumber= says; memory that is written cannot be executed later (prctl(2), PR_SET_MDWE).
"""

import ctypes
import os
import struct
import sys

NO_NEW_PRIVS, SET_SECCOMP, FILTER, SET_MDWE = 38, 22, 2, 65
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050000 | 1


def main() -> None:
    allowed = [int(number) for number in sys.argv[1].split(",")]
    steps = [(LOAD, 0, 0, 0)]
    for number in allowed:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    steps.append((RETURN, 0, 0, EPERM))
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    libc = ctypes.CDLL(None, use_errno=True)
    filled = Program(len(steps), ctypes.addressof(code))
    # An old kernel has no MDWE; the filter is what every kernel has.
    libc.prctl(SET_MDWE, 1, 0, 0, 0)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, ctypes.byref(filled), 0, 0):
        raise SystemExit(f"no filter can be installed here: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 — the test says what


if __name__ == "__main__":
    main()
