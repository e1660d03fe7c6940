"""What a sender is told of pages that will be hard to read or long on the line: a sentence for each of the two."""

from collections.abc import Sequence

from fax_bridge.fax import Language, PageFacts
from fax_bridge.mail.words import Words

_MOST_NAMED = 10
"""Pages, or runs of pages, in one sentence."""


def page_warnings(facts: Sequence[PageFacts], words: Words, language: Language) -> tuple[str, ...]:
    """``facts`` of the first pages of the document, in order; no sentences where nothing is the matter."""
    pages = list(enumerate(facts, 1))
    dark = [number for number, page in pages if page.is_dark]
    slow = [number for number, page in pages if page.is_slow]
    said = []
    if dark:
        share = max(facts[number - 1].ink for number in dark)
        said.append(
            words.phrase(language, "warning.dark", pages=_listed(dark), several=len(dark) > 1, share=round(100 * share))
        )
    if slow:
        longest = max(facts[number - 1].seconds for number in slow)
        said.append(
            words.phrase(
                language, "warning.slow", pages=_listed(slow), several=len(slow) > 1, minutes=_minutes(longest)
            )
        )
    return tuple(said)


def _minutes(seconds: float) -> int:
    return max(1, round(seconds / 60))


def _listed(numbers: Sequence[int]) -> str:
    """``1, 3–5, 9``; of many runs only the first."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    written = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return ", ".join(written[:_MOST_NAMED]) + (" …" if len(written) > _MOST_NAMED else "")
