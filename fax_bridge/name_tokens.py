"""Subjects and file names as a site wants them: a text with tokens, ``Fax {calling} {date}``.

Nothing but these tokens is looked at, and what is put in for them is never looked at again: a caller's name that
holds a token stays a name. File names cannot leave their directory, whatever is put in.
"""

import re
import unicodedata
from collections.abc import Mapping

TOKENS = frozenset({"called", "calling", "csid", "pages", "date", "time", "id", "account"})
"""``date`` is ``2026-11-25``, ``time`` ``1405``, both in the route's time zone; ``id`` is the fax's own."""

_TOKEN = re.compile(r"\{([^{}]*)\}")
_STEM_BYTES = 120
"""Room is left for an id, an ending and a temporary name below the 255 bytes of a file system."""
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""What Windows takes for a device, with any ending."""


def check_tokens(template: str) -> str:
    """The template itself. Raises :class:`ValueError` with what is wrong and the tokens that there are."""
    known = ", ".join(f"{{{name}}}" for name in sorted(TOKENS))
    for name in _TOKEN.findall(template):
        if name not in TOKENS:
            raise ValueError(f'there is no token "{{{name}}}". There are: {known}.')
    if re.search(r"[{}]", _TOKEN.sub("", template)):
        raise ValueError(f"a brace stands alone. Write tokens as {known}.")
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} for c in template):
        raise ValueError("control characters cannot stand here. Take them out.")
    return template


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with every token's value, each put in once. Raises ``KeyError`` for one without a value."""
    return _TOKEN.sub(lambda found: values[found[1]], template)


def file_stem(text: str, otherwise: str) -> str:
    """A name without ending that is one plain file on every system; ``otherwise`` where nothing is left of it."""
    kept = "".join(c if c.isalnum() or c in " ._-+()" else "-" for c in unicodedata.normalize("NFC", text))
    kept = re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", " ".join(kept.split()))).strip(" .-")
    kept = kept.encode()[:_STEM_BYTES].decode(errors="ignore").strip(" .-")
    if not kept:
        return otherwise
    return f"fax-{kept}" if _RESERVED.fullmatch(kept) else kept
