"""Numbers, read with ``phonenumbers`` and kept as E.164 digits without the plus: ``902162222525``.

That is how FaxMAX writes them (API page, ``phones``) and what stands in front of the ``@``. What a person
writes is read both as a national number of the site's region and as an international one without its
plus; the reading that is a *valid* number wins over one that is merely *possible*, and two valid ones are a guess that
nobody makes for a person: ``3222345678`` is a number in Adana and one in Brussels.
"""

import re
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

_DECORATION = re.compile(r"[\s.\-()/\u00a0]")
_SHAPE = re.compile(r"(\+|00)?[0-9]{3,18}")


class BadNumber(ValueError):
    """What was written is no possible number; the text says why, fit for an SMTP reply (ASCII)."""


@lru_cache(maxsize=4096)  # the same numbers come again and again, and a reading costs as much as the rest of a RCPT
def read_number(text: str, region: str) -> str:
    """The E.164 digits of a number as people write it: ``0216…``, ``+90216…``, ``90216…``, ``0090216…``,
    with dots, dashes, blanks, slashes and brackets anywhere.

    Raises :class:`BadNumber`, also for what can be read as two numbers. A number needs to be possible, not assigned:
    numbering plans change faster than their tables.
    """
    found = _read(text, region)
    if len(found) > 1:
        first, second = (f"{shown(digits)} ({country_of(digits)})" for digits in found[:2])
        raise BadNumber(f'"{_printable(text)}" can be {first} or {second}; write it with its country code and a +')
    return found[0]


def _read(text: str, region: str) -> tuple[str, ...]:
    """The numbers that it can mean, the likeliest first. Raises :class:`BadNumber` where it can mean none."""
    bare = _DECORATION.sub("", text)
    if not bare:
        raise BadNumber("no number before the @")
    if not _SHAPE.fullmatch(bare):
        raise BadNumber(f'"{_printable(text)}" is not a telephone number')
    if word := _short(bare, region):
        raise BadNumber(f'"{_printable(text)}" is {word}')
    readings = _readings(bare, region)
    for accept in (phonenumbers.is_valid_number, phonenumbers.is_possible_number):
        accepted = (reading for reading in readings if accept(reading))
        written = (phonenumbers.format_number(reading, PhoneNumberFormat.E164)[1:] for reading in accepted)
        if found := tuple(dict.fromkeys(digits for digits in written if _is_itself(digits))):
            return found
    raise BadNumber(f'"{_printable(text)}" is not a possible number{_why(readings)}')


def digits_or_none(text: str | None, region: str) -> str | None:
    """The same for a number that a machine wrote and that may be absent, withheld or a word; of two readings the
    likelier, for nobody could be asked."""
    try:
        return _read(text or "", region)[0]
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


def country_of(digits: str) -> str:
    """The two letters of ISO 3166-1; ``001`` for what belongs to no country; empty where it is not known."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse("+" + digits, None)) or ""
    except NumberParseException:
        return ""


class Kind(StrEnum):
    """What a number costs whoever calls it, or harms."""

    ORDINARY = "ordinary"
    """Also 444 xxxx and 0850 in Turkey: usual business numbers."""
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SATELLITE = "satellite"
    PERSONAL = "personal"
    """Numbers that follow a person, often at the price of a premium one, and pagers."""
    SHORT = "short"
    """Emergency numbers and service codes, with a country code before them."""


_BY_TYPE = {
    PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
    PhoneNumberType.PAGER: Kind.PERSONAL,
}
_BY_CODE = {
    870: Kind.SATELLITE,  # Inmarsat
    881: Kind.SATELLITE,  # Globalstar, Iridium
    882: Kind.SATELLITE,  # "international networks": Thuraya, ships, aircraft
    883: Kind.SATELLITE,
    808: Kind.SHARED_COST,
    878: Kind.PERSONAL,
    979: Kind.PREMIUM,
}
"""Country codes that are no country's (ITU-T E.164, list of assigned codes)."""

_LONGEST_SHORT = 6


@lru_cache(maxsize=4096)
def kind_of(digits: str) -> Kind:
    """What calling this E.164 number means. A range that is known to cost is recognised by its beginning too: a number
    in it that is not assigned *today* is no ordinary one."""
    try:
        number = phonenumbers.parse("+" + digits, None)
    except NumberParseException:
        return Kind.ORDINARY
    if number.country_code in _BY_CODE:
        return _BY_CODE[number.country_code]
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    national = phonenumbers.national_significant_number(number)
    if _short(national, region):
        return Kind.SHORT
    kind = phonenumbers.number_type(number)
    if kind != PhoneNumberType.UNKNOWN:
        return _BY_TYPE.get(kind, Kind.ORDINARY)
    return next((word for word, desc in _costly(region) if _begins_as(national, desc)), Kind.ORDINARY)


def _costly(region: str) -> list[tuple[Kind, phonenumbers.PhoneNumberDesc]]:
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if plan is None:
        return []
    found = ((Kind.PREMIUM, plan.premium_rate), (Kind.SHARED_COST, plan.shared_cost))
    return [(kind, desc) for kind, desc in found if desc and desc.national_number_pattern]


def _begins_as(national: str, desc: phonenumbers.PhoneNumberDesc) -> bool:
    """Whether it would be such a number if only it were longer or shorter."""
    lengths = [length for length in desc.possible_length if length > 0]
    candidates = (national[:length].ljust(length, filler) for length in lengths for filler in "0159")
    return any(re.fullmatch(desc.national_number_pattern or "", candidate) for candidate in candidates)


def _short(bare: str, region: str) -> str:
    """What a short number is in this region, in words for a reply; empty for all others."""
    if len(bare) > _LONGEST_SHORT or not bare.isascii() or not bare.isdigit():
        return ""
    if phonenumbers.is_emergency_number(bare.lstrip("0") or bare, region):
        return "an emergency number"
    number = phonenumbers.PhoneNumber(national_number=int(bare), country_code=_code_of(region))
    return "a short code" if phonenumbers.is_valid_short_number_for_region(number, region) else ""


def _code_of(region: str) -> int:
    return int(phonenumbers.country_code_for_region(region))


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
