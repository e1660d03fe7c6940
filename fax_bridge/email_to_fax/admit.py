"""May this client send, as this envelope sender, to this address? Nobody may, unless the settings say so."""

from dataclasses import dataclass

from fax_bridge.email_to_fax.options import FaxOptions, LocalPart, OptionFault, clock_of, read_address
from fax_bridge.email_to_fax.preview_address import preview_of
from fax_bridge.fax import now
from fax_bridge.networks import is_in
from fax_bridge.numbers import BadNumber, read_number
from fax_bridge.setting_types import UNIX
from fax_bridge.settings import Sender, Settings
from fax_bridge.settings.senders import any_fits


@dataclass(frozen=True, slots=True)
class Refusal:
    """An SMTP reply that ends the matter for one recipient: code, enhanced code (RFC 3463), words."""

    reply: str


@dataclass(frozen=True, slots=True)
class Destination:
    """What the address of a recipient means."""

    number: str
    """E.164 digits; empty where there is a target."""
    options: FaxOptions
    spelled: str
    """The options as they stand in the address."""
    target: str = ""
    """What is no number (:class:`fax_bridge.fax.TargetKind`)."""
    preview: bool = False
    """``preview+`` stood before it: to be shown to the sender, not to be sent."""

    @property
    def told(self) -> str:
        """For a reply and the log."""
        return self.target or f"+{self.number}"


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of a client beside its address."""

    user: str = ""
    """Logged in as."""
    certificates: tuple[str, ...] = ()
    """The names in its certificate, which was verified."""
    scanner: bool = False
    """It came to a listener for scanners."""


ANYBODY = Peer()
NOT_ALLOWED = Refusal("550 5.7.1 this sender may not send faxes from here")
LOG_IN = Refusal("530 5.7.0 authenticate first")
OTHER_USER = Refusal("553 5.7.1 the user who is logged in may not send as this address")


def sender_of(settings: Settings, mail_from: str, client: str, peer: Peer = ANYBODY) -> Sender | None:
    """The entry of ``[[senders]]`` by which this client may send; ``None``: it may not.

    The first whose every condition holds. One with ``dmarc``, about which only the mail itself tells, is taken where
    there is no other, and the mail has to prove it. The null reverse-path never fits: nobody could be told what became
    of the fax.
    """
    unproven = None
    for sender in settings.senders if mail_from else ():
        if sender.fits(mail_from) and _holds(sender, client, peer):
            if not sender.dmarc:
                return sender
            unproven = unproven or sender
    return unproven


def refusal_of(settings: Settings, mail_from: str, client: str, peer: Peer = ANYBODY) -> Refusal:
    """What one hears whom :func:`sender_of` does not know."""
    if peer.user:
        return OTHER_USER
    as_user = [
        Peer(user, peer.certificates, peer.scanner)
        for sender in settings.senders
        if sender.fits(mail_from)
        for user in sender.auth
    ]
    return LOG_IN if any(sender_of(settings, mail_from, client, one) for one in as_user) else NOT_ALLOWED


def _holds(sender: Sender, client: str, peer: Peer) -> bool:
    """Whether the conditions hold that the connection tells about."""
    if client == UNIX and UNIX not in sender.networks:  # has no address, and nothing else stands for one
        return False
    return (
        sender.scanner == peer.scanner
        and (not sender.networks or is_in(client, sender.networks))
        # One who is logged in may do what the user may, and no more: not even what would be open to anybody.
        and (any_fits(sender.auth, peer.user) if peer.user else not sender.auth)
        and (not sender.certificates or any(any_fits(sender.certificates, name) for name in peer.certificates))
    )


def destination_of(settings: Settings, recipient: str) -> Destination | Refusal:
    """What a RCPT address means, or why it means nothing."""
    local, _, domain = recipient.rpartition("@")
    if domain.lower().rstrip(".") not in settings.smtp.domains:
        return Refusal(f"550 5.1.2 {_ascii(domain) or 'an address without a domain'} is not a fax domain of ours")
    preview, local = preview_of(local)
    try:
        written = LocalPart.read(local)
        number = "" if written.target else read_number(written.number, settings.numbers.region)
        asked = read_address(written, clock_of(settings, now())) if written.options else FaxOptions()
    except (BadNumber, OptionFault) as why:
        return Refusal(f"550 5.1.3 {why}")
    return Destination(number, asked, written.spelled, written.target, preview)


def _ascii(text: str) -> str:
    return "".join(c if "!" <= c <= "~" else "?" for c in text[:80])
