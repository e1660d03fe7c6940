"""The walls around a conversion: what a hostile document costs, what it can see, and what it leaves behind."""

import asyncio
import fcntl
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from pikepdf import Name

from fax_bridge.documents.worker import Documents, Limits, PartKind, SourcePart
from fax_bridge.errors import DocumentRefused, Temporary

PLAIN = SourcePart(PartKind.TEXT, "note.txt", b"all is well")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of this test's own for temporary files, so that what stays behind is seen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def children_of(*parents: int) -> list[int]:
    """The processes that these started and that still live, or were not waited for."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent in parents:
                found.append(int(entry.name))
    return found


def fork_servers() -> list[int]:
    """Those that this process started."""
    return [child for child in children_of(os.getpid()) if b"fork_server" in process_file(child, "cmdline")]


def workers() -> list[int]:
    return children_of(*fork_servers())


def jobs_in(directory: Path) -> list[str]:
    """What lies there for a job, but for the place of the fork server, which is there as long as that."""
    return sorted(path.name for path in directory.iterdir() if "-server-" not in path.name)


def process_file(process: int, name: str) -> bytes:
    return Path(f"/proc/{process}/{name}").read_bytes()


def text_in(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return "\f".join(str(page.get_textpage().get_text_range()) for page in document)


def billion_drawings() -> bytes:
    """A PDF whose page draws twenty to the twelfth squares: PDFium dies of it."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(300, 300))
        inner = pdf.make_stream(b"0 0 10 10 re f", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 300, 300])
        for _ in range(11):
            outer = pdf.make_stream(b"/X Do " * 20, Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 300, 300])
            outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=inner))
            inner = outer
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=inner))
        page.Contents = pdf.make_stream(b"/X Do")
        out = io.BytesIO()
        pdf.save(out)
    return out.getvalue()


async def worker_started() -> int:
    for _ in range(200):
        if found := workers():
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError("no worker was started")


# --- what a hostile document costs -----------------------------------------------------------------------


async def test_a_document_that_takes_too_long_is_refused_and_its_process_gone(temporary: Path) -> None:
    """The promised time holds, the worker is killed, and nothing stays in the temporary directory."""
    async with Documents(limits=Limits(wall_seconds=1.0)) as documents:
        began = time.monotonic()
        with pytest.raises(DocumentRefused) as refused:
            await documents.html_to_pdf("<p>" + "endless " * 200_000)
        assert refused.value.reason == "worker_timeout"
        assert time.monotonic() - began < 5
        assert workers() == []
    assert os.listdir(temporary) == []  # noqa: PTH208 — a test may wait for a disk


async def test_processor_time_is_limited_too() -> None:
    """A worker that computes and computes is ended by the kernel, even if the clock has time left."""
    async with Documents(limits=Limits(wall_seconds=20, cpu_seconds=1)) as documents:
        with pytest.raises(DocumentRefused) as refused:
            await documents.html_to_pdf("<p>" + "endless " * 200_000)
    assert refused.value.reason == "worker_timeout"
    assert "processor" in refused.value.detail


async def test_memory_is_limited() -> None:
    """An SVG that multiplies itself would take all there is; the worker's allocation fails instead."""
    layers = "".join(f'<g id="a{n}">' + f'<use href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, 10))
    svg = f'<svg><g id="a0"><path d="M0 0L9 9"/></g>{layers}</svg>'
    async with Documents(limits=Limits(memory_bytes=400 << 20, wall_seconds=20)) as documents:
        with pytest.raises(DocumentRefused) as refused:
            await documents.html_to_pdf(svg)
    assert refused.value.reason == "worker_limit"


async def test_a_crash_costs_its_own_document_only() -> None:
    """A job that kills its process leaves the jobs beside it, and those after it, untouched."""
    async with Documents(max_concurrent=2, limits=Limits(memory_bytes=300 << 20)) as documents:
        crashing = documents.build([SourcePart(PartKind.PDF, "squares.pdf", billion_drawings())])
        innocent = documents.build([PLAIN])
        crash, built = await asyncio.gather(crashing, innocent, return_exceptions=True)
        assert isinstance(crash, DocumentRefused)
        assert crash.reason in {"worker_crashed", "worker_limit", "worker_timeout"}
        assert not isinstance(built, BaseException)
        assert built.pages == (1,)
        assert (await documents.build([PLAIN])).pages == (1,)


async def test_the_part_that_killed_the_worker_is_named() -> None:
    """The report can say which attachment it was: the third, not just one of four."""
    hostile = SourcePart(PartKind.TEXT, "long.txt", b"word " * 700_000)
    async with Documents(limits=Limits(cpu_seconds=1)) as documents:
        with pytest.raises(DocumentRefused) as refused:
            await documents.build([PLAIN, PLAIN, hostile, PLAIN])
    assert refused.value.part == 2
    assert refused.value.reason == "worker_timeout"


async def test_deep_nesting_is_made_flat_before_it_can_cost_anything() -> None:
    """Layout of nested tables takes 2^depth steps; a mail with thirty of them is done at once."""
    nested = SourcePart(PartKind.HTML, "", ("<table><tr><td>" * 300 + "innermost").encode())
    async with Documents(limits=Limits(wall_seconds=10)) as documents:
        built = await documents.build([nested])
    assert built.pages == (1,)


async def test_a_cancelled_job_is_killed_and_leaves_nothing(temporary: Path, documents: Documents) -> None:
    """When the daemon stops, the conversion in hand stops with it."""
    job = asyncio.create_task(documents.html_to_pdf("<p>" + "endless " * 200_000))
    worker = await worker_started()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert worker not in workers()
    assert jobs_in(temporary) == []


async def test_a_stop_of_the_service_does_not_refuse_the_document_in_hand(documents: Documents) -> None:
    """systemd sends SIGTERM to every process of the unit; worker and fork server go on until the daemon decides."""
    job = asyncio.create_task(documents.html_to_pdf("<p>" + "some time " * 15_000))
    worker = await worker_started()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for process in (worker, *fork_servers()):
            os.kill(process, number)
    assert (await job).startswith(b"%PDF-")
    assert await documents.clean_html("x") == "x"


async def test_a_document_waits_for_the_dialogue_with_a_mail_server(documents: Documents) -> None:
    """The converter runs at a lower priority than the daemon, whose intake has to stay quick meanwhile."""
    job = asyncio.create_task(documents.html_to_pdf("<p>" + "some time " * 15_000))
    worker = await worker_started()
    wanted = min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    for _ in range(200):  # until the interpreter is up
        if os.getpriority(os.PRIO_PROCESS, worker) == wanted:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail(f"the worker kept the priority {os.getpriority(os.PRIO_PROCESS, worker)}")
    assert (await job).startswith(b"%PDF-")


async def test_as_many_workers_run_at_once_as_allowed_and_no_more(documents: Documents) -> None:
    """Six documents at once are six turns, two at a time."""
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(workers()))
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    page = "some time " * 3_000
    made = await asyncio.gather(*(documents.html_to_pdf(f"<p>page {number}<p>{page}") for number in range(6)))
    watcher.cancel()
    assert [f"page {number}" in text_in(pdf) for number, pdf in enumerate(made)] == [True] * 6
    assert most == 2


async def test_a_machine_without_space_costs_a_retry_not_the_document(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No temporary directory is no fault of the document's."""
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent/place")
    with pytest.raises(Temporary):
        await documents.build([PLAIN])


async def test_what_a_killed_daemon_left_behind_is_removed(temporary: Path, documents: Documents) -> None:
    """Documents of people do not lie about: at the first job, directories whose job is dead go."""
    names = ("fax-bridge-document-dead", "fax-bridge-document-live", "fax-bridge-document-new", "other")
    for name in names:
        (temporary / name).mkdir()
        (temporary / name / "stderr").write_bytes(b"")
    for name in set(names) - {"fax-bridge-document-new"}:
        os.utime(temporary / name, (1, 1))
    with (temporary / "fax-bridge-document-live" / "stderr").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await documents.clean_html("x")
    assert jobs_in(temporary) == ["fax-bridge-document-live", "fax-bridge-document-new", "other"]


# --- what it can see and reach ---------------------------------------------------------------------------


class Canary:
    """A loopback server that remembers whether anyone called."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self.calls = 0
        self._open = True
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while self._open:
            try:
                caller, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.calls += 1
            caller.close()

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._listener.close()


async def test_nothing_is_ever_fetched_through_the_real_engine(tmp_path: Path, documents: Documents) -> None:
    """Every way in which HTML can name an address or a file, raw and uncleaned: the canaries hear nothing."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not a picture, and opened by nobody")
    os.utime(secret, (1, 1))
    style = tmp_path / "secret.css"
    style.write_text("body::before { content: 'the secret came out' }")
    canary = Canary()
    try:
        places = (f"http://127.0.0.1:{canary.port}/x", secret.as_uri(), f"ftp://127.0.0.1:{canary.port}/x")
        ways = [WAYS_OUT.replace("BASE", place) for place in places]
        ways.append(f'<link rel=stylesheet href="{style.as_uri()}"><p>x')
        for way in ways:
            pdf = await documents.html_to_pdf(f"<!DOCTYPE html><html><head></head>{way}")
            assert "x" in text_in(pdf)
            assert "secret" not in text_in(pdf)
        await documents.build([SourcePart(PartKind.HTML, "", "".join(ways).encode())])
    finally:
        canary.close()
    assert canary.calls == 0
    assert secret.stat().st_atime == 1


WAYS_OUT = """<link rel=stylesheet href="BASE.css"><style>@import url("BASE.css"); @font-face
{ font-family: x; src: url("BASE.ttf") } p { font-family: x; background: url(BASE) }
body { background-image: image-set("BASE" 1x) } li { list-style-image: url(BASE) }</style>
<body background="BASE"><img src="BASE"><img srcset="BASE 2x"><object data="BASE">o</object>
<iframe src="BASE"></iframe><embed src="BASE"><video src="BASE" poster="BASE"></video>
<svg><image href="BASE"/><use href="BASE#a"/></svg><p>x<li>y
<img src='data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"><image href="BASE"/></svg>'>
<script src="BASE"></script><script>fetch("BASE")</script>"""

PROBE = """
import json, os, socket, sys
from pathlib import Path
from fax_bridge.documents.jail import confine
from fax_bridge.documents.job import Limits
own = Path(sys.argv[1])
walls = confine(Limits(), own)
def attempt(do):
    try:
        do()
    except OSError as error:
        return type(error).__name__
    return "done"
print(json.dumps({
    "files": walls.files, "calls": walls.calls,
    "own": attempt(lambda: (own / "x").write_text("mine")),
    "other": attempt(lambda: Path(sys.argv[2]).read_text()),
    "write": attempt(lambda: Path(sys.argv[2]).write_text("changed")),
    "socket": attempt(socket.socket),
    "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
    "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
    "fork": attempt(os.fork),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
}))
"""


def test_a_confined_process_has_its_own_directory_and_nothing_else(tmp_path: Path) -> None:
    """No network, no program, no other process; and no file of the daemon's where the kernel has Landlock."""
    own, secret = tmp_path / "own", tmp_path / "settings.toml"
    own.mkdir()
    secret.write_text("password")
    ended = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(own), str(secret)], capture_output=True, timeout=30, check=True
    )
    seen = json.loads(ended.stdout)
    assert seen["own"] == "done"
    if seen["calls"]:
        assert {seen[what] for what in ("socket", "unix", "exec", "fork", "signal")} == {"PermissionError"}
    if seen["files"]:
        assert (seen["other"], seen["write"]) == ("PermissionError", "PermissionError")
        assert secret.read_text() == "password"
    if os.environ.get("CI") or sys.platform == "linux":
        assert seen["calls"] is True, "this kernel has no seccomp filter"


async def test_no_secret_of_the_daemon_is_in_the_worker_s_environment(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of the account stays with the parent."""
    monkeypatch.setenv("FAX_BRIDGE_FAXMAX__TOKEN", "planted-secret")
    job = asyncio.create_task(documents.html_to_pdf("<p>" + "some time " * 15_000))
    worker = await worker_started()
    environment, arguments = process_file(worker, "environ"), process_file(worker, "cmdline")
    await job
    assert b"TMPDIR=" in environment
    assert b"planted-secret" not in environment + arguments
    assert {line.split(b"=")[0] for line in environment.split(b"\0") if line} <= {
        b"LANG",
        b"MALLOC_ARENA_MAX",
        b"HOME",
        b"TMPDIR",
    }


async def test_the_job_s_directory_is_for_its_owner_only(temporary: Path, documents: Documents) -> None:
    """Others on the machine cannot read the documents in hand."""
    job = asyncio.create_task(documents.html_to_pdf("<p>" + "some time " * 15_000))
    await worker_started()
    (name,) = jobs_in(temporary)
    assert os.stat(temporary / name).st_mode & 0o777 == 0o700  # noqa: PTH116 — a test may wait for a disk
    await job
    assert jobs_in(temporary) == []


async def test_the_self_test_passes_where_the_program_is_whole(documents: Documents) -> None:
    """Turkish letters come out as ink, each as its own shape."""
    await documents.self_test()
