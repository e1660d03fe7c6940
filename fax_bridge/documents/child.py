"""The worker process: ``python -I -m fax_bridge.documents.child DIRECTORY PARENT`` does one job and ends.

The job and its arguments stand in ``request.json``, its bytes in files beside it; the answer goes into
``reply.json`` and ``out``. The exit status tells the parent how it ended when there is no answer.
"""

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from fax_bridge.documents.jail import confine, die_with
from fax_bridge.documents.job import OUTPUT, REPLY, REQUEST, Limits, Task
from fax_bridge.errors import DocumentRefused

OUT_OF_MEMORY = 65
"""An allocation failed in Python; an engine in C aborts instead."""
NICENESS = 10
"""A document can wait a little; the dialogue with a mail server that is handing over a mail cannot."""
NOT_READY = 69
"""The program itself is at fault (an engine is missing), not the document."""
BUG = 70

JOBS = {
    "build": "fax_bridge.documents.build",
    "clean_html": "fax_bridge.documents.clean",
    "unpack": "fax_bridge.documents.unpack",
    "html_to_pdf": "fax_bridge.documents.html",
    "tiff_to_pdf": "fax_bridge.documents.tiff",
    "rasterise": "fax_bridge.documents.raster",
    "picture": "fax_bridge.documents.picture",
    "self_test": "fax_bridge.documents.selftest",
}
"""Job → the module whose ``work(task, arguments)`` does it; only what a job needs is loaded."""


def main(directory: Path, parent: int) -> int:
    # A stop of the service reaches every process of its unit; the parent decides what becomes of a job in hand.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    die_with(parent)
    os.nice(NICENESS)
    request = json.loads((directory / REQUEST).read_text(encoding="utf-8"))
    limits = Limits(**request["limits"])
    try:
        work = importlib.import_module(JOBS[request["job"]]).work
    except ImportError:
        traceback.print_exc()
        return NOT_READY
    confine(limits, directory)
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


def _reply(directory: Path, answer: dict[str, Any]) -> int:
    (directory / REPLY).write_text(json.dumps(answer), encoding="utf-8")
    return os.EX_OK


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stderr.flush()
    os._exit(status)  # without the engines' own farewells, which have nothing to save and can only crash
