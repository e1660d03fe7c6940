"""What one look of ``fax-bridge doctor`` found."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    """It works, or may; a person should know."""
    BAD = "bad"
    """Faxes will not go or come while this is so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``mend`` says what to do, and is there wherever ``verdict`` is not good."""

    name: str
    verdict: Verdict
    said: str
    mend: str = ""


def good(name: str, said: str) -> Finding:
    return Finding(name, Verdict.GOOD, said)


def warning(name: str, said: str, mend: str) -> Finding:
    return Finding(name, Verdict.WARNING, said, mend)


def bad(name: str, said: str, mend: str) -> Finding:
    return Finding(name, Verdict.BAD, said, mend)


Look = Callable[[], AsyncIterator[Finding]]
"""One look; it may find several things."""
