"""``[[users]]``: who can log in (SMTP AUTH). What a user may then do stands in ``[[senders]]``."""

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import Field, SecretStr, field_validator

from fax_bridge.settings.section import Section

MOST_MEMORY = 262_144
"""KiB that checking one password may take; four are checked at once at most."""


class User(Section):
    SECRETS = frozenset({"password_hash"})
    name: str = Field(min_length=1, max_length=255)
    """As it is typed at login; capitals make no difference."""
    password_hash: SecretStr
    """Of ``fax-bridge hash-password``."""

    @field_validator("password_hash")
    @classmethod
    def is_argon2(cls, secret: SecretStr) -> SecretStr:
        try:
            parameters = extract_parameters(secret.get_secret_value())
        except InvalidHashError:
            raise ValueError("is no Argon2 hash. Make one with: fax-bridge hash-password") from None
        if parameters.memory_cost > MOST_MEMORY:
            raise ValueError(
                f"takes {parameters.memory_cost // 1024} MiB to check, more than {MOST_MEMORY // 1024}. "
                "Make another with: fax-bridge hash-password"
            )
        return secret
