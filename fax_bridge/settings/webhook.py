"""``[webhook]``: where FaxMAX pushes to."""

import re

from pydantic import Field, SecretStr, field_validator

from fax_bridge.setting_types import Listen, Network
from fax_bridge.settings.section import Section
from fax_bridge.settings.tls import Tls

MIN_SECRET = 16
"""Characters that a webhook secret needs: it is all that keeps a stranger from writing pushes."""


class Webhook(Section):
    """Where FaxMAX pushes to. `docs/webhook.md` has the proxy in front."""

    SECRETS = frozenset({"secrets"})
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8080),)
    """Where the proxy passes FaxMAX's pushes on to."""
    secrets: tuple[SecretStr, ...] = Field(min_length=1)
    """The end of the path that FaxMAX pushes to, ``/push/SECRET``; several while one is being changed."""
    public_url: str = ""
    """Where FaxMAX reaches us, without path and secret, e.g. ``https://fax.example.com``: ``doctor`` tries it."""
    max_body_bytes: int = Field(default=104_857_600, gt=0)
    """Of a push; a larger one is refused with 413."""
    tls: Tls | None = None
    """The listener's own; without it a proxy before it has to bring TLS."""
    allow_from: tuple[Network, ...] = ()
    """Where pushes may come from; anywhere if empty. Others hear the 404 of a wrong secret."""
    trusted_proxies: tuple[Network, ...] = ()
    """Their X-Forwarded-For is believed, nobody else's."""

    @field_validator("public_url")
    @classmethod
    def is_a_url(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[^/:@\s?#]+)(:\d+)?(/[^\s?#]*)?", url):
            raise ValueError('this is no public address. Write e.g. "https://fax.example.com", without the secret.')
        return url.rstrip("/")

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
