"""``[[limits]]`` and ``[duplicates]``: how much may be faxed, and what if the same document goes again."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from fax_bridge.setting_types import Duration, Seconds, read_duration
from fax_bridge.settings.section import Section

_LONGEST = 31 * 86400


def _within(value: object) -> object:
    return value if value == "day" else read_duration(value)


class LimitSettings(Section):
    """So many messages, faxes or pages for each one of something. All entries hold."""

    per: Literal["sender", "domain", "client", "destination", "site"]
    """The envelope sender, its domain, the address that the mail comes from (an IPv6 one's /64), the number, or all."""
    match: str = Field(default="*", min_length=1)
    """Only mails of these envelope senders are counted and held to it; ``*`` is any run of characters."""
    messages: int = Field(default=0, ge=0)
    """Mails, counted when they are accepted; 0: no limit."""
    faxes: int = Field(default=0, ge=0)
    """Recipients, counted when their mail is accepted; 0: no limit."""
    pages: int = Field(default=0, ge=0)
    """Known only once the document is made: over it, faxes wait for their turn."""
    within: Annotated[float | Literal["day"], BeforeValidator(_within)]
    """A duration: a bucket that holds so many and fills evenly within it. ``day``: no more than so many on a calendar
    day of ``reports.timezone``."""

    @model_validator(mode="after")
    def says_something(self) -> Self:
        if not (self.messages or self.faxes or self.pages):
            raise ValueError("nothing is limited. Give messages, faxes or pages a number above 0.")
        if self.per == "destination" and self.messages:
            raise ValueError("a destination gets faxes, not messages. Write faxes.")
        if self.within != "day" and not 1 <= self.within <= _LONGEST:
            raise ValueError('within is shorter than "1s" or longer than "31d". Write e.g. "1m", "1h" or "day".')
        return self


class Duplicates(Section):
    """The same document to the same number again: held, and its sender is asked."""

    within: Duration = Seconds(0.0)
    """For so long after a fax was accepted; 0s: nobody is asked."""
