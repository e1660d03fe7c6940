"""A part that holds a mail's parts in another form becomes MIME, which the mail's reader then reads like any other.

The parsers are made for good input: some of them raise anything, and one can turn in a ring. Here that costs
this process only.
"""

import importlib
from typing import Any

from fax_bridge.documents.job import Packing, Task
from fax_bridge.errors import DocumentRefused

_UNPACKERS = {
    Packing.TNEF: "fax_bridge.documents.tnef",
    Packing.OUTLOOK: "fax_bridge.documents.outlook",
    Packing.ZIP: "fax_bridge.documents.archive",
    Packing.CMS: "fax_bridge.documents.cms",
}


def work(task: Task, arguments: dict[str, Any]) -> tuple[bytes, Any]:
    """Refused: ``packed_broken``, ``mail_encrypted``, ``zip_password``, ``zip_too_large``."""
    unpack = importlib.import_module(_UNPACKERS[Packing(arguments["packing"])]).unpack
    try:
        unpacked: bytes = unpack(task.blob("0"), most=task.limits.output_bytes)
    except (DocumentRefused, MemoryError):
        raise
    except Exception as error:  # the parsers raise what they meet: six kinds were seen, AssertionError among them
        raise DocumentRefused(0, "packed_broken", f"{type(error).__name__}: {error}") from error
    return unpacked, None
