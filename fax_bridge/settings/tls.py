"""``[smtp.tls]`` and ``[webhook.tls]``: certificates, which are read again when their files change."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from fax_bridge.settings.section import Section


class Tls(Section):
    cert_file: Path
    """PEM: the certificate, then those between it and its authority."""
    key_file: Path | None = None
    """PEM, without a password; where it is not given, ``cert_file`` holds the key too."""


class SmtpTls(Tls):
    client_ca_file: Path | None = None
    """PEM: the authorities of client certificates. Without it clients are not asked for one."""
    require_client_certificate: bool = False
    """Who has none cannot finish the handshake."""

    @model_validator(mode="after")
    def authority_is_named(self) -> Self:
        if self.require_client_certificate and not self.client_ca_file:
            raise ValueError("require_client_certificate needs client_ca_file, which says whose are good. Add it.")
        return self
