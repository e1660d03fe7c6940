"""The doctor's looks at this machine: settings file, disk, database, converters, templates."""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fax_bridge.documents.typefaces import files
from fax_bridge.documents.worker import Documents, PartKind, SourcePart
from fax_bridge.errors import BridgeError
from fax_bridge.mail.words import Words
from fax_bridge.settings import Settings
from fax_bridge.setup.finding import Finding, bad, good, warning
from fax_bridge.store.depths import depths
from fax_bridge.store.store import Store

FSYNCS = 20
SLOW_FSYNC = 0.05
"""Seconds; each accepted mail waits for one."""


async def permissions(config: Path | None) -> AsyncIterator[Finding]:
    """Nobody else may read the secrets in the settings."""
    name = "permissions"
    if config is None:
        yield good(name, "the settings come from the environment")
        return
    mode = await asyncio.to_thread(_mode, config)
    if mode & 0o007:
        yield bad(name, f"{config} can be read by everybody (mode {mode:04o})", f"Run: chmod o= {config}")
    else:
        yield good(name, f"{config} has mode {mode:04o}")


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def disk(settings: Settings) -> AsyncIterator[Finding]:
    """Room, and how long it takes until something is really on it."""
    if settings.store.path is None:
        return
    directory, name = settings.store.path.parent, "disk"
    if not directory.is_dir():
        yield bad(name, f"{directory} is not there", "Start the service once: systemd makes it (StateDirectory=).")
        return
    found = os.statvfs(directory)
    free = found.f_bavail * found.f_frsize
    said = f"{free // 1_000_000} MB free in {directory}"
    if free < settings.smtp.min_free_bytes:
        yield bad(
            name, f"{said}; below smtp.min_free_bytes mail is put off", "Make room, or lower smtp.min_free_bytes."
        )
    else:
        yield good(name, said)
    try:
        seconds = await asyncio.to_thread(_fsync, directory)
    except OSError as fault:
        yield bad(
            "fsync", f"{directory} cannot be written: {fault.strerror}", "Run this as the daemon's user, or root."
        )
        return
    said = f"{seconds * 1000:.1f} ms until a write is on the disk (the median of {FSYNCS})"
    if seconds > SLOW_FSYNC:
        yield warning("fsync", said, "Each mail waits for that before its 250. Put the database on a faster disk.")
    else:
        yield good("fsync", said)


def _fsync(directory: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(FSYNCS):
            began = time.monotonic()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.monotonic() - began)
    return statistics.median(taken)


async def database(settings: Settings) -> AsyncIterator[Finding]:
    name, path = "database", settings.store.path
    if path is not None and not path.exists():
        yield warning(name, f"{path} is not there yet", "The daemon makes it at its first start.")
        return
    try:
        store = await Store.open(settings.store.url, exclusive=False)
        try:
            async with store.read() as conn:
                found = await depths(conn)
        finally:
            await store.close()
    except BridgeError as fault:
        yield bad(name, str(fault), "Mend store.url, or the server that it names.")
        return
    except Exception as fault:  # noqa: BLE001 — whatever its driver raises: it cannot be read
        yield bad(
            name, f"cannot be read: {type(fault).__name__}", "Start the daemon of this version once: it migrates."
        )
        return
    waiting = sum(depth.rows for depth in found.queues)
    yield good(name, f"answers; {waiting} rows wait for something")
    for account, reason in found.paused:
        yield bad("account", f"{account} is paused: {reason}", "Renew its token or password, then restart the daemon.")


async def converters() -> AsyncIterator[Finding]:
    async with Documents() as documents:
        try:
            await documents.self_test()
            yield good("fonts", f"{len(files())} files; Turkish letters come out as ink")
            page = await documents.html_to_pdf("<p>fax-bridge doctor</p>")
            made = await documents.build([SourcePart(PartKind.PDF, "page", page)])
            yield good("converter", f"made {sum(made.pages)} page in a process of its own")
        except BridgeError as fault:
            yield bad("converter", str(fault), "Install fax-bridge again; look at memory, /tmp and the unit's sandbox.")
    office = shutil.which("soffice")
    if office is None:
        yield warning(
            "LibreOffice",
            "is not installed: .doc, .xls, .ppt, .odt and RTF files are refused",
            "Where senders need them: apt install libreoffice-writer-nogui libreoffice-calc-nogui, and the drop-in "
            "fax-bridge-libreoffice.conf.",
        )
    else:
        yield good("LibreOffice", office)


async def templates(settings: Settings) -> AsyncIterator[Finding]:
    where = settings.templates_dir or "those of the program"
    try:
        Words(settings.templates_dir).check()
        yield good("templates", f"{where}: all can be rendered")
    except ValueError as fault:
        yield bad("templates", str(fault), "Mend that template, or take it out of templates_dir.")
