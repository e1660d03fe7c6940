"""Every file in ``dialogues/``, played against the real listener."""

from pathlib import Path

import pytest

from tests.smtp.play import play

DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
async def test_the_dialogue_goes_as_it_is_written(path: Path, tmp_path: Path) -> None:
    """What each file promises stands in its first line."""
    await play(path, tmp_path)
