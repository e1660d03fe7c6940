"""Is the mail from whom its From says? DMARC (RFC 7489): a domain that vouches for it has to be that of From.

DMARC alone is not enough to send faxes by, because a mail that is good can be sent again by anybody who has it, to
anybody: a signature says nothing of the envelope. So where SPF does not vouch for the client, To and Cc have to be
signed and to name every recipient.
"""

import re
from collections.abc import Iterable
from email import policy
from email.errors import MessageError
from email.parser import BytesParser
from enum import Enum
from functools import cache

from publicsuffixlist import PublicSuffixList

from fax_bridge.email_to_fax.dns_answers import Answers, Unanswered
from fax_bridge.email_to_fax.spf_dkim import good_signatures, spf_passes

MOST_HEADER = 256 * 1024
"""Octets of a mail's header that are looked through; more is not proven."""


class Proof(Enum):
    """What the checks found; the value is told to the client."""

    GOOD = ""
    LATER = "the DNS did not answer"
    NO_AUTHOR = "From does not hold one address"
    OTHER_AUTHOR = "From is not the sender"
    TWICE = "a field of the header is there twice"
    NO_RECORD = "the domain of From has no DMARC record"
    NOT_ALIGNED = "neither SPF nor DKIM vouches for the domain of From"
    NOT_NAMED = "without SPF each recipient has to be in a signed To or Cc"


_ONCE = ("To", "Cc", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
"""Fields that a mail has once (RFC 5322 §3.6, RFC 2045). A signature covers the last of a name and is good with another
one above it, which is the one that would be read (RFC 6376 §8.15)."""


class Head:
    """The header of a mail, as far as it matters here."""

    def __init__(self, mail: bytes) -> None:
        end = re.search(rb"\r?\n\r?\n", mail[: MOST_HEADER + 4])
        raw = mail[: end.start() + 2] if end else mail[:MOST_HEADER]
        self._fields = BytesParser(policy=policy.SMTP).parsebytes(raw, headersonly=True)
        self._whole = end is not None or len(mail) <= MOST_HEADER

    @property
    def author(self) -> str:
        """The one address of the one From; empty where it is not one."""
        found = self._addresses("From")
        is_one = self._whole and len(self._fields.get_all("From", [])) == 1 and len(found) == 1
        return found[0] if is_one and domain_of(found[0]) else ""

    @property
    def has_twins(self) -> bool:
        return any(len(self._fields.get_all(name, [])) > 1 for name in _ONCE)

    def signed_by_all(self, domain: str) -> set[str]:
        """Those of To and Cc that each signature of this organization says to cover, in small letters; both, where
        there is none. Whether one is good is not asked."""
        covered = {"to", "cc"}
        for value in self.values("DKIM-Signature"):
            tags = _tags(value)
            if same_organization(tags.get("d", ""), domain):
                covered &= {name.strip() for name in tags.get("h", "").split(":")}
        return covered

    def named(self, fields: Iterable[str]) -> set[str]:
        return {address.lower() for field in fields for address in self._addresses(field)}

    def values(self, name: str) -> list[str]:
        return [" ".join(str(value).split()) for value in self._fields.get_all(name, [])]

    def _addresses(self, name: str) -> list[str]:
        try:
            return [one.addr_spec for field in self._fields.get_all(name, []) for one in field.addresses]
        except (MessageError, AttributeError, IndexError, ValueError):  # the parser's, for what is no address at all
            return []


def prove(
    mail: bytes, head: Head, answers: Answers, *, client: str, hello: str, mail_from: str, recipients: Iterable[str]
) -> Proof:
    """``client`` is the IP address that brings the mail. Blocks; to be called from a thread."""
    domain = domain_of(head.author)
    try:
        record = _record(domain, answers)
        if record is None:
            return Proof.NO_RECORD
        if _aligned(domain_of(mail_from), domain, record.get("aspf", "r")) and spf_passes(
            client, hello, mail_from, answers
        ):
            return Proof.GOOD
        signatures = [
            one for one in good_signatures(mail, answers) if _aligned(one.domain, domain, record.get("adkim", "r"))
        ]
    except Unanswered:
        return Proof.LATER
    wanted = {address.lower() for address in recipients}
    if any(wanted <= head.named(one.header_names & {"to", "cc"}) for one in signatures):
        return Proof.GOOD
    if answers.failed:
        return Proof.LATER
    return Proof.NOT_NAMED if signatures else Proof.NOT_ALIGNED


def same_organization(one: str, other: str) -> bool:
    return bool(one) and _organization(one) == _organization(other)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower().rstrip(".") if "@" in address else ""


def _aligned(domain: str, author: str, mode: str) -> bool:
    """RFC 7489 §3.1: strict is the same domain, relaxed the same organization."""
    return domain == author if mode == "s" else same_organization(domain, author)


def _record(domain: str, answers: Answers) -> dict[str, str] | None:
    """The domain's DMARC record, else its organization's (RFC 7489 §6.6.3)."""
    for place in dict.fromkeys((domain, _organization(domain))):
        records = [text for text in answers.texts(f"_dmarc.{place}") if re.match(rb"v\s*=\s*DMARC1\s*(;|$)", text)]
        if len(records) == 1:
            return _tags(records[0].decode("ascii", "replace"))
        if records:
            return None
    return None


def _tags(text: str) -> dict[str, str]:
    """``v=DMARC1; p=none``, in small letters."""
    parts = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip().lower() for key, _, value in parts}


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _organization(domain: str) -> str:
    """The domain that its owner registered: one label below a public suffix."""
    return str(_suffixes().privatesuffix(domain) or domain)
