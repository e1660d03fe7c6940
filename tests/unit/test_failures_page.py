"""docs/failures.md is complete: whatever a sender or a mail server can be told stands there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
WORDS = tomllib.loads((ROOT / "templates" / "email" / "en" / "words.toml").read_text(encoding="utf-8"))
REPLY = re.compile(r'"([245]\d\d [245]\.\d+\.\d+)\b')


@pytest.mark.parametrize("reason", sorted(WORDS["reason"]))
def test_every_reason_is_explained(reason: str) -> None:
    """What it means, and what to do about it."""
    assert f"`{reason}`" in PAGE


def replies() -> set[str]:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "fax_bridge" / "email_to_fax").glob("*.py")
    )
    return {code for code in REPLY.findall(sources) if not code.startswith("2")}


@pytest.mark.parametrize("code", sorted(replies()))
def test_every_smtp_refusal_is_explained(code: str) -> None:
    """By its two codes, which is all that many mail servers show."""
    assert f"`{code}" in PAGE
