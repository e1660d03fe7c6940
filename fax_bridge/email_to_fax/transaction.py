"""What a client has said so far of one mail: its sender, its recipients, what it asks to be told."""

from dataclasses import dataclass, field

from aiosmtpd.smtp import Envelope

from fax_bridge.email_to_fax.admit import ANYBODY, Refusal
from fax_bridge.email_to_fax.incoming import Incoming
from fax_bridge.email_to_fax.options import FaxOptions
from fax_bridge.email_to_fax.smtp_limits import Pace
from fax_bridge.email_to_fax.system_mail import Letter, SystemAddress
from fax_bridge.fax import MailDsn, RcptDsn
from fax_bridge.settings import Sender


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT that got its 250."""

    address: str
    number: str
    """E.164 digits: what the address means; empty where there is a target."""
    dsn: RcptDsn
    options: FaxOptions = field(default_factory=FaxOptions)
    """What the address asks for beside the number."""
    spelled: str = ""
    """The options as they stand in the address."""
    target: str = ""
    """What is no number (:class:`fax_bridge.fax.TargetKind`)."""
    preview: bool = False
    """Nothing is to be sent there: the sender only wants to see it."""


class Transaction(Envelope):
    """From one MAIL to the reply after its data, or to RSET."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False
        self.peer = ANYBODY
        """Who the client is, beside its address."""
        self.hello = ""
        """What it calls itself."""
        self.sender: Sender | None = None
        """The entry by which it may send, from the first RCPT on; where that has ``dmarc``, if the mail proves it."""
        self.put_off: list[Refusal] = []
        """Recipients' refusals that must not be told before the mail has proven who it is from."""
        self.recipients: list[Recipient] = []
        self.system: list[SystemAddress] = []
        """Recipients that are no fax numbers; a mail has these or the others."""
        self.dsn = MailDsn()
        self.size_limit = 0
        """Bytes that the mail may have: the sender's own limit, or the site's."""
        self.incoming: Incoming | Letter | None = None
        """The mail's bytes, from DATA or the first BDAT on."""
        self.pace: Pace | None = None
        self.broken = False
        """A BDAT was refused: nothing but RSET mends that (RFC 3030 §2)."""
