"""The transport that puts mails into a directory instead of sending them: for trying out and for sites without SMTP.

A Maildir as qmail laid it down (https://cr.yp.to/proto/maildir.html): written under ``tmp``, made durable, moved
to ``new``, where a reader takes it and moves it on to ``cur``. A mail of the outbox exists once, however often
it is sent.
"""

import asyncio
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from fax_bridge.errors import Temporary
from fax_bridge.mail.delivery import BAD_PATH, Delivery, Outcome, Reply, is_path

_TAKEN = Reply(250, "2.0.0 in the maildir")


class Maildir:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __repr__(self) -> str:
        return f"Maildir({str(self._directory)!r})"

    async def send(self, outbox_id: str, mail_from: str, recipients: Sequence[str], content: bytes) -> Delivery:
        outcome = Outcome()
        for recipient in dict.fromkeys(recipients):
            outcome.settle(recipient, _TAKEN if is_path(recipient) else BAD_PATH)
        if mail_from and not is_path(mail_from):
            return Delivery(refused=dict.fromkeys(recipients, BAD_PATH))
        if outcome.delivered:
            trace = [f"Return-Path: <{mail_from}>", *(f"Delivered-To: {to}" for to in outcome.delivered), ""]
            await asyncio.to_thread(self._keep, outbox_id, "\n".join(trace).encode(), content)
        return outcome.frozen()

    async def probe(self) -> None:
        await asyncio.to_thread(self._probe)

    async def extensions(self) -> None:
        """There is no server to ask, and a file takes any bytes."""

    def _probe(self) -> None:
        try:
            self._make_directories()
            self._write(self._tmp("probe"), b"").unlink()
        except OSError as fault:
            raise self._temporary(fault) from fault

    def _keep(self, outbox_id: str, trace: bytes, content: bytes) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", outbox_id):
            raise ValueError(f"{outbox_id!r} cannot be part of a file name")
        name = f"{outbox_id}.fax-bridge"
        try:
            self._make_directories()
            if self._was_read(name):
                return
            # Lines end in LF on disk, as mail readers expect there.
            written = self._write(self._tmp(name), trace + content.replace(b"\r\n", b"\n"))
            try:
                written.replace(self._directory / "new" / name)
            finally:
                written.unlink(missing_ok=True)
            _sync(self._directory / "new")
        except OSError as fault:
            raise self._temporary(fault) from fault

    def _was_read(self, name: str) -> bool:
        """A reader moved it to ``cur`` and hung its flags behind the name. Costs one look through ``cur`` per mail."""
        with os.scandir(self._directory / "cur") as entries:
            return any(entry.name.startswith(name) for entry in entries)

    def _tmp(self, name: str) -> Path:
        """A name of its own for each try: two that overlap must not write into one file."""
        return self._directory / "tmp" / f"{name}.{os.getpid()}.{secrets.token_hex(4)}"

    def _write(self, path: Path, data: bytes) -> Path:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _make_directories(self) -> None:
        for name in ("tmp", "new", "cur"):
            path = self._directory / name
            if not path.is_dir():
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync(self._directory)

    def _temporary(self, fault: OSError) -> Temporary:
        return Temporary(
            f"the maildir {self._directory} cannot be written: {fault.strerror or fault}. "
            "Check that it is there, who owns it, and the free space."
        )


def _sync(directory: Path) -> None:
    """Makes a rename durable: without it a power cut may forget the name (fsync(2), NOTES)."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
