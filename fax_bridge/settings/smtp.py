"""``[smtp]`` and ``[lmtp]``: the ways in for mail."""

from typing import Literal

from pydantic import Field, field_validator

from fax_bridge.setting_types import Domain, Duration, Listen, ListenOrSocket, Seconds
from fax_bridge.settings.section import Section


class Smtp(Section):
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8025),)
    domains: tuple[Domain, ...] = Field(min_length=1)
    """What stands behind the @ of a fax address; the first is where replies to received faxes go."""
    max_message_bytes: int = Field(default=26_214_400, gt=0)
    max_recipients: int = Field(default=100, ge=100)
    """RFC 5321 §4.5.3.1.8 asks for at least 100."""
    spool_memory: int = Field(default=262_144, ge=0)
    """Bytes of a mail that wait in memory; what is more goes to the store in pieces while it comes."""
    bare_newline: Literal["keep", "reject"] = "keep"
    """A CR or LF alone within a mail is kept as it is, or refuses the mail; it never ends anything."""
    smtputf8: bool = False
    """Take addresses beyond ASCII (RFC 6531). Reports go to them, so the relay has to take them: ``check`` asks it."""
    repeat_window: Duration = Seconds(600.0)
    """The same mail to the same number within this time is a repeat whose 250 was lost, and no second fax."""
    idle_timeout: Duration = Seconds(300.0)  # RFC 5321 §4.5.3.2.7
    min_rate: float = Field(default=50.0, ge=0)
    """Bytes per second, averaged, that a mail has to come at, once ``min_rate_grace`` is over."""
    min_rate_grace: Duration = Seconds(60.0)
    data_timeout: Duration = Seconds(43_200.0)
    """The longest that one mail may take, whatever its rate; less than the day that staged pieces are kept."""
    max_sessions: int = Field(default=200, ge=1)
    max_sessions_per_client: int = Field(default=50, ge=1)
    min_free_bytes: int = Field(default=200_000_000, ge=0)
    """With less room on the disk of a SQLite store, mail is put off."""

    @field_validator("data_timeout")
    @classmethod
    def before_the_purge(cls, seconds: float) -> float:
        if seconds > 43_200:
            raise ValueError("longer than 12h, and what came of a mail might be purged before its end. Write less.")
        return seconds


class Lmtp(Section):
    """A second way in, for a mail server beside us: Postfix or Dovecot (RFC 2033)."""

    listen: tuple[ListenOrSocket, ...] = ()
    mode: str = Field(default="0660", pattern=r"^0?[0-7]{3}$")
    """Who may connect to the Unix sockets: their permission bits in octal."""
