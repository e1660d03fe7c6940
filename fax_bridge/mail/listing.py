"""All faxes of a mail as a table for a spreadsheet: attached to the report of a mail to many.

What came from outside is a text there and never a formula: a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab
or a line end gets an apostrophe in front, as OWASP advises against CSV injection.
"""

import csv
import io
from collections.abc import Sequence

from fax_bridge.fax import Language
from fax_bridge.mail.outcome import FaxView
from fax_bridge.mail.words import Words

COLUMNS = (
    "number", "recipients", "title", "pages", "attempts", "handed", "confirmed", "station", "said_by_faxmax", "detail",
    "fax_id", "provider_id",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
SEPARATORS = {Language.TR: ";", Language.EN: ","}
"""What a spreadsheet of that language takes for the next cell."""


def listing(faxes: Sequence[FaxView], words: Words, language: Language) -> bytes:
    """CSV (RFC 4180) in UTF-8 with the mark that spreadsheets know it by, a line of titles first."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=SEPARATORS[language], lineterminator="\r\n")
    writer.writerow([words.phrase(language, f"listing.{column}") for column in COLUMNS])
    for fax in faxes:
        writer.writerow([_harmless(getattr(fax, column)) for column in COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _harmless(cell: str) -> str:
    """A number's plus is left out, which keeps it readable; anything else that calculates is quoted."""
    cell = cell.removeprefix("+") if cell[1:2].isdigit() else cell
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) or cell.startswith(_FORMULA) else cell
