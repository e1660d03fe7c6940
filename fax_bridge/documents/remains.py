"""What a worker leaves in its directory: the answer, or the signs of how it died and over which part."""

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

from fax_bridge.documents.child import NOT_READY, OUT_OF_MEMORY
from fax_bridge.documents.job import IN_HAND, OUTPUT, REPLY, STDERR
from fax_bridge.documents.libreoffice import MADE, NOT_INSTALLED
from fax_bridge.errors import BridgeError, DocumentRefused, Temporary

_FROM_OUTSIDE = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Deaths that no document can cause: the service manager's and a person's."""
_DETAIL = 500
"""Characters of the engine's own words that are kept."""


def read_reply(directory: Path, status: int | None) -> tuple[bytes, Any]:
    if status != os.EX_OK:
        raise _cause_of_death(directory, status)
    try:
        answer = json.loads(_read(directory / REPLY))
        if "refused" not in answer:
            return _read(directory / OUTPUT), answer["result"]
        part, reason, detail = int(answer["refused"][0]), str(answer["refused"][1]), str(answer["refused"][2])
    except (ValueError, LookupError, TypeError) as error:
        raise DocumentRefused(0, "worker_crashed", f"unreadable reply: {error}") from error
    raise DocumentRefused(part, reason, detail[:_DETAIL])


def read_libreoffice(directory: Path, index: int, status: int | None) -> bytes:
    """LibreOffice ends well where it made nothing, too."""
    if status is None:
        raise DocumentRefused(index, "worker_timeout", "no end within the allowed time")
    if status == NOT_INSTALLED:
        raise DocumentRefused(index, "unsupported_type", "LibreOffice is not installed")
    try:
        return _read(directory / MADE)
    except FileNotFoundError as error:
        raise DocumentRefused(index, "office_broken", _last_words(directory) or f"exit status {status}") from error
    except ValueError as error:
        raise DocumentRefused(index, "worker_crashed", str(error)) from error


def _read(path: Path) -> bytes:
    """A plain file's bytes. A worker in a stranger's hands may have left a link to a file of ours, or a pipe."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path.name} is no plain file")
        return file.read()


def _cause_of_death(directory: Path, status: int | None) -> BridgeError:
    words = _last_words(directory)
    in_hand = directory / IN_HAND
    if status is not None and -status in _FROM_OUTSIDE:
        return Temporary(f"the converter was stopped from outside by {signal.Signals(-status).name}")
    if status == NOT_READY or not in_hand.exists():
        return Temporary(f"the converter cannot start: {words or f'exit status {status}'}")
    part = int(_read(in_hand) or 0)
    if status is None:
        return DocumentRefused(part, "worker_timeout", "no end within the allowed time")
    if status == -signal.SIGXCPU:
        return DocumentRefused(part, "worker_timeout", "more processor time than allowed")
    if status == -signal.SIGKILL:  # the kernel's: the machine had no memory left, or the hard limit was reached
        return DocumentRefused(part, "worker_limit", "killed by the system, most likely for want of memory")
    if status == OUT_OF_MEMORY or any(sign in words for sign in ("bad_alloc", "memory", "File too large")):
        return DocumentRefused(part, "worker_limit", words)
    death = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return DocumentRefused(part, "worker_crashed", f"{death} {words}".rstrip())


def _last_words(directory: Path) -> str:
    """The end of what the worker wrote to its standard error, on one line."""
    text = _read(directory / STDERR)[-4096:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[-_DETAIL:] if len(lines) < 3 else lines[-1][:_DETAIL]
