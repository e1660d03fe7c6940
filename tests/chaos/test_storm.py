"""Killed more than twenty times in the middle of everything, the bridge loses nothing and doubles nothing."""

from pathlib import Path

import pytest

from tests.chaos.storm import Bounds, Outcome, storm

BOUNDS = Bounds(kills=22, seed=2026, mails=1.1, pushes=0.5)


def judge(outcome: Outcome) -> None:
    told = outcome.told()
    assert outcome.kills.total() == BOUNDS.kills, told
    assert not outcome.breaches, told
    assert not outcome.errors, "\n".join([told, *outcome.errors])
    assert {"delivered", "failed", "uncertain"} <= {row.state for row in outcome.books.faxes}, told
    assert outcome.ledger.pushes, told


@pytest.mark.slow
async def test_kill_9_at_any_moment_loses_and_doubles_nothing_on_sqlite(tmp_path: Path) -> None:
    """Every 250 ends as one told outcome per recipient, every 200 as one mail, no fax goes out twice, nothing waits."""
    judge(await storm(tmp_path, f"sqlite:///{tmp_path}/fax-bridge.db", BOUNDS))


@pytest.mark.slow
async def test_kill_9_at_any_moment_loses_and_doubles_nothing_on_postgresql(
    tmp_path: Path, postgresql_url: str
) -> None:
    """The same, where nobody frees a dead node's leases and a dead client's transaction may still commit."""
    judge(await storm(tmp_path, postgresql_url, BOUNDS))
