"""What a client has said so far of one mail: its sender, its recipients, what it asks to be told."""

from dataclasses import dataclass, field

from aiosmtpd.smtp import Envelope

from fax_bridge.email_to_fax.incoming import Incoming
from fax_bridge.email_to_fax.options import FaxOptions
from fax_bridge.email_to_fax.smtp_limits import Pace
from fax_bridge.fax import MailDsn, RcptDsn


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT that got its 250."""

    address: str
    number: str
    """E.164 digits: what the address means."""
    dsn: RcptDsn
    options: FaxOptions = field(default_factory=FaxOptions)
    """What the address asks for beside the number."""
    spelled: str = ""
    """The options as they stand in the address."""
    preview: bool = False
    """Nothing is to be sent there: the sender only wants to see it."""


class Transaction(Envelope):
    """From one MAIL to the reply after its data, or to RSET."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False
        self.recipients: list[Recipient] = []
        self.dsn = MailDsn()
        self.incoming: Incoming | None = None
        """The mail's bytes, from DATA or the first BDAT on."""
        self.pace: Pace | None = None
        self.broken = False
        """A BDAT was refused: nothing but RSET mends that (RFC 3030 §2)."""
