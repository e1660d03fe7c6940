"""What is said once of several faxes together: why those that ended alike did not arrive, where the open ones are."""

from collections.abc import Sequence
from dataclasses import dataclass

from fax_bridge.fax import FaxState
from fax_bridge.mail.headers import line
from fax_bridge.mail.letters import OpenFax, ReportFax
from fax_bridge.mail.outcome import told_key, told_of
from fax_bridge.mail.shown import Shown
from fax_bridge.mail.words import Words


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said once of all faxes that ended alike."""

    title: str
    cause: str
    next: str
    numbers: str


@dataclass(frozen=True, slots=True)
class OpenView:
    """A fax that has not ended, ready to be shown."""

    number: str
    recipients: str
    where: str
    said_by_faxmax: str
    known_by: str
    fax_id: str


def advice(faxes: Sequence[ReportFax], words: Words, shown: Shown) -> list[Advice]:
    """For each way in which faxes of a mail did not arrive, why, and what to do about them together."""
    alike: dict[str, list[ReportFax]] = {}
    for fax in faxes:
        if fax.state is not FaxState.DELIVERED:
            alike.setdefault(told_key(fax), []).append(fax)
    found = []
    for key, these in alike.items():
        numbered = [told_of(fax.number, fax.target, words, shown.language) for fax in these]
        told = {
            "number": _some(numbered),
            "address": _some([line(fax.recipients[0], 320) if fax.recipients else fax.number for fax in these]),
            "until": shown.when(max((fax.promised_until for fax in these if fax.promised_until), default=None)),
        }
        title, cause, step = (
            words.phrase(shown.language, f"outcome.{key}.{kind}", **told) for kind in ("title", "cause", "next")
        )
        found.append(Advice(title, cause, step, _some(numbered)))
    return found


_MOST_NAMED = 5
"""Numbers or addresses in a sentence; a list has them all."""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")


def open_view(fax: OpenFax, words: Words, shown: Shown) -> OpenView:
    return OpenView(
        number=told_of(fax.number, fax.target, words, shown.language),
        recipients=", ".join(line(recipient, 320) for recipient in fax.recipients),
        where=words.phrase(shown.language, f"open.{fax.state}"),
        said_by_faxmax=line(fax.detail, 300) if fax.state is FaxState.SUBMITTED else "",
        known_by=shown.when(fax.known_by),
        fax_id=line(fax.fax_id),
    )
