"""What stands behind MAIL FROM and RCPT TO: a path and its parameters, case kept (RFC 5321 §4.1.2, §4.1.1.11).

Stricter than a mail's header and a little laxer than the standard: a space after the colon and missing angle brackets
are let pass, because scanners send them.
"""

import re
from dataclasses import dataclass

from fax_bridge.email_to_fax.dsn_options import BadOption, read_mail_dsn, read_rcpt_dsn
from fax_bridge.fax import MailDsn, RcptDsn

_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"'
_WORD = r'[^\s"<>()\[\]\\,;@\x00-\x1f\x7f]+'  # a colon, which the standard quotes, is let pass: +at=08:00
_DOMAIN = r"(?:\[[^\s\[\]\\<>@\x00-\x1f\x7f]+\]|[^\s\"<>()\[\]\\,:;@\x00-\x1f\x7f]+)"
_MAILBOX = rf"(?:{_QUOTED}|{_WORD})(?:@{_DOMAIN})?"
_ROUTE = r"(?:@[^\s<>:\x00-\x1f\x7f]*:)?"  # source routes are read over (RFC 5321 appendix C)
_PATH = re.compile(rf" *(?:<{_ROUTE}(?P<angled>{_MAILBOX})?>|(?P<bare>{_MAILBOX}))(?: +(?P<parameters>.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\s=\x00-\x1f\x7f]+))?")  # RFC 5321 §4.1.2, esmtp-param

MAX_ADDRESS = 320
"""64 octets of local part, the @, 255 of domain (RFC 5321 §4.5.3.1)."""


class BadPath(ValueError):
    """No address can be read."""


class BadParameters(ValueError):
    """Not a list of ``KEYWORD`` or ``KEYWORD=VALUE``, or one twice."""


class UnknownOption(ValueError):
    """A parameter that is not on offer."""


@dataclass(frozen=True, slots=True)
class PathArgument:
    address: str
    """Without its angle brackets; empty for ``<>``."""
    parameters: dict[str, str]
    """By keyword in capitals; the value as it was given, empty where there is none."""


def read_path(argument: str) -> PathArgument:
    """Raises :class:`BadPath` or :class:`BadParameters`."""
    found = _PATH.fullmatch(argument)
    address = (found["angled"] or found["bare"] or "") if found else ""
    if not found or len(address) > MAX_ADDRESS:
        raise BadPath
    parameters: dict[str, str] = {}
    for word in (found["parameters"] or "").split():
        parameter = _PARAMETER.fullmatch(word)
        if not parameter or parameter[1].upper() in parameters:
            raise BadParameters
        parameters[parameter[1].upper()] = parameter[2] or ""
    return PathArgument(address, parameters)


@dataclass(frozen=True, slots=True)
class MailOptions:
    size: int
    """As declared by SIZE (RFC 1870); 0 where it was not."""
    smtputf8: bool
    dsn: MailDsn


def read_mail_options(given: dict[str, str], *, smtputf8: bool) -> MailOptions:
    """The parameters of MAIL. ``smtputf8``: whether that one is on offer.

    Raises :class:`BadOption`, or :class:`UnknownOption` for those that EHLO did not offer.
    """
    flags = {"SMTPUTF8"} & given.keys() if smtputf8 else set()
    values = _values(given, flags, {"SIZE", "BODY", "RET", "ENVID"})
    size = values.get("SIZE", "0")
    if not re.fullmatch(r"[0-9]{1,20}", size):  # RFC 1870 §4
        raise BadOption("SIZE is a number of octets")
    if values.get("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"}:
        raise BadOption("BODY is 7BIT or 8BITMIME")
    return MailOptions(int(size), bool(flags), read_mail_dsn(values.get("RET", ""), values.get("ENVID", "")))


def read_rcpt_options(given: dict[str, str]) -> RcptDsn:
    """The parameters of RCPT. Raises :class:`BadOption` or :class:`UnknownOption`."""
    values = _values(given, set(), {"NOTIFY", "ORCPT"})
    return read_rcpt_dsn(values.get("NOTIFY", ""), values.get("ORCPT", ""))


def _values(given: dict[str, str], flags: set[str], known: set[str]) -> dict[str, str]:
    values = {key: value for key, value in given.items() if key not in flags}
    if not values.keys() <= known:
        raise UnknownOption
    if "" in values.values() or any(given[flag] for flag in flags):
        raise BadOption("a parameter lacks its value, or has one that it must not have")
    return values
