"""The last four digits of a called number choose what the sandbox does with the fax.

So each thing that can go wrong at FaxMAX, or on the way to it, can be had on demand by sending a mail, with
nothing set up beforehand. The table is data: the command line prints it, and the server's own page shows it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberFate:
    digits: str
    """The last four digits that call for it; empty for the fate of all other numbers."""
    name: str
    tells: str
    """What happens, in half a sentence."""


DELIVERED = NumberFate("", "delivered", "the fax is delivered")
BUSY = NumberFate("0001", "busy", "FAILED with BUSY, after a second try")
NO_ANSWER = NumberFate("0002", "no answer", "FAILED with NO_ANSWER, after a second try")
PARTIAL = NumberFate("0003", "partial", "FAILED with PARTIAL, all pages but the last went through")
NOT_A_FAX = NumberFate("0004", "not a fax", "FAILED with NOT_A_FAX")
REJECTED = NumberFate("0005", "rejected", "the answer lists this number under rejected")
REFUSED = NumberFate("0006", "refused", "the answer is the JSON-RPC error -32602")
ERROR_BEFORE = NumberFate("0007", "error before", "HTTP 500; nothing is kept, nothing is sent")
ERROR_AFTER = NumberFate("0008", "error after", "HTTP 500 after the fax was read; neither sent nor pushed")
STALL = NumberFate("0009", "stall", "no answer until the client gives up; then delivered")
TWICE = NumberFate("0010", "twice", "delivered; every push is sent twice")
EARLY = NumberFate("0011", "early", "delivered; all pushes are sent before the answer is given")
DISORDER = NumberFate("0012", "disorder", "delivered; the final push comes first, the others after it")
SILENCE = NumberFate("0013", "silence", "delivered; nothing is ever pushed")
UNAUTHORIZED = NumberFate("0014", "unauthorized", "HTTP 401 with a JSON-RPC error, as for a wrong token")
UNAVAILABLE = NumberFate("0015", "unavailable", "HTTP 503 with Retry-After: 1, twice; then delivered")

FATES: tuple[NumberFate, ...] = (
    DELIVERED, BUSY, NO_ANSWER, PARTIAL, NOT_A_FAX, REJECTED, REFUSED, ERROR_BEFORE, ERROR_AFTER, STALL,
    TWICE, EARLY, DISORDER, SILENCE, UNAUTHORIZED, UNAVAILABLE,
)  # fmt: skip

_BY_DIGITS = {fate.digits: fate for fate in FATES}


def fate_of(number: str) -> NumberFate:
    return _BY_DIGITS.get(number[-4:], DELIVERED)


def fate_table() -> str:
    """The table for people: one line a fate, no line longer than 90 columns."""
    rows = [("last digits", "name", "what becomes of the fax")]
    rows += [(fate.digits or "any other", fate.name, fate.tells) for fate in FATES]
    return "\n".join(f"{digits:<13}{name:<14}{tells}" for digits, name, tells in rows)
