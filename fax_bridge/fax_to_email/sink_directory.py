"""A file of a received fax into a directory, whole or not at all: whoever watches it never sees half a file."""

import os
from contextlib import suppress
from pathlib import Path

from fax_bridge.errors import Permanent, Temporary


def lay_down(directory: Path, name: str, content: bytes, delivery_id: str) -> None:
    """Written under a hidden name in the same directory, synced, renamed; then the directory is synced too.

    The same delivery laid down twice is the same file. Raises :class:`Temporary` where the disk or the directory does
    not let us, :class:`Permanent` for a name that would leave it.
    """
    if not name or name in {".", ".."} or Path(name).name != name or "\0" in name:
        raise Permanent(f"{name!r} is no file name")
    part = directory / f".{delivery_id}.part"
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(directory / name)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as fault:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise Temporary(f"{directory}: {fault.strerror or fault}") from None
