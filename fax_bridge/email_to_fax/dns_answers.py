"""What the DNS says, for the checks of one mail: within one time, and no more than so many questions.

Called from a thread; an answer that does not come is no answer at all, and the mail is put off.
"""

import time
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.nameserver
import dns.resolver

from fax_bridge.setting_types import Listen

MOST_QUESTIONS = 50
"""SPF may ask some thirty (RFC 7208 §4.6.4); DKIM and DMARC a few each."""
LONGEST_WAIT = 6.0
"""Seconds for one question, with its repeats."""


class Unanswered(Exception):
    """The DNS could not be asked, or not in time; asking later can help."""


def resolver_of(servers: Sequence[Listen]) -> dns.resolver.Resolver:
    """Asks these, or the system's where none is given."""
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(one.host, one.port) for one in servers]
    return resolver


class Answers:
    """Of one mail."""

    def __init__(self, resolver: dns.resolver.Resolver, seconds: float) -> None:
        self._resolver = resolver
        self._ends_at = time.monotonic() + seconds
        self._left = MOST_QUESTIONS
        self.failed = False
        """A question stayed open: what was not found may be there all the same."""

    def of(self, name: str, kind: str) -> list[Any]:
        """The records; none where there are none, or the name is impossible. Raises :class:`Unanswered`."""
        seconds = min(self._ends_at - time.monotonic(), LONGEST_WAIT)
        self._left -= 1
        try:
            if seconds <= 0 or self._left < 0:
                raise Unanswered("too much to ask")
            return list(self._resolver.resolve(name, kind, lifetime=seconds, search=False, raise_on_no_answer=False))
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.Timeout, dns.resolver.NoNameservers, Unanswered, OSError) as fault:
            self.failed = True
            raise Unanswered(str(fault)) from fault
        except dns.exception.DNSException:  # a label too long, an empty one: nothing has that name
            return []

    def texts(self, name: str) -> list[bytes]:
        """The TXT records, each in one piece. Raises :class:`Unanswered`."""
        return [b"".join(record.strings) for record in self.of(name, "TXT")]
