"""The relay's URL, read strictly: a mistake in it is told with its mend, and never with the password."""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465, "lmtp": 24}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is and what it asks for; ``path`` is a Unix socket's and stands instead of host and port."""

    host: str
    port: int
    timeout: float
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


def split(url: str) -> SplitResult:
    """The URL in parts. What stands in it may be secret, so that no complaint repeats more than the scheme."""
    scheme = url.split(":", 1)[0].lower()
    if scheme not in {*DEFAULT_PORTS, "maildir"}:
        raise ValueError(
            "this is no way to send mail. Write smtp://HOST, smtp+starttls://, smtps://, lmtp:// or maildir:///DIR."
        )
    if re.search(r"[?#\s\x00-\x1f\x7f]", url):
        raise ValueError(
            f"{scheme}:// takes no blank, ? or #. "
            "In a password, write such characters as %20, %3F and %23 (and @ : / as %40 %3A %2F)."
        )
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        raise ValueError(
            f"host or port cannot be read. Write {scheme}://HOST:PORT, IPv6 in [brackets], a / in a password as %2F."
        ) from None
    return parts


def only_a_path(parts: SplitResult, example: str) -> str:
    path = unquote(parts.path)
    if parts.netloc or not path.strip("/") or "\0" in path:
        raise ValueError(f"{parts.scheme}: needs an absolute path. Write it with three slashes: {example}")
    return path


def server_of(parts: SplitResult, timeout: float) -> Server:
    if parts.scheme == "lmtp" and not parts.netloc:
        return Server("", 0, timeout, path=only_a_path(parts, "lmtp:///run/dovecot/lmtp"))
    if not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"write {parts.scheme}://HOST:PORT with nothing behind it, a / in a password as %2F.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if "@" in parts.netloc:
        if parts.scheme not in {"smtps", "smtp+starttls"}:
            raise ValueError(
                f"{parts.scheme}:// would show the password on the way. Write smtps:// or smtp+starttls://."
            )
        if not user or not password:
            raise ValueError(f"user or password is missing. Write {parts.scheme}://USER:PASSWORD@HOST.")
    port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0 or (parts.scheme == "lmtp" and port == 25):
        raise ValueError("that port cannot be. LMTP is never on 25 (RFC 2033 §5), and 0 is none.")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ValueError("the host is no name of a machine. Check it.") from None
    return Server(parts.hostname, port, timeout, user=user, password=password)
