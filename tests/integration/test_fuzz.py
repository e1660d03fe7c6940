"""Changed mails, HTML, numbers, packed parts and PDFs: an answer or a clear refusal. ``scripts/fuzz`` runs more."""

import asyncio
from pathlib import Path

import pytest

from fax_bridge.documents.worker import Documents
from tests.foreign import explained
from tests.fuzz.__main__ import fuzz
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parents[1] / "data" / "fuzz"
FINDINGS = sorted(path for path in FOUND.iterdir() if path.name != "README.md")


@pytest.mark.parametrize(
    ("target", "count"), [("mails", 1500), ("html", 3000), ("numbers", 20_000), ("packed", 150), ("pdf", 150)]
)
async def test_whatever_the_bytes_there_is_an_answer(target: str, count: int) -> None:
    """The same inputs on every run; as many as fit into eight seconds."""
    ends, findings = await fuzz(target, 0, count, seconds=8)
    assert findings == []
    assert ends.total() > 10
    assert len(ends) > 1, "they are not all of one kind, or nothing is tried"


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
async def test_what_was_found_once_is_mended(path: Path, documents: Documents) -> None:
    """Each former finding through the target that its name begins with."""
    content = await asyncio.to_thread(path.read_bytes)
    await TARGETS[path.name.partition("-")[0]](documents).run(content)


async def test_explain_answers_for_whatever_lies_in_a_directory() -> None:
    """What ``scripts/fuzz explain`` does with other people's files, over some of ours: none crashes it."""
    data = FOUND.parent
    assert await explained([data / "fuzz", data / "tiff", data / "settings"], draw=False, most=60) == 0


def test_every_finding_is_described() -> None:
    """What a file is for is forgotten within a week."""
    readme = (FOUND / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FINDINGS if f"| `{path.name}` |" not in readme] == []
