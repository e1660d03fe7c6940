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
