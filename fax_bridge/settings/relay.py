"""``[relay]``: the mail server that our mails leave through."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from fax_bridge.setting_types import Duration, FromHeader, Seconds
from fax_bridge.settings.section import Section


class RelaySettings(Section):
    """The mail server that takes reports and received faxes."""

    SECRETS = frozenset({"url"})
    url: SecretStr = SecretStr("smtp://127.0.0.1:25")
    """``smtp://HOST:25``, ``smtp+starttls://USER:PASSWORD@HOST:587``, ``smtps://``, ``lmtp://``, ``lmtp:///SOCKET`` or
    ``maildir:///DIR``."""
    from_: FromHeader = Field(alias="from")
    """The From header of what we write."""
    ca_file: Path | None = None
    """Only these authorities (PEM) are trusted for its certificate; without it, the system's."""
    timeout: Duration = Seconds(60.0)
    """For each command of the dialogue."""
    retry_first: Duration = Seconds(30.0)
    """Until the second try of a mail that was put off; it doubles up to ``retry_longest``."""
    retry_longest: Duration = Seconds(3600.0)
    queue_lifetime: Duration = Seconds(432000.0)
    """How long a mail is tried; then it has failed, and the operator is told."""

    @field_validator("ca_file", mode="before")
    @classmethod
    def no_file(cls, value: object) -> object:
        return value or None

    @field_validator("url")
    @classmethod
    def known_scheme(cls, url: SecretStr) -> SecretStr:
        scheme = url.get_secret_value().split(":", 1)[0]
        if scheme not in {"smtp", "smtp+starttls", "smtps", "lmtp", "maildir"}:
            raise ValueError(
                f'"{scheme}:" is no way to send mail. Write smtp://HOST:25, smtp+starttls://, smtps://, '
                "lmtp:// or maildir:///DIR."
            )
        return url
