"""Every file in ``dialogues/``, played against the real listener."""

import asyncio
from pathlib import Path

import pytest

from tests.smtp.play import play

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_the_dialogue_goes_as_it_is_written(path: Path, tmp_path: Path) -> None:
    """What each file promises stands in its first line."""
    await play(path, tmp_path)


@pytest.mark.parametrize(
    "path",
    [path for path in DIALOGUES if path.stem.startswith(("starttls", "smtps", "proxy", "auth"))],
    ids=lambda path: path.stem,
)
def test_the_dialogue_goes_so_on_the_daemons_own_loop_too(path: Path, tmp_path: Path) -> None:
    """TLS under a connection is the loop's work, and the daemon's is uvloop where there is one."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play(path, tmp_path))
