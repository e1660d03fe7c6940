"""How much a mail takes from which of ``[[limits]]``: the settings' words become the limits that the store counts."""

import ipaddress
import re
from collections.abc import Collection, Iterator
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from fax_bridge.fax import Instant, now
from fax_bridge.settings import LimitSettings, Settings
from fax_bridge.store.quota import Charge, Limit, OverLimit, Window
from fax_bridge.wall_clock import at_zone, shown_by

LATER = "450 4.7.1 too many faxes at present, try again later"
NEVER = "550 5.7.1 more than may ever be faxed at once from here; send it to fewer numbers"
TOO_MANY = "550 5.7.1 a mail of yours may go to {limit} numbers at the most"
"""Never 452: the client would bring the rest in another transaction."""

PAGES_WAIT_DAYS = 31
"""Days ahead that pages may be put off to, under a daily cap."""

_RECIPIENTS = "recipients"


def reply_of(over: OverLimit) -> str:
    """For the client whose mail a limit leaves no room for."""
    if over.limit.key.startswith(f"{_RECIPIENTS}|"):
        return TOO_MANY.format(limit=over.limit.most)
    return NEVER if over.never else LATER


class Quotas:
    def __init__(self, settings: Settings) -> None:
        self._limits = settings.limits
        self._zone = ZoneInfo(settings.reports.timezone)

    def charges(
        self, mail_from: str, client: str, numbers: Collection[str], *, max_recipients: int = 0, message_id: str = ""
    ) -> tuple[Charge, ...]:
        """What a mail takes when it is accepted.

        ``max_recipients``: of all transactions that bring the mail of this ``message_id``.
        """
        found = [
            Charge(self._limit(entry, subject, unit, most, 1), per_fax=unit == "faxes", number=number)
            for entry, subject, number in self._matching(mail_from, client, numbers)
            for unit, most in (("messages", entry.messages), ("faxes", entry.faxes))
            if most
        ]
        if max_recipients and message_id:
            # One mail to many is brought in several transactions by any mail server, under one Message-ID.
            key = f"{_RECIPIENTS}|{mail_from.lower()}|{message_id}"
            day = Window(key, 0, now() + 86_400_000)
            found.append(Charge(Limit(key, max_recipients, windows=(day,), never=True)))
        return tuple(found)

    def pages(self, mail_from: str, client: str, numbers: Collection[str]) -> tuple[Charge, ...]:
        """What each page takes when the document is made; a charge's units are to be multiplied by the pages."""
        return tuple(
            Charge(self._limit(entry, subject, "pages", entry.pages, PAGES_WAIT_DAYS), number=number)
            for entry, subject, number in self._matching(mail_from, client, numbers)
            if entry.pages
        )

    def _matching(
        self, mail_from: str, client: str, numbers: Collection[str]
    ) -> Iterator[tuple[LimitSettings, str, str]]:
        """Each entry that counts this mail, for whom, and for which number alone, where it is a number's."""
        sender = mail_from.lower()
        for entry in self._limits:
            if not _fits(entry.match, sender):
                continue
            match entry.per:
                case "destination":
                    yield from ((entry, number, number) for number in numbers)
                case "sender":
                    yield entry, sender, ""
                case "domain":
                    yield entry, sender.rpartition("@")[2], ""
                case "client":
                    yield entry, _client(client), ""
                case "site":
                    yield entry, "", ""

    def _limit(self, entry: LimitSettings, subject: str, unit: str, most: int, days: int) -> Limit:
        key = f"{entry.per}|{entry.match}|{subject}|{unit}|{entry.within}"
        if entry.within == "day":
            return Limit(key, most, windows=tuple(self._days(key, days)))
        # Another number is another bucket: where one stands means nothing to it.
        return Limit(f"{key}|{most}", most, within=int(float(entry.within) * 1000))

    def _days(self, key: str, days: int) -> Iterator[Window]:
        today = at_zone(now(), self._zone).date()
        for ahead in range(days):
            day = today + timedelta(days=ahead)
            yield Window(f"{key}|{day}", self._midnight(day), self._midnight(day + timedelta(days=1)))

    def _midnight(self, day: date) -> Instant:
        return shown_by(day, time(), self._zone)[0]


def _fits(match: str, sender: str) -> bool:
    pattern = ".*".join(re.escape(piece) for piece in match.lower().split("*"))
    return match == "*" or re.fullmatch(pattern, sender, re.DOTALL) is not None


def _client(client: str) -> str:
    """A network that one client has to itself: of IPv6, its /64."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped:
        return client
    return str(ipaddress.ip_network((address, 64), strict=False))
