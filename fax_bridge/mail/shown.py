"""How instants, numbers and sizes are shown to a reader: in their language and time zone."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, get_timezone_name
from babel.numbers import format_decimal

from fax_bridge.fax import Instant, Language
from fax_bridge.mail.headers import line


@dataclass(frozen=True, slots=True)
class Shown:
    language: Language
    timezone: str

    def local(self, instant: Instant) -> datetime:
        return datetime.fromtimestamp(instant / 1000, ZoneInfo(self.timezone))

    def when(self, instant: Instant | None) -> str:
        """``23 Kasım 2026 14:05``; empty for no instant."""
        if instant is None:
            return ""
        return format_datetime(self.local(instant), "d MMMM y HH:mm", locale=self.language)

    def zone(self) -> str:
        """The name of the time zone, ``Türkiye Saati``."""
        return get_timezone_name(ZoneInfo(self.timezone), locale=self.language)

    def count(self, number: int) -> str:
        return format_decimal(number, locale=self.language)

    def size(self, octets: int) -> str:
        """Bytes, as people say them: ``812 B``, ``14 kB``, ``2,3 MB``."""
        for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
            if octets >= factor:
                pattern = "#,##0.#" if octets < 10 * factor else "#,##0"
                return f"{format_decimal(octets / factor, pattern, locale=self.language)} {unit}"
        return f"{self.count(octets)} B"


def station(text: str) -> str:
    """What the remote machine says of itself (T.30 CSI and TSI: twenty characters). Anybody may write anything
    there, so signs that would make it look like an address or a link in a From header are left out.
    """
    return line("".join(c if c.isalnum() or c in " .,-+&()'" else " " for c in text), 40)


def says_more(station_id: str, number: str) -> bool:
    """Whether a station's name tells the reader anything beside the number itself."""
    digits = "".join(c for c in station_id if c.isdigit())
    return any(c.isalpha() for c in station_id) or (len(digits) >= 3 and not number.endswith(digits.lstrip("0")))
