"""A file attached to a mail that names the numbers it goes to: ``distribution-list.csv`` or ``.txt``.

A number on each line; in a CSV file in the column that its heading names, else in the first. All of them are right, or
none is sent to: a list that was half understood would be a fax that somebody misses.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fax_bridge.documents.worker import PartKind
from fax_bridge.email_to_fax.mail_part import TOP, MailPart, Plan, ReadMail
from fax_bridge.fax import Fate, FateKind

_NAME = re.compile(r"distribution-list\.(?:csv|txt)", re.IGNORECASE)
_HEADINGS = {"fax", "faks", "number", "numara", "fax number", "faks numarası", "faks no", "fax no", "phone", "telefon"}
_MOST_BYTES = 1_000_000
_MOST_FAULTS = 5
"""Lines that are told; who has more of them wrong begins with these."""


class ListFault(ValueError):
    """The list cannot be used: ``reason`` is a word of the tables in ``templates/email``, the text tells the lines."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    """From 1, as an editor counts."""
    text: str


def is_list(part: MailPart) -> bool:
    """Whether it is one by its name. What is in a forwarded mail is that mail's."""
    is_text = part.plan == Plan.SOURCE and part.kind in {PartKind.TEXT, PartKind.CSV}
    return is_text and part.message == TOP and bool(_NAME.fullmatch(part.name.strip()))


def divided(mail: ReadMail) -> tuple[ReadMail, list[MailPart]]:
    """The mail with its lists planned as such, and the lists."""
    found = [part for part in mail.parts if is_list(part)]
    parts = tuple(replace(part, plan=Plan.LIST, kind=None) if is_list(part) else part for part in mail.parts)
    return replace(mail, parts=parts), found


def with_lists_refused(fates: Sequence[Fate], why: ListFault) -> tuple[Fate, ...]:
    return tuple(
        replace(fate, kind=FateKind.REFUSED, reason=why.reason, detail=str(why)) if fate.kind == FateKind.LIST else fate
        for fate in fates
    )


def read_lists(parts: Sequence[MailPart], number_of: Callable[[str], str], most: int) -> list[str]:
    """The numbers, each once, in their order.

    ``number_of`` gives a number's digits or raises ``ValueError`` with what is wrong, also for one that may not be sent
    to. Raises :class:`ListFault`.
    """
    numbers: dict[str, None] = {}
    faults: list[str] = []
    for part in parts:
        if len(part.data) > _MOST_BYTES:
            raise ListFault("list_too_long", f"{len(part.data)} bytes")
        for line in lines_of(part.data):
            if len(numbers) > most or len(faults) > most:
                break
            try:
                numbers[number_of(line.text)] = None
            except ValueError as fault:
                faults.append(f"{part.name} {line.number}: {fault}")
    if faults:
        more = f"; + {len(faults) - _MOST_FAULTS}" if len(faults) > _MOST_FAULTS else ""
        raise ListFault("list_wrong", "; ".join(faults[:_MOST_FAULTS]) + more)
    if len(numbers) > most:
        raise ListFault("list_too_long", str(most))
    if not numbers:
        raise ListFault("list_empty", "")
    return list(numbers)


def lines_of(data: bytes) -> list[Line]:
    """What should be a number in each line that is neither empty, a comment (``#``) nor the heading."""
    text = data.decode("utf-8-sig", "replace").replace("\0", "")
    delimiter = next((sign for sign in (";", "\t", ",") if sign in text), ",")
    # One record is one line: a quote that is never closed must not swallow the lines below it.
    rows = [(n, _cells(line, delimiter)) for n, line in enumerate(io.StringIO(text, newline=None), 1)]
    rows = [(n, cells) for n, cells in rows if any(cells) and not cells[0].startswith("#")]
    column = 0
    if rows and not any(re.search(r"\d{3}", cell) for cell in rows[0][1]):
        headings = [cell.casefold() for cell in rows[0][1]]
        column = next((n for n, heading in enumerate(headings) if heading in _HEADINGS), 0)
        is_heading = len(headings) > 1 or headings[0] in _HEADINGS
        rows = rows[1:] if is_heading else rows
    return [Line(n, cells[column] if column < len(cells) else "") for n, cells in rows]


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        (cells,) = csv.reader([line.rstrip("\n")], delimiter=delimiter)
    except (csv.Error, ValueError):
        cells = [line]
    return [cell.strip() for cell in cells]
