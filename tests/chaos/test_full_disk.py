"""The disk of a SQLite store fills up while traffic flows, and has room again later; nobody restarts the daemon."""

import asyncio
import resource
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fax_bridge.faxmax.sandbox import Sandbox
from tests.chaos.node import Node, place
from tests.chaos.storm import Outcome, faxmax, running_at_last, settled
from tests.chaos.traffic import Traffic, mail_to, push_from
from tests.chaos.verdict import breaches

LEASE_MS = 2000
SIZE = 48 * 1024 * 1024
"""Bytes of the small disk."""

LARGE = 3_000_000
"""Bytes of a mail's part and of a push, more than any room that is left in the files there are."""

MOST = 2_000_000
"""Bytes that a file may have where the size of files is limited instead."""


@dataclass
class SmallDisk:
    """A file system of its own, which a large file fills."""

    directory: Path
    mail_is_told = "452"  # before its DATA: there is a look at the room

    def fill(self, node: Node) -> None:
        with (self.directory / "filler").open("wb", buffering=0) as filler:
            block = bytes(64 * 1024)
            for size in (len(block), 512, 1):
                try:
                    while True:
                        filler.write(block[:size])
                except OSError:
                    pass

    def free(self, node: Node) -> None:
        (self.directory / "filler").unlink()


@dataclass
class SmallFiles:
    """The daemon may make no larger file (RLIMIT_FSIZE): the disk has room, and a write fails all the same."""

    directory: Path
    mail_is_told = "452"  # after its DATA: nothing but the write could tell

    def fill(self, node: Node) -> None:
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (MOST, resource.RLIM_INFINITY))

    def free(self, node: Node) -> None:
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(params=["small disk", "small files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk | SmallFiles]:
    directory = tmp_path / "disk"
    directory.mkdir()
    if request.param == "small files":
        yield SmallFiles(directory)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "fax-bridge-test", str(directory)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here; the limit of a file's size stands in")
    yield SmallDisk(directory)
    subprocess.run(["umount", str(directory)], check=True)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with faxmax() as running:
        yield running


@pytest.mark.slow
async def test_a_full_disk_puts_off_mail_and_pushes_and_loses_nothing(
    tmp_path: Path, disk: SmallDisk | SmallFiles, sandbox: Sandbox
) -> None:
    """452 and 503, no success that is not on disk; with room again everything goes on by itself."""
    where = replace(place(tmp_path, f"sqlite:///{disk.directory}/fax-bridge.db", sandbox.url), min_free_bytes=1_000_000)
    sandbox.notify_url = where.push_url
    node = Node(where, lease_ms=LEASE_MS)
    traffic = Traffic(7, lambda: [where])
    mails, pushes = traffic.ledger.mails, traffic.ledger.pushes

    async with running_at_last(node):
        await node.start()
        await node.ready()
        async with asyncio.TaskGroup() as group:
            for fate in ("", "", "0001", "0010", "0015"):
                mails.append(mail_to((traffic.number(fate),), len(mails)))
                group.create_task(traffic.deliver(mails[-1]))
            group.create_task(traffic.push(after=0))
            await node.reaches("submitted", 1, 20)
            disk.fill(node)
            mails.append(mail_to((traffic.number(),), len(mails), drawing=bytes(LARGE)))
            pushes.append(push_from(traffic.number(), len(pushes), trailing=LARGE))
            group.create_task(traffic.deliver(mails[-1]))
            group.create_task(traffic.give(pushes[-1]))
            # The room is looked at once a second: a mail before the next look is put off after its DATA.
            await _seen(lambda: (mails[-1].refusal[:3], pushes[-1].refusal) == (disk.mail_is_told, "503"))
            await asyncio.sleep(1.0)
            assert not mails[-1].accepted
            assert not pushes[-1].taken
            assert node.is_alive, node.last_words()
            disk.free(node)
        books = await settled(where, sandbox.url, within=30)
    outcome = Outcome(traffic.ledger, books, breaches(traffic.ledger, books), list(node.errors))
    assert not outcome.breaches, outcome.told()
    assert outcome.errors, "the operator has to hear of a full disk"


async def _seen(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 — what is looked at knows no events
            await asyncio.sleep(0.05)
