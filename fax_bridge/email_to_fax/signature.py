"""The signature of a plain text: what stands below a line of two hyphens and a blank (RFC 3676 §4.3)."""

from fax_bridge.email_to_fax.own_mail import begins_quotation

_MARKS = {"-- ", "--\u00a0"}
_BARE = "--"
"""The blank is lost in many mails; then it may part two paragraphs as well."""
_MOST_LINES = 10
"""Below a bare mark; a longer text is none of a signature."""


def without_signature(text: str) -> tuple[str, bool]:
    """The text without it, and whether there was one; the quotation that a reply holds below it stays."""
    lines = text.split("\n")
    quotation = next((number for number in range(len(lines)) if begins_quotation(lines, number)), len(lines))
    for number in reversed(range(quotation)):
        mark = lines[number].rstrip("\r")
        if mark in _MARKS or (mark == _BARE and quotation - number <= _MOST_LINES):
            return "\n".join([*lines[:number], *lines[quotation:]]), True
    return text, False
