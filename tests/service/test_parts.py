"""The small parts by themselves: what the service manager hands over, the watchdog, the journal's datagrams, reload."""

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fax_bridge import eventlog
from fax_bridge.errors import BridgeError
from fax_bridge.service import journal
from fax_bridge.service.notify import Notifier
from fax_bridge.service.reload import take_over
from fax_bridge.service.sockets import NONE, handed_over
from fax_bridge.service.watchdog import LoopLag, beat_forever
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings, SettingsError

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"


# --- sockets -----------------------------------------------------------------------------------------


def handed(listener: socket.socket, name: str) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": name}


def test_a_socket_of_another_name_is_refused_with_the_names_that_are_known() -> None:
    """A unit with a typing error must not leave a listener out."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(BridgeError, match="smtp, lmtp, webhook"):
        handed_over(handed(listener, "smpt"), first=listener.fileno())


def test_a_socket_that_does_not_listen_is_refused() -> None:
    """Accept=yes hands over connections, which we do not serve."""
    with socket.socket() as idle, pytest.raises(BridgeError, match="Accept=no"):
        handed_over(handed(idle, "smtp"), first=os.dup(idle.fileno()))


def test_sockets_that_were_meant_for_another_process_are_left_alone() -> None:
    """LISTEN_PID is the parent's where the variables were inherited."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}
    assert handed_over(environment) is NONE
    assert environment == {}, "nor does a child of ours believe them"


# --- signs of life -----------------------------------------------------------------------------------


def test_a_watchdog_of_another_process_is_not_ours() -> None:
    """WATCHDOG_PID."""
    assert Notifier.from_environment({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog == 0
    assert Notifier.from_environment({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 1


async def test_no_sign_of_life_is_given_while_a_listener_is_dead(tmp_path: Path) -> None:
    """And again once all of them live."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        dead = ["mail"]
        notifier = Notifier(str(tmp_path / "notify"), watchdog=0.06)
        task = asyncio.create_task(beat_forever(notifier, lambda: dead))
        await asyncio.sleep(0.2)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        dead.clear()
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(manager, 100) == b"WATCHDOG=1"
        task.cancel()


async def test_a_service_manager_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    """It restarts now and then."""
    Notifier(str(tmp_path / "gone")).ready("x")


async def test_the_lag_of_the_loop_is_seen() -> None:
    """A step that blocks for 100 ms is measured as about that."""
    seen: list[float] = []
    task = asyncio.create_task(LoopLag(seen.append, every=0.05).forever())
    await asyncio.sleep(0.01)
    time.sleep(0.15)  # noqa: ASYNC251 — the blocking is what is tested
    await asyncio.sleep(0.05)
    task.cancel()
    assert max(seen) > 0.05


# --- the journal -------------------------------------------------------------------------------------


def fields_of(datagram: bytes) -> dict[str, str]:
    """The native protocol read as journald does."""
    fields: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[key.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(tmp_path / "journal"))
        daemon.settimeout(5)
        monkeypatch.setattr(journal.JournalLogger.__init__, "__defaults__", (str(tmp_path / "journal"),))
        yield daemon
    eventlog.set_up("human", "info")


@pytest.mark.parametrize("style", ["human", "json"])
def test_each_fact_of_an_event_is_a_field(style: str, journald: socket.socket) -> None:
    """journalctl FAX_ID=… finds all of one fax; the message is a line for people, or JSON."""
    eventlog.set_up(style, "info", to_journal=True)
    eventlog.event("paused", "01FAX", account="default", detail="two\nlines")
    fields = fields_of(journald.recv(65536))
    assert fields["FAX_ID"] == "01FAX"
    assert fields["FAX_EVENT"] == "paused"
    assert fields["FAX_ACCOUNT"] == "default"
    assert fields["FAX_DETAIL"] == r"two\nlines", "what comes from outside writes no line of its own"
    assert fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "fax-bridge"
    if style == "json":
        assert json.loads(fields["MESSAGE"])["id"] == "01FAX"
    else:
        assert "paused" in fields["MESSAGE"]
        assert "01FAX" in fields["MESSAGE"]


def test_a_journal_that_is_away_costs_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to standard output then, and the work goes on."""
    monkeypatch.setattr(journal.JournalLogger.__init__, "__defaults__", (str(tmp_path / "gone"),))
    eventlog.set_up("human", "info", to_journal=True)
    eventlog.event("accepted", "M1")
    assert "M1" in capsys.readouterr().out
    eventlog.set_up("human", "info")


def test_the_journal_is_known_by_its_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JOURNAL_STREAM names it; a service whose output was redirected writes plain lines."""
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path))
    with (tmp_path / "stream").open("w") as stream:
        about = os.fstat(stream.fileno())
        assert journal.is_ours({"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}, stream)
        assert not journal.is_ours({"JOURNAL_STREAM": "1:1"}, stream)
        assert not journal.is_ours({}, stream)


# --- reload ------------------------------------------------------------------------------------------


def changed(tmp_path: Path, old: str, new: str) -> Settings:
    text = GOOD.read_text()
    assert old in text
    (tmp_path / "new.toml").write_text(text.replace(old, new))
    return load(tmp_path / "new.toml")


def test_a_reload_takes_whole_sections_and_single_keys(tmp_path: Path) -> None:
    """What was read at the start is named and left as it is."""
    running = load(GOOD)
    new = changed(
        tmp_path, '[smtp]\nlisten = ["127.0.0.1:8025"]', '[smtp]\nlisten = ["127.0.0.1:25"]\nmax_recipients = 200'
    )
    told = take_over(running, new)
    assert (told.applied, told.need_restart) == (("smtp.max_recipients",), ("smtp.listen",))
    assert running.smtp.max_recipients == 200
    assert [where.port for where in running.smtp.listen] == [8025]


def test_new_quiet_hours_hold_after_a_reload(tmp_path: Path) -> None:
    """The schedule that was made of the old ones is made anew."""
    running = load(GOOD)
    assert running.schedule.earliest("902163333344", None, 0) == 0
    quiet = '[[quiet_hours]]\nmatch = "90"\nfrom = "00:00"\nuntil = "23:00"\n\n[[routes]]'
    take_over(running, changed(tmp_path, "[[routes]]", quiet))
    assert running.schedule.earliest("902163333344", None, 0) > 0


def test_a_sender_of_an_account_that_waits_for_a_restart_changes_nothing(tmp_path: Path) -> None:
    """Its mails would be accepted for an account that nobody serves."""
    running = load(GOOD)
    text = GOOD.read_text().replace("[[senders]]", '[[senders]]\naccount = "sales"')
    (tmp_path / "new.toml").write_text(text + '\n[faxmax.accounts.sales]\ntoken = "x"\n')
    with pytest.raises(SettingsError, match="need a restart"):
        take_over(running, load(tmp_path / "new.toml"))
    assert running.shown() == load(GOOD).shown()
