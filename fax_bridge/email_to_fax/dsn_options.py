"""How a client asks for delivery reports (RFC 3461): RET and ENVID at MAIL, NOTIFY and ORCPT at RCPT.

They are kept as they were given, because a report has to repeat them to the letter; :func:`xtext_decoded` shows what
they mean.
"""

import re

from fax_bridge.fax import MailDsn, RcptDsn

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")  # RFC 3461 §4: printable but + and =, or +HH
_ORCPT = re.compile(r"[A-Za-z0-9-]{1,40};(.+)")
MAX_ENVID = 100  # RFC 3461 §4.4
MAX_ORCPT = 500  # RFC 3461 §4.2
_EVENTS = frozenset({"SUCCESS", "FAILURE", "DELAY"})


class BadOption(ValueError):
    """A parameter is not what its standard says; the words are for the client."""


def read_mail_dsn(ret: str, envid: str) -> MailDsn:
    """Raises :class:`BadOption`."""
    if ret.upper() not in {"", "FULL", "HDRS"}:
        raise BadOption("RET is FULL or HDRS")
    if envid and (len(envid) > MAX_ENVID or not _XTEXT.fullmatch(envid)):
        raise BadOption(f"ENVID is at most {MAX_ENVID} characters of xtext")
    return MailDsn(ret.upper(), envid)


def read_rcpt_dsn(notify: str, orcpt: str) -> RcptDsn:
    """Raises :class:`BadOption`."""
    events = notify.upper().split(",") if notify else []
    if events != ["NEVER"] and (not set(events) <= _EVENTS or len(set(events)) != len(events)):
        raise BadOption("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
    if orcpt:
        found = _ORCPT.fullmatch(orcpt)
        if not found or len(orcpt) > MAX_ORCPT or not _XTEXT.fullmatch(found[1]):
            raise BadOption("ORCPT is a type, a semicolon and an address in xtext")
    return RcptDsn(",".join(events), orcpt)


def xtext_decoded(text: str) -> str:
    """What xtext stands for; bytes that are not UTF-8 are shown as U+FFFD."""
    octets = re.sub(rb"\+([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("ascii"))
    return octets.decode("utf-8", "replace")
