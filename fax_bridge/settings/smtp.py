"""``[smtp]`` and ``[lmtp]``: the ways in for mail."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fax_bridge.setting_types import Domain, Duration, Listen, ListenOrSocket, Network, Seconds, is_ip
from fax_bridge.settings.section import Section
from fax_bridge.settings.tls import SmtpTls


class Scanners(Section):
    """Listeners for old machines, which know neither TLS nor AUTH. Only entries with ``scanner = true`` hold there."""

    listen: tuple[Listen, ...] = ()
    """Where they connect to; keep it within the network of these machines."""


class Smtp(Section):
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8025),)
    """Where clients connect to; on several addresses at once, if need be."""
    domains: tuple[Domain, ...] = Field(min_length=1)
    """What stands behind the @ of a fax address; the first is where replies to received faxes go."""
    listen_tls: tuple[Listen, ...] = ()
    """TLS from the first octet (RFC 8314); on ``listen`` it begins with STARTTLS."""
    tls: SmtpTls | None = None
    """The certificate that clients see, and what is asked of theirs."""
    require_tls: bool = False
    """No mail without TLS on ``listen``."""
    scanners: Scanners = Scanners()
    """A listener of their own for machines that can neither encrypt nor log in."""
    proxy_protocol_from: tuple[Network, ...] = ()
    """Proxies that must begin each connection to ``listen`` with a PROXY header (version 1 or 2) and are believed."""
    trusted_authserv_id: str = ""
    """The name by which the mail server in ``trusted_authserv_from`` signs its Authentication-Results (RFC 8601)."""
    trusted_authserv_from: tuple[Network, ...] = ()
    """From there DMARC is not checked again; everywhere else such a field in the mail means nothing."""
    dns_servers: tuple[Listen, ...] = ()
    """Asked for DMARC, SPF and DKIM; the system's where none is given."""
    dns_timeout: Duration = Seconds(20.0)
    """For all questions about one mail; after it the mail is put off."""
    max_message_bytes: int = Field(default=26_214_400, gt=0)
    """Of a whole mail, in base64 and all; a larger one is refused, where its client says SIZE even before it comes."""
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
    """A slow beginning costs nobody a mail."""
    data_timeout: Duration = Seconds(43_200.0)
    """The longest that one mail may take, whatever its rate; less than the day that staged pieces are kept."""
    max_sessions: int = Field(default=200, ge=1)
    """At a time; who comes then is asked to come again."""
    max_sessions_per_client: int = Field(default=50, ge=1)
    """The same for one client address."""
    min_free_bytes: int = Field(default=200_000_000, ge=0)
    """With less room on the disk of a SQLite store, mail is put off."""

    @field_validator("data_timeout")
    @classmethod
    def before_the_purge(cls, seconds: float) -> float:
        if seconds > 43_200:
            raise ValueError("longer than 12h, and what came of a mail might be purged before its end. Write less.")
        return seconds

    @field_validator("dns_servers")
    @classmethod
    def are_addresses(cls, servers: tuple[Listen, ...]) -> tuple[Listen, ...]:
        for one in servers:
            if not is_ip(one.host) or not one.port:
                raise ValueError(f'"{one}" is no name server. Write its IP address and port, e.g. "127.0.0.1:53".')
        return servers

    @model_validator(mode="after")
    def agrees_with_itself(self) -> Self:
        for key, on in (("listen_tls", self.listen_tls), ("require_tls", self.require_tls)):
            if on and self.tls is None:
                raise ValueError(f'{key} needs a certificate. Add [smtp.tls] with cert_file = "/PATH.pem".')
        if bool(self.trusted_authserv_id) != bool(self.trusted_authserv_from):
            raise ValueError(
                "trusted_authserv_id and trusted_authserv_from go together: "
                "anybody can write the field, only the connection shows who did. Give both or none."
            )
        return self


class Lmtp(Section):
    """A second way in, for a mail server beside us: Postfix or Dovecot (RFC 2033)."""

    listen: tuple[ListenOrSocket, ...] = ()
    """``HOST:PORT`` or ``unix:/PATH``; none: no LMTP."""
    mode: str = Field(default="0660", pattern=r"^0?[0-7]{3}$")
    """Who may connect to the Unix sockets: their permission bits in octal."""
