"""Which domains vouch for a mail: by the client that brings it (SPF), by a signature (DKIM)."""

import logging
from dataclasses import dataclass
from typing import Any

import dkim
import spf

from fax_bridge.email_to_fax.dns_answers import Answers, Unanswered
from fax_bridge.setting_types import UNIX

MOST_SIGNATURES = 5
"""Looked at, from the top; each may cost a pass over the mail."""

_QUIET = logging.getLogger("dkim")
_QUIET.setLevel(logging.CRITICAL)  # it tells of each bad signature as of an error of ours


@dataclass(frozen=True, slots=True)
class Signature:
    """One that is good."""

    domain: str
    header_names: frozenset[str]
    """The fields that it covers, in small letters."""


def spf_passes(client: str, hello: str, mail_from: str, answers: Answers) -> bool:
    """Whether ``mail_from``'s domain says that this client brings its mail (RFC 7208).

    A client on the Unix socket has no address that it could name."""
    if client == UNIX:
        return False
    query: Any = spf.query(i=client, s=mail_from, h=hello)

    def ask(name: str, kind: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        found = _records(name, kind, answers)
        if not found and not ignore_void:
            query.void_lookups += 1
            if query.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many lookups without an answer")
        return found

    query.dns = ask  # its own would use the system's resolver, whatever is set
    result, *_ = query.check()
    return bool(result == "pass")


def _records(name: str, kind: str, answers: Answers) -> list[Any]:
    """In the shapes that pyspf takes."""
    try:
        found = answers.of(str(name).rstrip("."), kind)
    except Unanswered as fault:
        raise spf.TempError(str(fault)) from fault
    match kind:
        case "MX":
            return [(record.preference, record.exchange.to_text(omit_final_dot=True)) for record in found]
        case "PTR":
            return [record.target.to_text(omit_final_dot=True) for record in found]
        case "TXT":
            return [record.strings for record in found]
        case _:
            return [record.address for record in found]


def good_signatures(mail: bytes, answers: Answers) -> list[Signature]:
    """Those of the mail that verify (RFC 6376), and cover all of it."""

    def key(name: bytes, timeout: float = 5) -> bytes | None:
        try:
            texts = answers.texts(name.decode("ascii", "replace").rstrip("."))
        except Unanswered as fault:
            raise dkim.DnsTimeoutError(str(fault)) from fault
        return texts[0] if texts else None

    try:
        message: Any = dkim.DKIM(mail, logger=_QUIET)
    except dkim.DKIMException:  # its header cannot be read
        return []
    count = sum(name.lower() == b"dkim-signature" for name, _ in message.headers)
    found = []
    for index in range(min(count, MOST_SIGNATURES)):
        try:
            good = message.verify(idx=index, dnsfunc=key)
        except Exception:  # noqa: BLE001, S112 — a stranger's making; dkimpy lets through what its parsers raise
            continue
        fields = message.signature_fields
        # With l= anything may have been added at the end; SHA-1 is no proof any more (RFC 8301).
        if good and b"l" not in fields and fields[b"a"].lower() != b"rsa-sha1":
            names = frozenset(name.decode("ascii", "replace") for name in message.include_headers)
            found.append(Signature(message.domain.decode("ascii", "replace").lower().rstrip("."), names))
    return found
