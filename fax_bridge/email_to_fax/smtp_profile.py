"""What a mail listener offers, and whom it believes."""

from dataclasses import dataclass

from fax_bridge.certificates import Certificates
from fax_bridge.email_to_fax.logins import Logins
from fax_bridge.setting_types import Network


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one listener. The plain one offers neither TLS nor AUTH: LMTP, and scanners."""

    certificates: Certificates | None = None
    """For STARTTLS, or for TLS from the first octet."""
    implicit_tls: bool = False
    require_tls: bool = False
    logins: Logins | None = None
    proxies: tuple[Network, ...] = ()
    """Begin each connection with a PROXY header, and are believed."""
    scanner: bool = False


PLAIN = Profile()
