"""What can be wrong with a received fax, as values: the sentence is made where its reader's language is known."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    LINES = "lines"
    """Some of a page's lines cannot be read and are left white."""
    LONGER = "longer"
    """A page has more lines than the file says; all are shown."""
    DOUBT = "doubt"
    """A page is shown, but something speaks against it."""
    NOT_SHOWN = "not_shown"
    """A page cannot be shown; one that says so stands in its place."""
    LIST_CUT = "list_cut"
    """The list of pages breaks off."""
    LIST_RING = "list_ring"
    """The list of pages leads back to its beginning."""


_ENGLISH = {
    FaultKind.LINES: "Page {page}: {lost} of {total} lines unreadable.",
    FaultKind.LONGER: "Page {page} has {lost} lines more than the {total} the file promises; all are shown.",
    FaultKind.DOUBT: "Page {page} may be incomplete: {detail}.",
    FaultKind.NOT_SHOWN: "Page {page} cannot be shown: {detail}. A page that says so stands in its place.",
    FaultKind.LIST_CUT: "The file is cut short or broken: its list of pages breaks off after {total}.",
    FaultKind.LIST_RING: "The list of pages runs in a circle; it was ended after {total}.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """``str`` gives the sentence in English, for programs and logs."""

    kind: FaultKind
    page: int = 0
    """From 1; 0 for the whole file."""
    lost: int = 0
    """Lines; for :attr:`FaultKind.LONGER` those that are too many."""
    total: int = 0
    """Lines of the page, or pages of the list."""
    detail: str = ""
    """A clause in English, of the decoder's own words."""

    def __str__(self) -> str:
        return _ENGLISH[self.kind].format(page=self.page, lost=self.lost, total=self.total, detail=self.detail)


class PageFault(Exception):
    """This page cannot be shown; the text says why, as a clause in English."""
