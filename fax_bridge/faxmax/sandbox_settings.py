"""What an administrator can set of the sandbox; the command line's options map onto these one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """The stand-in's account and manners. What is secret stays out of the ``repr``.

    ``notify_url`` is the account's ``fax_notification_url``; it carries the webhook's secret in its path.
    ``username`` with ``password`` opens the account too, once both are set (API page, second footnote).
    """

    listen: str = "127.0.0.1:8090"
    token: str = field(default="sandbox-token", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    notify_url: str = field(default="", repr=False)
    numbers: tuple[str, ...] = ()
    """The account's own numbers, international digits. A fax delivered to one of them comes back as an
    incoming one; the first is the ``cli`` of a fax that names none."""
    phone_books: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({"1": ("902162220101", "902162220102")})
    )
    """By their ids, the numbers in the phone books that the account has."""
    contacts: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({"1": ("902162220101",), "2": ("902162220102",)})
    )
    pace: float = 0.2
    """Seconds from one step in the life of a fax to the next."""
    account_id: str = "1001"
    account_name: str = "sandbox"
    body_limit: int = 100 * MEBIBYTE
    """Bytes of a request's body; a larger one is answered 413."""
    kept_faxes: int = 1000
    kept_bytes: int = 512 * MEBIBYTE
    """Documents and pages kept for ``/sandbox/faxes``; the oldest faxes are forgotten above either limit."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of ``listen``; an IPv6 host stands in brackets (RFC 3986 §3.2.2).

        Raises ``ValueError`` with a sentence for the administrator.
        """
        host, colon, port = self.listen.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(f'the sandbox cannot listen on "{self.listen}": write HOST:PORT')
        return host.removeprefix("[").removesuffix("]"), int(port)
