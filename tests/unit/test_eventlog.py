"""The log: it tells no secret, and it never turns into a fault of the work."""

import contextlib
import io
import sys
from pathlib import Path

import pytest
import structlog

from fax_bridge import eventlog


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_traceback_shows_no_values(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Local variables hold tokens and faxes."""
    eventlog.set_up(style, "info")
    secret = "pl4nted"

    def fails(token: str) -> None:
        raise RuntimeError("broken")

    try:
        fails(secret)
    except RuntimeError:
        structlog.get_logger("x").exception("failed")
    told = capsys.readouterr().out
    assert "broken" in told
    assert "pl4nted" not in told


@pytest.mark.parametrize("style", ["human", "json"])
def test_nothing_from_outside_begins_a_line_or_moves_a_cursor(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends of any kind, escape sequences, C1 controls, signs that turn the direction of writing."""
    eventlog.set_up(style, "info")
    bad = "a\r\n2026-01-01 accepted forged\x1b[2J\x1b]0;title\x07\x9b31m\u2028b\u202ec\x00"
    eventlog.event("rejected", bad, mail_from=bad, faxes=[bad], nested={bad: bad})
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert told.rstrip("\n").isprintable()
    assert "forged" in told


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under standard output must not turn a 250 into a 451."""
    told = False
    with contextlib.suppress(OSError), Path("/dev/full").open("w", buffering=1) as full:  # its close fails too
        monkeypatch.setattr(sys, "stdout", full)
        eventlog.set_up("human", "info")
        eventlog.event("accepted", "M1")
        told = True
    assert told
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    eventlog.set_up("human", "info")


def test_a_listener_that_fails_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An event follows a commit: raised there, it would turn a 250 into a 451, and one fax into two."""
    eventlog.set_up("human", "info")
    heard: list[str] = []

    def broken(word: str, _: str, __: object) -> None:
        raise RuntimeError(word)

    def listens(word: str, *_: object) -> None:
        heard.append(word)

    with eventlog.heard_by(broken), eventlog.heard_by(listens):
        eventlog.event("accepted", "M1")
    eventlog.event("accepted", "M2")
    assert heard == ["accepted"]
    told = capsys.readouterr().out
    assert "M1" in told
    assert "an event was not heard" in told
