"""May this client send, as this envelope sender, to this address? Nobody may, unless the settings say so."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from fax_bridge.email_to_fax.options import FaxOptions, LocalPart, OptionFault, clock_of, read_address
from fax_bridge.email_to_fax.preview_address import preview_of
from fax_bridge.fax import now
from fax_bridge.numbers import BadNumber, read_number
from fax_bridge.setting_types import UNIX, Network
from fax_bridge.settings import Sender, Settings


@dataclass(frozen=True, slots=True)
class Refusal:
    """An SMTP reply that ends the matter for one recipient: code, enhanced code (RFC 3463), words."""

    reply: str


@dataclass(frozen=True, slots=True)
class Destination:
    """What the address of a recipient means."""

    number: str
    """E.164 digits."""
    options: FaxOptions
    spelled: str
    """The options as they stand in the address."""
    preview: bool = False
    """``preview+`` stood before it: to be shown to the sender, not to be sent."""


def sender_of(settings: Settings, mail_from: str, client: str) -> Sender | None:
    """The first entry of ``[[senders]]`` whose every condition holds; ``None``: may not send.

    The null reverse-path never matches: nobody could be told what became of the fax.
    """
    for sender in settings.senders:
        if mail_from and sender.fits(mail_from) and any(_is_in(client, network) for network in sender.networks):
            return sender
    return None


def _is_in(client: str, network: Network) -> bool:
    """``client`` is an IP address, or ``unix``, which only the word itself covers."""
    if client == UNIX or network == UNIX:
        return client == network
    return _address(client) in network


@lru_cache(maxsize=1024)
def _address(client: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(client)
    # A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def destination_of(settings: Settings, recipient: str) -> Destination | Refusal:
    """What a RCPT address means, or why it means nothing."""
    local, _, domain = recipient.rpartition("@")
    if domain.lower().rstrip(".") not in settings.smtp.domains:
        return Refusal(f"550 5.1.2 {_ascii(domain) or 'an address without a domain'} is not a fax domain of ours")
    preview, local = preview_of(local)
    written = LocalPart.read(local)
    try:
        number = read_number(written.number, settings.numbers.region)
        asked = read_address(written, clock_of(settings, now())) if written.options else FaxOptions()
    except (BadNumber, OptionFault) as why:
        return Refusal(f"550 5.1.3 {why}")
    return Destination(number, asked, written.spelled, preview)


def _ascii(text: str) -> str:
    return "".join(c if "!" <= c <= "~" else "?" for c in text[:80])
