"""``[webhook]``: where FaxMAX pushes to."""

import re

from pydantic import Field, SecretStr, field_validator

from fax_bridge.setting_types import Listen, Network
from fax_bridge.settings.section import Section
from fax_bridge.settings.tls import Tls

MIN_SECRET = 16
"""Characters that a webhook secret needs: it is all that keeps a stranger from writing pushes."""


class Webhook(Section):
    SECRETS = frozenset({"secrets"})
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8080),)
    secrets: tuple[SecretStr, ...] = Field(min_length=1)
    max_body_bytes: int = Field(default=104_857_600, gt=0)
    tls: Tls | None = None
    """The listener's own; without it a proxy before it has to bring TLS."""
    allow_from: tuple[Network, ...] = ()
    """Where pushes may come from; anywhere if empty. Others hear the 404 of a wrong secret."""
    trusted_proxies: tuple[Network, ...] = ()
    """Their X-Forwarded-For is believed, nobody else's."""

    @field_validator("secrets")
    @classmethod
    def long_enough(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            text = secret.get_secret_value()
            if len(text) < MIN_SECRET or not re.fullmatch(r"[A-Za-z0-9._~-]+", text):
                raise ValueError(
                    f"a secret needs at least {MIN_SECRET} characters, of A-Z a-z 0-9 . _ ~ - only. "
                    "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
                )
        return secrets
