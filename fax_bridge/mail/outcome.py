"""How a fax's end and a part's fate read: the values of ``compose`` turned into what the report's templates show.

Three statements are kept apart for every fax: *accepted by us*, *handed to FaxMAX*, *confirmed by the remote
machine*. Each says no more than we know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fax_bridge import numbers
from fax_bridge.fax import FAX_ENDS, Fate, FateKind, FaxState, Language, ResultClass
from fax_bridge.mail.headers import line
from fax_bridge.mail.letters import ReportFax
from fax_bridge.mail.shown import Shown, station
from fax_bridge.mail.words import Words

TONES = {
    FaxState.DELIVERED: "good",
    FaxState.FAILED: "bad",
    FaxState.CANCELLED: "bad",
    FaxState.UNCONFIRMED: "unsure",
    FaxState.UNCERTAIN: "unsure",
}

NEVER_HANDED_OVER = frozenset({ResultClass.DOCUMENT, ResultClass.EXPIRED})
"""The failures that are ours: FaxMAX never had the fax, and ``detail`` is not FaxMAX's."""

OPTION_REASONS = frozenset(
    {
        "bad_send_at", "send_at_too_far", "bad_resolution", "bad_paper", "bad_cover", "bad_cli", "cli_not_allowed",
        "option_twice", "unknown_option", "list_missing",
    }
)  # fmt: skip
"""Reasons of :class:`fax_bridge.email_to_fax.options.OptionFault`."""

OF_PAGES = frozenset({"page_limit", "page_quota"})
"""Reasons with an advice of their own: more pages than a sender's fax may have, or than may be faxed in a time."""

SENT_BEFORE = "sent_before"
"""The reason of a fax to a list whose numbers get it by another copy of the mail: to send it again would be wrong."""

SAID_BY_US = frozenset({FaxState.CANCELLED, FaxState.UNCERTAIN})
"""Ends whose ``detail`` is ours too: nothing that FaxMAX said was readable."""


@dataclass(frozen=True, slots=True)
class FaxView:
    """All text, ready to be shown; what does not apply is empty."""

    key: str
    """Which table of ``[outcome]`` tells it: faxes of one key share their advice."""
    state: str
    tone: str
    title: str
    headline: str
    cause: str
    next: str
    number: str
    recipients: str
    pages: str
    attempts: str
    station: str
    said_by_faxmax: str
    detail: str
    handed: str
    confirmed: str
    fax_id: str
    provider_id: str


@dataclass(frozen=True, slots=True)
class PartView:
    part: str
    name: str
    size: str
    fate: str


def outcome_key(state: FaxState, result: ResultClass | None) -> str:
    """Which table of ``[outcome]`` tells this end. Raises :class:`ValueError` for a state that is no end."""
    if state not in FAX_ENDS:
        raise ValueError(f"a report tells how faxes ended, and this one is still {state}")
    if state is not FaxState.FAILED:
        return state.value
    return f"failed.{ResultClass.UNKNOWN if result in (None, ResultClass.DELIVERED) else result}"


def told_key(fax: ReportFax) -> str:
    """The same, told apart by what kept the document from being made: what there is to do about it differs."""
    if is_an_option(fax):
        return "failed.option"
    reason = fax.detail.partition(": ")[0]
    if fax.state is FaxState.CANCELLED and reason == SENT_BEFORE:
        return SENT_BEFORE
    if fax.result is ResultClass.DOCUMENT and fax.state is FaxState.FAILED and reason in OF_PAGES:
        return f"failed.{reason}"
    return outcome_key(fax.state, fax.result)


def fax_view(fax: ReportFax, words: Words, shown: Shown) -> FaxView:
    language = shown.language
    key = told_key(fax)
    number = told_of(fax.number, fax.target, words, language)
    told = {
        "number": number,
        "address": line(fax.recipients[0], 320) if fax.recipients else fax.number,
        "until": shown.when(fax.promised_until),
    }
    title, headline, cause, next_step = (
        words.phrase(language, f"outcome.{key}.{kind}", **told) for kind in ("title", "headline", "cause", "next")
    )
    detail = reason(fax.detail, words, language)
    ours = fax.state in SAID_BY_US or fax.result in NEVER_HANDED_OVER
    return FaxView(
        key=key,
        state=fax.state,
        tone=TONES[fax.state],
        title=title,
        headline=headline,
        cause=cause,
        next=next_step,
        number=number,
        recipients=", ".join(line(recipient, 320) for recipient in fax.recipients),
        pages=_pages(fax, words, shown),
        attempts=shown.count(fax.attempts) if fax.attempts > 0 else "",
        station=station(fax.remote_station),
        said_by_faxmax="" if ours else detail,
        detail=detail if ours else "",
        handed=_handed(fax, words, shown),
        confirmed=_confirmed(fax, words, shown),
        fax_id=line(fax.fax_id),
        provider_id=line(fax.provider_id),
    )


def told_of(number: str, target: str, words: Words, language: Language) -> str:
    """The number as people write it; where FaxMAX has not named one, what the fax goes to."""
    kind, _, kept_id = target.partition("-")
    of_target = words.phrase(language, f"target.{kind}", id=line(kept_id, 80)) if kind else ""
    return numbers.shown(number) if number else of_target


def is_an_option(fax: ReportFax) -> bool:
    """It was not a part of the mail that could not be faxed, but what its sender asked for beside it."""
    return fax.result is ResultClass.DOCUMENT and fax.detail.partition(": ")[0] in OPTION_REASONS


def summary(faxes: Sequence[FaxView], words: Words, shown: Shown) -> str:
    """The report's first line: the fax's own, or how many ended in which way."""
    if len(faxes) == 1:
        return faxes[0].headline
    states = [fax.state for fax in faxes]
    counted = [
        words.phrase(shown.language, f"count.{state}", n=shown.count(states.count(state)))
        for state in dict.fromkeys(TONES)
        if state in states
    ]
    return words.phrase(shown.language, "count.all", total=shown.count(len(faxes)), list=", ".join(counted))


def part_view(fate: Fate, words: Words, shown: Shown, *, made: bool) -> PartView:
    """``made``: whether there is a document at all. Without one, a part that was meant for it went nowhere."""
    kind = fate.kind.value
    if not made and fate.kind not in (FateKind.LEFT_OUT, FateKind.SKIPPED, FateKind.REFUSED):
        kind = "no_document"
    elif fate.kind is FateKind.FAXED and not fate.first_page:
        kind = "faxed_unpaged"
    said = words.phrase(
        shown.language,
        f"fate.{kind}",
        first=fate.first_page,
        last=max(fate.first_page, fate.last_page),
        reason=_why(fate, words, shown.language),
    )
    return PartView(
        part=line(fate.part, 40),
        name=line(fate.name, 80) or line(fate.content_type, 80),
        size=shown.size(fate.size),
        fate=said,
    )


_OF_NO_CONSEQUENCE = frozenset(
    {"alternative_not_used", "multipart_container", "tracking_pixel", "resource_fork", "office_side_data"}
)
"""Left out, and nobody would miss it."""


def parts_left_out(fates: Sequence[Fate]) -> tuple[list[Fate], list[Fate]]:
    """What a person may miss in the fax, which is told first; and everything else."""
    missed = [
        fate
        for fate in fates
        if fate.kind in {FateKind.REFUSED, FateKind.SKIPPED}
        or (fate.kind is FateKind.LEFT_OUT and fate.reason not in _OF_NO_CONSEQUENCE)
    ]
    return missed, [fate for fate in fates if fate not in missed]


_NAMED = frozenset({"letters_missing"})
"""Reasons that help nobody without what stands in their detail."""


def _why(fate: Fate, words: Words, language: Language) -> str:
    """The reason, and what of its pages cannot be read."""
    detailed = fate.reason in _NAMED and fate.detail
    why = reason(f"{fate.reason}: {fate.detail}" if detailed else fate.reason, words, language)
    boxes = reason(f"symbols_missing: {fate.boxes}", words, language) if fate.boxes else ""
    return "; ".join(filter(None, (why, boxes)))


def reason(text: str, words: Words, language: Language) -> str:
    """A reason word, perhaps with a detail behind a colon, in the reader's words; any other text as it is."""
    word, colon, detail = line(text, 500).partition(": ")
    if not words.has_phrase(language, f"reason.{word}"):
        return line(text, 500)
    said = words.phrase(language, f"reason.{word}")
    return f"{said} ({detail})" if colon else said


def _pages(fax: ReportFax, words: Words, shown: Shown) -> str:
    if not _was_handed_over(fax):
        return ""
    if fax.pages_sent is None:
        return words.phrase(shown.language, "pages.not_told")
    if fax.pages_total is None:
        return words.phrase(shown.language, "pages.some", sent=shown.count(fax.pages_sent))
    return words.phrase(
        shown.language, "pages.of", sent=shown.count(fax.pages_sent), total=shown.count(fax.pages_total)
    )


def _handed(fax: ReportFax, words: Words, shown: Shown) -> str:
    if fax.submitted_at is not None:
        return shown.when(fax.submitted_at)
    if fax.state is FaxState.UNCERTAIN or (fax.state is FaxState.FAILED and fax.result is None):
        return words.phrase(shown.language, "statement.not_known")
    return words.phrase(shown.language, "statement.yes" if _was_handed_over(fax) else "statement.no")


def _was_handed_over(fax: ReportFax) -> bool:
    """FaxMAX has it where it says so, or where it told us how the call went."""
    if fax.submitted_at is not None or fax.provider_id or fax.state in (FaxState.DELIVERED, FaxState.UNCONFIRMED):
        return True
    return fax.state is FaxState.FAILED and fax.result not in {*NEVER_HANDED_OVER, ResultClass.REFUSED, None}


def _confirmed(fax: ReportFax, words: Words, shown: Shown) -> str:
    match fax.state, fax.result:
        case FaxState.DELIVERED, _:
            return shown.when(fax.ended_at) or words.phrase(shown.language, "statement.yes")
        case FaxState.FAILED, ResultClass.PARTIAL:
            return words.phrase(shown.language, "statement.partly")
        case FaxState.UNCONFIRMED | FaxState.UNCERTAIN, _:
            return words.phrase(shown.language, "statement.not_told")
        case _:
            return words.phrase(shown.language, "statement.no")
