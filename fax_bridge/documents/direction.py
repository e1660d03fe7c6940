"""Which way a line of text runs, for an engine that does not find it out: by its first letter with a direction.

Without it an Arabic or Hebrew line stands at the left, with its full stop at the wrong end and its brackets turned.
"""

import html
import re
import unicodedata

_AUTO = re.compile(r"""(<(?!bdi\b)[a-z]\w*\b[^<>]*?\s)dir=["']?auto["']?(?=[\s>/])([^<>]*>)""", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]*>")
_LOOKED_AT = 4000
"""Characters of HTML behind a tag; longer paragraphs have shown their direction by then."""


def runs_to_the_left(text: str, otherwise: bool = False) -> bool:
    """The direction of a paragraph by UAX #9, rules P2 and P3 (the isolates of P2 apart); ``otherwise`` where no
    letter tells.
    """
    strong = next((found for found in map(unicodedata.bidirectional, text) if found in {"L", "R", "AL"}), "")
    return strong != "L" if strong else otherwise


def with_directions(fragment: str) -> str:
    """``dir="auto"`` (HTML §3.2.6.4), as phones and Gmail write it, becomes what it means where it stands."""

    def settled(found: re.Match[str]) -> str:
        behind = _MARKUP.sub("", fragment[found.end() : found.end() + _LOOKED_AT])
        return f'{found[1]}dir="{"rtl" if runs_to_the_left(html.unescape(behind)) else "ltr"}"{found[2]}'

    return _AUTO.sub(settled, fragment)
