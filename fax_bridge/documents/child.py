"""The worker process: forked by the fork server, it moves into its job's directory, raises its walls, works and ends.

The job and its arguments stand in ``request.json``, its bytes in files beside it; the answer goes into
``reply.json`` and ``out``. The exit status tells the parent how it ended when there is no answer.
"""

import fcntl
import gc
import importlib
import json
import os
import tempfile
import traceback
from pathlib import Path
from typing import Any

from fax_bridge.documents.jail import confine, die_with
from fax_bridge.documents.job import OUTPUT, REPLY, REQUEST, STDERR, Limits, Task
from fax_bridge.errors import DocumentRefused

OUT_OF_MEMORY = 65
"""An allocation failed in Python; an engine in C aborts instead."""
NICENESS = 10
"""A document can wait a little; the dialogue with a mail server that is handing over a mail cannot."""
BUG = 70

JOBS = {
    "build": "fax_bridge.documents.build",
    "letters": "fax_bridge.documents.letters",
    "clean_html": "fax_bridge.documents.clean",
    "unpack": "fax_bridge.documents.unpack",
    "html_to_pdf": "fax_bridge.documents.html",
    "tiff_to_pdf": "fax_bridge.documents.tiff",
    "rasterise": "fax_bridge.documents.raster",
    "raster_pdf": "fax_bridge.documents.raster_pdf",
    "picture": "fax_bridge.documents.picture",
    "fax_pictures": "fax_bridge.documents.fax_pictures",
    "marks": "fax_bridge.documents.marks_reading",
    "self_test": "fax_bridge.documents.selftest",
}
"""Job → the module whose ``work(task, arguments)`` does it."""


def main(directory: Path, common: Path, parent: int) -> int:
    """``common`` is the directory of the fork server ``parent``, which every worker may read and none may change."""
    os.setsid()  # a group of its own, so that all it may start can be killed with it
    die_with(parent)
    os.nice(NICENESS)
    _move_into(directory)
    gc.enable()
    request = json.loads((directory / REQUEST).read_text(encoding="utf-8"))
    limits = Limits(**request["limits"])
    work = importlib.import_module(JOBS[request["job"]]).work
    confine(limits, directory, common)
    task = Task(directory, limits)
    try:
        task.take_in_hand(0)
        output, result = work(task, request["arguments"])
        (directory / OUTPUT).write_bytes(output)
        return _reply(directory, {"result": result})
    except DocumentRefused as refusal:
        return _reply(directory, {"refused": [refusal.part, refusal.reason, refusal.detail]})
    except MemoryError:
        traceback.print_exc()
        return OUT_OF_MEMORY
    except Exception:  # noqa: BLE001 — the process's edge: the parent reads the trace and lays it to the part in hand
        traceback.print_exc()
        return BUG


def _move_into(directory: Path) -> None:
    """Nothing of the fork server's places is left: standard error, working directory, temporary files."""
    stderr = os.open(directory / STDERR, os.O_RDWR | os.O_NOFOLLOW)
    fcntl.flock(stderr, fcntl.LOCK_SH)  # while one of them holds it, nobody sweeps the directory away
    os.dup2(stderr, 2)
    os.close(stderr)
    os.chdir(directory)
    os.environ["HOME"] = os.environ["TMPDIR"] = str(directory)
    tempfile.tempdir = None  # which was found out in the fork server; its random names begin anew by themselves


def _reply(directory: Path, answer: dict[str, Any]) -> int:
    (directory / REPLY).write_text(json.dumps(answer), encoding="utf-8")
    return os.EX_OK
