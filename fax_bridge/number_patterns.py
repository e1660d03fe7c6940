"""Which numbers an entry of the settings means: one, a beginning, a range, or those that gave none.

``902162222525``, ``90216*``, ``902162222500-902162222599``, ``*`` for any number, ``none`` where there is none.
"""

import re
from dataclasses import dataclass

from fax_bridge.numbers import BadNumber, read_number

_PREFIX = re.compile(r"\+?([0-9]{0,15})\*")
_RANGE = re.compile(r"\+?([0-9]{3,15})\s*-\s*\+?([0-9]{3,15})")
MEND = 'Write it with its country code: "902162222525", "90216*" or "902162222500-902162222599".'


class BadPattern(ValueError):
    """The text says what is wrong; :data:`MEND` how to write it."""


@dataclass(frozen=True, slots=True)
class NumberPattern:
    """``first`` and ``last`` are E.164 digits of one length; of a beginning only ``first`` is set."""

    spelled: str
    first: str = ""
    last: str = ""
    nobody: bool = False

    def fits(self, digits: str) -> bool:
        """``digits`` are E.164, empty where there is no number, which only ``none`` means."""
        if not digits or self.nobody:
            return self.nobody and not digits
        if not self.last:
            return digits.startswith(self.first)
        return len(digits) == len(self.first) and self.first <= digits <= self.last


def read_pattern(text: str, region: str) -> NumberPattern:
    """Raises :class:`BadPattern`."""
    if text.strip().lower() == "none":
        return NumberPattern(text, nobody=True)
    if found := _PREFIX.fullmatch(text.strip()):
        return NumberPattern(text, found[1])
    if found := _RANGE.fullmatch(text.strip()):
        first, last = found[1], found[2]
        if len(first) != len(last) or first > last:
            raise BadPattern(f'"{text}" is no range: both ends need as many digits, the smaller first')
        return NumberPattern(text, first, last)
    try:
        digits = read_number(text, region)
    except BadNumber as fault:
        raise BadPattern(str(fault)) from None
    return NumberPattern(text, digits, digits)
