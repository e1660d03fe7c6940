"""The fork server: what its workers have in common, which is nothing that matters, and how it and they end."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fax_bridge.documents import fork_client
from fax_bridge.documents.worker import Documents, Limits
from fax_bridge.errors import BridgeError, DocumentRefused, Temporary

LONG = "<p>" + "endless " * 200_000
SHORTER = "<p>" + "some time " * 15_000

PROBE = """
import json, os, random, resource, signal, subprocess, sys, tempfile, time
from pathlib import Path

jobs_done = 0

def attempt(do):
    try:
        return do() or "done"
    except OSError as error:
        return type(error).__name__

def is_open(number):
    return attempt(lambda: os.fstat(number) and "open") == "open"

def work(task, arguments):
    global jobs_done
    jobs_done += 1
    if how := arguments.get("end"):
        if how == "group":
            child = subprocess.Popen(["/bin/sleep", "60"])
            Path("child").write_text(str(child.pid))
            time.sleep(60)
        os.kill(os.getpid(), signal.Signals[how])
    seen = {
        "environ": dict(os.environ),
        "cwd": os.getcwd(),
        "open": [number for number in range(3, 256) if is_open(number)],
        "jobs": jobs_done,
        "random": random.random(),
        "temporary": tempfile.mkdtemp(),
        "own session": os.getsid(0) == os.getpid(),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "processor time": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
        "read": [attempt(lambda: Path(path).read_text()) for path in arguments["read"]],
        "write": [attempt(lambda: Path(path).write_text("x") and None) for path in arguments["write"]],
    }
    os.environ["LEFT_BEHIND"] = "by a job"
    sys.stdout.write("nobody must hear this")
    time.sleep(arguments.get("sleep", 0))
    return json.dumps(seen).encode(), None
"""

LAUNCHER = """\
#!{python} -I
import sys
from pathlib import Path
sys.path.append({directory!r})
from fax_bridge.documents import child, fork_server
child.JOBS["probe"] = "probe_of_a_test"
{before}
fork_server.main(Path(sys.argv[-2]), int(sys.argv[-1]))
"""

Launch = Callable[..., None]


@pytest.fixture
def launch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """From now on the fork server knows one job more, which looks around itself."""
    directory = tmp_path_factory.mktemp("launcher")

    def prepare(before: str = "") -> None:
        (directory / "probe_of_a_test.py").write_text(PROBE)
        launcher = directory / "launcher"
        text = LAUNCHER.format(python=sys.executable, directory=str(directory), before=textwrap.dedent(before))
        launcher.write_text(text)
        launcher.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(launcher))

    return prepare


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def probe(documents: Documents, **arguments: Any) -> dict[str, Any]:
    found, _ = await documents._do("probe", {"read": [], "write": []} | arguments)  # noqa: SLF001 — a job of the test's own
    seen: dict[str, Any] = json.loads(found)
    return seen


def state_of(process: int) -> str:
    """One letter; empty where there is no such process (proc(5))."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def names_in(directory: Path | str) -> list[str]:
    return [path.name for path in Path(directory).iterdir()]


def children_of(parent: int) -> list[int]:
    return [n for n in map(int, filter(str.isdigit, names_in("/proc"))) if parent_of(n) == parent]


def fork_servers() -> list[int]:
    """Those of this process; a launcher's name has to do for the module's."""
    names = (b"fork_server", b"launcher")
    return [n for n in children_of(os.getpid()) if any(s in Path(f"/proc/{n}/cmdline").read_bytes() for s in names)]


async def until(is_so: Callable[[], Any]) -> Any:
    for _ in range(500):
        if found := is_so():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about within five seconds")


async def worker_of(server: int) -> int:
    found = await until(lambda: children_of(server))
    return int(found[0])


# --- what a job sees --------------------------------------------------------------------------------------


async def test_a_job_sees_nothing_of_the_daemon(
    launch: Launch, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a secret in its environment, nor a file that it has open, even one left open to its children."""
    launch()
    monkeypatch.setenv("FAX_BRIDGE_FAXMAX__TOKEN", "planted-secret")
    secret = temporary / "settings.toml"
    secret.write_text("planted-secret")
    with secret.open() as held:
        os.set_inheritable(held.fileno(), True)
        async with Documents() as documents:
            seen = await probe(documents, read=[str(secret)])
    assert "planted-secret" not in json.dumps(seen["environ"])
    assert seen["environ"].keys() <= {"LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "HOME", "TMPDIR"}
    assert seen["open"] == []
    assert seen["environ"]["HOME"] == seen["environ"]["TMPDIR"] == seen["cwd"]
    assert Path(seen["temporary"]).parent == Path(seen["cwd"])


async def test_a_job_sees_nothing_of_another(launch: Launch, temporary: Path) -> None:
    """Not its files, its environment or its variables; and chance falls anew for each."""
    launch()
    async with Documents() as documents:
        other = asyncio.create_task(probe(documents, sleep=1))
        request = await until(lambda: list(temporary.glob("fax-bridge-document-[!s]*/request.json")))
        (server,) = fork_servers()
        (common,) = [temporary / name for name in names_in(temporary) if "-server-" in name]
        files = [str(request[0]), str(request[0].with_name("out"))]
        mine = await probe(documents, read=files, write=[*files, str(common / "changed")])
        theirs = await other
        third = await probe(documents)
        assert server in fork_servers()
    assert [seen["jobs"] for seen in (mine, theirs, third)] == [1, 1, 1]
    assert all("LEFT_BEHIND" not in seen["environ"] for seen in (mine, theirs, third))
    assert len({seen["random"] for seen in (mine, theirs, third)}) == 3
    assert len({Path(seen["temporary"]).name for seen in (mine, theirs, third)}) == 3
    nice = min(os.nice(0) + 10, 19)
    assert all(seen["own session"] and seen["niceness"] == nice for seen in (mine, theirs, third))
    if has_landlock():
        assert mine["read"] == ["PermissionError"] * 2
        assert mine["write"] == ["PermissionError"] * 3


def has_landlock() -> bool:
    return (
        "landlock" in Path("/sys/kernel/security/lsm").read_text()
        if Path("/sys/kernel/security/lsm").exists()
        else False
    )


# --- how they end -----------------------------------------------------------------------------------------


async def test_a_killed_fork_server_costs_a_retry_and_the_next_job_works() -> None:
    """Its workers die with it, nobody is told that his document is bad, and a new one takes over."""
    async with Documents() as documents:
        job = asyncio.create_task(documents.html_to_pdf(LONG))
        (server,) = await until(fork_servers)
        worker = await worker_of(server)
        os.kill(server, signal.SIGKILL)
        with pytest.raises(Temporary, match="fork server is gone"):
            await job
        await until(lambda: state_of(worker) in {"", "Z"})
        assert await documents.clean_html("x") == "x"
        assert server not in fork_servers()


async def test_a_fork_server_that_stands_still_holds_up_nobody(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was not even begun when its time ran out is tried again, by a new fork server."""
    monkeypatch.setattr(fork_client, "_PATIENCE", 0.5)
    async with Documents(limits=Limits(wall_seconds=1)) as documents:
        await documents.clean_html("x")
        (server,) = fork_servers()
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(Temporary):
            await documents.clean_html("x")
        assert await documents.clean_html("x") == "x"
        assert server not in fork_servers()


async def test_the_whole_group_of_a_worker_is_killed(launch: Launch, temporary: Path) -> None:
    """Where the kernel has no filter a worker may start processes; when its time is up they go with it."""
    launch("child.confine = lambda *_: None")
    async with Documents(limits=Limits(wall_seconds=1.5)) as documents:
        job = asyncio.create_task(probe(documents, end="group"))
        note = (await until(lambda: [p for p in temporary.glob("*/child") if p.read_text()]))[0]
        grandchild = int(note.read_text())
        assert state_of(grandchild) not in {"", "Z"}
        with pytest.raises(DocumentRefused) as refused:
            await job
        assert refused.value.reason == "worker_timeout"
        await until(lambda: state_of(grandchild) in {"", "Z"})


@pytest.mark.parametrize(
    ("how", "kind", "reason"),
    [
        ("SIGSEGV", DocumentRefused, "worker_crashed"),
        ("SIGKILL", DocumentRefused, "worker_limit"),
        ("SIGXCPU", DocumentRefused, "worker_timeout"),
        ("SIGTERM", Temporary, ""),
    ],
)
async def test_each_death_keeps_its_meaning(launch: Launch, how: str, kind: type[BridgeError], reason: str) -> None:
    """The fork server hands on how a worker died, and the document is blamed only where it can be to blame."""
    launch("child.confine = lambda *_: None\nimport signal\nfork_server._STOPS = ()")
    async with Documents() as documents:
        with pytest.raises(kind) as caught:
            await probe(documents, end=how)
        assert getattr(caught.value, "reason", "") == reason


async def test_after_a_crash_the_next_worker_has_another_layout(launch: Launch) -> None:
    """Whoever made a worker crash may have learnt where things lie; the fork server is replaced."""
    launch("child.confine = lambda *_: None")
    async with Documents() as documents:
        await documents.clean_html("x")
        before = fork_servers()
        assert await documents.clean_html("x") == "x"
        assert fork_servers() == before
        with pytest.raises(DocumentRefused):
            await probe(documents, end="SIGSEGV")
        assert await documents.clean_html("x") == "x"
        after = fork_servers()
        assert len(after) == 1
        assert after != before


async def test_two_hundred_jobs_leave_nothing_behind(temporary: Path) -> None:
    """No process, no descriptor, no directory, on either side."""
    async with Documents() as documents:
        await documents.clean_html("x")
        (server,) = fork_servers()

        def kept() -> tuple[int, int, list[int], int]:
            ours, its = (len(names_in(f"/proc/{process}/fd")) for process in ("self", server))
            return ours, its, children_of(server), len(names_in(temporary))

        before = kept()
        for _ in range(50):
            assert await asyncio.gather(*(documents.clean_html("x") for _ in range(4))) == ["x"] * 4
        assert kept() == before
        assert fork_servers() == [server]
    assert fork_servers() == []
    assert state_of(server) == ""
    assert names_in(temporary) == []


async def test_fonts_are_there_as_long_as_the_fork_server(temporary: Path) -> None:
    """A machine that clears its temporary files after days does not get blank pages for it."""
    async with Documents() as documents:
        await documents.self_test()
        for name in names_in(temporary):
            shutil.rmtree(temporary / name)
        await documents.self_test()
        assert names_in(temporary) == []


async def test_closing_ends_what_is_in_hand(temporary: Path) -> None:
    """No process of ours outlives the block, and the job may be tried again."""
    async with Documents() as documents:
        job = asyncio.create_task(documents.html_to_pdf(LONG))
        (server,) = await until(fork_servers)
        worker = await worker_of(server)
    assert state_of(server) == ""
    with pytest.raises(Temporary):
        await job
    assert state_of(worker) == ""
    assert names_in(temporary) == []


NEVER_CLOSED = """
import asyncio, os
from fax_bridge.documents.worker import Documents
async def main():
    documents = Documents()
    await documents.clean_html("x")
    print(documents._server._process.pid, flush=True)
    asyncio.create_task(documents.html_to_pdf("<p>" + "endless " * 200_000))
    await asyncio.sleep(0.5)
    os._exit(0)
asyncio.run(main())
"""


async def test_a_daemon_that_just_ends_takes_its_fork_server_along(tmp_path: Path) -> None:
    """Killed outright, it closes nothing; the fork server, with which its workers die, goes all the same."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", NEVER_CLOSED),
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    server = int(told)
    await until(lambda: state_of(server) in {"", "Z"})


# --- how it starts ----------------------------------------------------------------------------------------


async def test_an_engine_that_is_missing_is_told_at_the_start(launch: Launch, temporary: Path) -> None:
    """The daemon refuses to start, with the name of what is missing."""
    launch('child.JOBS["other"] = "an_engine_that_is_not_there"')
    async with Documents() as documents:
        with pytest.raises(BridgeError, match=r"cannot start.*an_engine_that_is_not_there"):
            await documents.self_test()
        assert fork_servers() == []
    assert names_in(temporary) == []


async def test_an_engine_that_starts_threads_is_not_forked(launch: Launch) -> None:
    """Of a process with threads a fork copies one, and the locks that the others held: jobs would hang."""
    launch("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()")
    async with Documents() as documents:
        with pytest.raises(BridgeError, match="started a thread"):
            await documents.self_test()


async def test_a_program_that_cannot_be_started_costs_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that ends without a word."""
    for program in ("/nonexistent/python", "/bin/false"):
        monkeypatch.setattr(sys, "executable", program)
        async with Documents() as documents:
            with pytest.raises(Temporary):
                await documents.clean_html("x")


async def test_jobs_that_come_together_start_one_fork_server() -> None:
    """And the second of them waits for it instead of failing."""
    async with Documents() as documents:
        cleaned = await asyncio.gather(*(documents.clean_html(text) for text in "ab"))
        assert cleaned == ["a", "b"]
        assert len(fork_servers()) == 1


async def test_it_ends_when_nothing_was_to_do_for_a_while_and_comes_back(launch: Launch, temporary: Path) -> None:
    """Its memory is free between two faxes; a job in hand, and one that follows, keep it."""
    launch()
    async with Documents(idle=0.3) as documents:
        await probe(documents)
        (first,) = fork_servers()
        await probe(documents, sleep=0.8)
        assert fork_servers() == [first]
        await until(lambda: not fork_servers())
        await probe(documents)
        assert len(fork_servers()) == 1
    assert fork_servers() == []
