"""The certificate of a TLS listener, read again when its files change; no restart, and never half a pair.

A renewal writes two files, and a handshake may come between them. So a pair is loaded into a context of its own, where
OpenSSL compares key and certificate, and takes the place of the one before only when that went well.
"""

import re
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from fax_bridge.errors import BridgeError
from fax_bridge.settings import SmtpTls, Tls

log = structlog.get_logger("tls")

LOOK_EVERY = 1.0
"""Seconds between looks at the files; a look is two calls of stat."""


class BadCertificate(BridgeError):
    """The files cannot be used; the text names the file, the reason and the mend."""


class Certificates:
    """Give :attr:`context` to listeners; each handshake gets the newest good pair through it."""

    def __init__(self, files: Tls) -> None:
        """Raises :class:`BadCertificate`."""
        self._files = files
        self._seen = self._stamps()
        self._current = _load(files)
        self._looked_at = time.monotonic()
        self.context = self._current
        self.context.sni_callback = self._choose

    def _choose(self, session: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """OpenSSL asks at each ClientHello, whether it names a server or not."""
        session.context = self.newest()

    def newest(self) -> ssl.SSLContext:
        """The context of the newest pair that is good."""
        at = time.monotonic()
        if at - self._looked_at < LOOK_EVERY:
            return self._current
        self._looked_at = at
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._current = _load(self._files)
                log.info("certificate renewed", file=str(self._files.cert_file))
            except BadCertificate as fault:
                log.error("the new certificate is not used, the old one stays", why=str(fault))
        return self._current

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file is replaced or written."""
        client_ca = self._files.client_ca_file if isinstance(self._files, SmtpTls) else None
        files = [file for file in (self._files.cert_file, self._files.key_file, client_ca) if file]
        return tuple(_stamp(file) for file in files)


def certificates_of(section: str, files: Tls | None) -> Certificates | None:
    """Those of a section of the settings, where it is there. Raises :class:`BadCertificate`, which names it."""
    try:
        return Certificates(files) if files else None
    except BadCertificate as fault:
        raise BadCertificate(f"{section}: {fault}") from None


def names_in(peer_certificate: dict[str, object] | None) -> tuple[str, ...]:
    """The names that a client certificate stands for: its common name, DNS names and mail addresses.

    ``peer_certificate`` as ``SSLObject.getpeercert()`` gives it; it was verified, or it is empty.
    """
    found: list[str] = []
    subject, others = (peer_certificate or {}).get("subject", ()), (peer_certificate or {}).get("subjectAltName", ())
    for part in subject if isinstance(subject, tuple) else ():
        found += [value for key, value in part if key == "commonName"]
    for key, value in others if isinstance(others, tuple) else ():
        if key in {"DNS", "email"}:
            found.append(value)
    return tuple(dict.fromkeys(found))


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _load(files: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A file with a password would make OpenSSL ask for it on the terminal.
    _try(files.cert_file, lambda: context.load_cert_chain(files.cert_file, files.key_file, password=_no_password))
    if isinstance(files, SmtpTls) and files.client_ca_file:
        ca_file = files.client_ca_file
        _try(ca_file, lambda: context.load_verify_locations(ca_file))
        context.verify_mode = ssl.CERT_REQUIRED if files.require_client_certificate else ssl.CERT_OPTIONAL
    return context


def _try(file: Path, load: Callable[[], None]) -> None:
    try:
        load()
    except FileNotFoundError as fault:
        raise BadCertificate(f"{fault.filename or file} cannot be read (No such file). Name another.") from None
    except PermissionError as fault:
        raise BadCertificate(f"{fault.filename or file} cannot be read. Let the daemon's user read it.") from None
    except (OSError, ValueError) as fault:  # ssl.SSLError is an OSError
        why = re.sub(r"^\[[^]]*\] | \(_ssl\.c:[0-9]+\)$", "", str(fault))  # OpenSSL's words without its places
        raise BadCertificate(f"{file} does not hold what it should, in PEM ({why}). Name another.") from None


def _no_password() -> str:
    raise ValueError("the key has a password")
