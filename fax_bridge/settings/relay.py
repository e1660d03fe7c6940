"""``[relay]``: the mail server that our mails leave through."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from fax_bridge.setting_types import Duration, FromHeader, Seconds
from fax_bridge.settings.section import Section


class RelaySettings(Section):
    SECRETS = frozenset({"url"})
    url: SecretStr = SecretStr("smtp://127.0.0.1:25")
    from_: FromHeader = Field(alias="from")
    ca_file: Path | None = None
    timeout: Duration = Seconds(60.0)
    retry_first: Duration = Seconds(30.0)
    retry_longest: Duration = Seconds(3600.0)
    queue_lifetime: Duration = Seconds(432000.0)

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
