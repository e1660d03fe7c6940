"""Numbers, read with ``phonenumbers`` and kept as E.164 digits without the plus: ``902162222525``.

That is how FaxMAX writes them (API page, ``phones``) and what stands in front of the ``@``. What a person
writes is read both as a national number of the site's region and as an international one without its
plus; the reading that is a *valid* number wins over one that is merely *possible*.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_DECORATION = re.compile(r"[\s.\-()/\u00a0]")
_SHAPE = re.compile(r"(\+|00)?[0-9]{3,18}")


class BadNumber(ValueError):
    """What was written is no possible number; the text says why, fit for an SMTP reply (ASCII)."""


@lru_cache(maxsize=4096)  # the same numbers come again and again, and a reading costs as much as the rest of a RCPT
def read_number(text: str, region: str) -> str:
    """The E.164 digits of a number as people write it: ``0216…``, ``+90216…``, ``90216…``, ``0090216…``,
    with dots, dashes, blanks, slashes and brackets anywhere.

    Raises :class:`BadNumber`. A number needs to be possible, not assigned: numbering plans change faster
    than their tables.
    """
    bare = _DECORATION.sub("", text)
    if not bare:
        raise BadNumber("no number before the @")
    if not _SHAPE.fullmatch(bare):
        raise BadNumber(f'"{_printable(text)}" is not a telephone number')
    readings = _readings(bare, region)
    for accept in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        for reading in readings:
            digits = phonenumbers.format_number(reading, PhoneNumberFormat.E164)[1:]
            if accept(reading) and _is_itself(digits):
                return digits
    raise BadNumber(f'"{_printable(text)}" is not a possible number{_why(readings)}')


def digits_or_none(text: str | None, region: str) -> str | None:
    """The same for a number that a machine wrote and that may be absent, withheld or a word."""
    try:
        return read_number(text or "", region)
    except BadNumber:
        return None


def shown(digits: str) -> str:
    """``+90 216 222 25 25`` for ``902162222525``; what cannot be formatted is shown as it is."""
    try:
        number = phonenumbers.parse("+" + digits, None)
    except NumberParseException:
        return digits
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def is_region(region: str) -> bool:
    return region in phonenumbers.SUPPORTED_REGIONS


def _readings(bare: str, region: str) -> list[phonenumbers.PhoneNumber]:
    """Every way in which the digits can be read, the likeliest first."""
    if bare.startswith("+"):
        candidates: list[tuple[str, str | None]] = [(bare, None)]
    elif bare.startswith("00"):
        candidates = [("+" + bare[2:], None)]
    elif bare.startswith("0"):
        candidates = [(bare, region)]
    else:
        candidates = [(bare, region), ("+" + bare, None)]
    readings = []
    for text, where in candidates:
        try:
            readings.append(phonenumbers.parse(text, where))
        except NumberParseException:
            continue
    return readings


def _is_itself(digits: str) -> bool:
    """Whether the number, written out and read again, is the same: a zero too many behind a country code can be read as
    a prefix twice, and then one way of writing would mean two numbers."""
    try:
        again = phonenumbers.parse("+" + digits, None)
    except NumberParseException:
        return False
    return phonenumbers.format_number(again, PhoneNumberFormat.E164)[1:] == digits


_WHY = {
    phonenumbers.ValidationResult.TOO_SHORT: ": too short",
    phonenumbers.ValidationResult.TOO_LONG: ": too long",
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: ": no such country code",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: ": the area code is missing",
}


def _why(readings: list[phonenumbers.PhoneNumber]) -> str:
    if not readings:
        return ": no such country code"
    return _WHY.get(phonenumbers.is_possible_number_with_reason(readings[0]), "")


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" and c != '"' else "?" for c in text[:40])
