"""``[faxmax]``: the accounts, and how long their faxes may take."""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from fax_bridge.fax import Paper, Resolution, ResultClass
from fax_bridge.setting_types import Duration, Seconds, Zone, is_loopback
from fax_bridge.settings.section import Section


class StatusMeaning(Section):
    """What one literal of FaxMAX's ``status`` or ``result_message`` means."""

    result: ResultClass = Field(alias="class")
    final: bool

    @field_validator("result")
    @classmethod
    def of_faxmax(cls, result: ResultClass) -> ResultClass:
        if result in (ResultClass.DOCUMENT, ResultClass.EXPIRED):
            raise ValueError(
                f'"{result}" is an end of ours, before FaxMAX had the fax. Write "refused" or "line_fault".'
            )
        return result


class Account(Section):
    """One FaxMAX account: how we reach it, and how its faxes look."""

    SECRETS = frozenset({"token", "password"})
    url: str = "https://faxmax.net/api/v1"
    """The service runs under other names too."""
    token: SecretStr = SecretStr("")
    """The access token; it changes when the account's password does."""
    username: str = ""
    """Instead of a token, with ``password``."""
    password: SecretStr = SecretStr("")
    """Of ``username``."""
    token_field: Literal["token_", "token"] = "token_"  # noqa: S105 — the name of a field, not a token
    """The name of the token's field on the wire."""
    cli: str = ""
    """The account's own number, which the receiver is shown."""
    paper_size: Paper = Paper.A4
    """Where neither the sender nor the mail says."""
    resolution: Resolution = Resolution.FINE
    """The same."""
    cover: Literal["html", "page"] = "html"
    """``html``: FaxMAX renders our cover; ``page``: it is rendered here as the first page, so that its letters are
    certain, and FaxMAX is sent none."""
    document: Literal["pdf", "raster"] = "pdf"
    """``raster``: the pages are drawn here, as the black and white dots of a fax of this resolution, rather than by
    FaxMAX. What is seen in a preview then is what is sent, dot for dot."""
    superfine: str = "superfine"
    """How ``superfine`` is spelled on the wire; the API page is of two minds."""
    ca_file: Path | None = None
    """Only these authorities (PEM) are trusted for FaxMAX's certificate."""
    proxy: str = Field(default="", repr=False)
    """``http://[USER:PASSWORD@]HOST:PORT``; the environment's proxies are not taken."""
    timeout: Duration = Seconds(300.0)
    """How long FaxMAX may take for its whole answer; it may render before it does."""
    max_concurrent: int = Field(default=4, ge=1)
    """How many faxes may be on their way to FaxMAX at once, over all nodes."""
    max_per_minute: int = Field(default=0, ge=0, le=6000)
    """How many faxes may be begun in a minute, over all nodes; 0 for as many as there are. They go evenly, above 60 a
    minute in bursts of a second's worth."""

    @field_validator("ca_file", mode="before")
    @classmethod
    def no_file(cls, value: object) -> object:
        return value or None

    @field_validator("ca_file")
    @classmethod
    def file_exists(cls, value: Path | None) -> Path | None:
        if value and not value.is_file():
            raise ValueError(f"{value} is not there. Name a file with the CA certificates in PEM, or leave it out.")
        return value

    @field_validator("url")
    @classmethod
    def safe_url(cls, url: str) -> str:
        found = re.fullmatch(r"(https?)://(\[[^\]]+\]|[^/:@]+)(:\d+)?(/\S*)?", url)
        if not found:
            # Not echoed: what stands before an @ may be a password.
            raise ValueError('this is no web address of FaxMAX\'s. Write e.g. "https://faxmax.net/api/v1".')
        if found[1] == "http" and not is_loopback(found[2].strip("[]")):
            raise ValueError("plain http would show the token and the faxes on the way. Write https://.")
        return url

    @field_validator("proxy")
    @classmethod
    def known_proxy(cls, proxy: str) -> str:
        if proxy and not re.fullmatch(r"https?://([^/@\s]+@)?(\[[^\]]+\]|[^/:@\s]+)(:\d+)?/?", proxy):
            raise ValueError('this is no proxy that can be used. Write "http://HOST:PORT".')
        return proxy

    def credentials(self) -> dict[str, str]:
        """The params that prove who we are (API page, ``token`` and its footnotes)."""
        if token := self.token.get_secret_value():
            return {self.token_field: token}
        return {"username": self.username, "password": self.password.get_secret_value()}

    @property
    def has_credentials(self) -> bool:
        return bool(self.token.get_secret_value() or (self.username and self.password.get_secret_value()))


class FaxMax(Account):
    """The account named ``default``, further accounts, and what holds for all of them."""

    accounts: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """``[faxmax.accounts.NAME]``: further accounts, with the keys in which they differ."""
    unknown_window: Duration = Seconds(1800.0)
    """How long a fax whose answer was lost waits for a push that fits."""
    confirm_within: Duration = Seconds(14400.0)
    """A fax of which nothing final was heard for so long is ``unconfirmed``, and its sender is told."""
    confirm_per_page: Duration = Seconds(60.0)
    """What each page adds to that."""
    queue_lifetime: Duration = Seconds(172800.0)
    """How long a fax is tried to be handed over, from when it may first go; quiet hours do not count."""
    held_for: Duration = Seconds(172800.0)
    """How long a held fax waits for a person; then it is cancelled, and its sender told."""
    send_at_within: Duration = Seconds(2_592_000.0)
    """How far ahead a sender may ask for a time to send at."""
    on_unknown: Literal["report", "retry"] = "report"
    """What becomes of it then: its sender is told, or it is sent again, and may arrive twice."""
    retry_first: Duration = Seconds(30.0)
    """Until the second try of a fax that could not be handed over; it doubles up to ``retry_longest``."""
    retry_longest: Duration = Seconds(1800.0)
    timezone: Zone = "Europe/Istanbul"
    """Of times in pushes that name none."""
    status_map: dict[str, StatusMeaning] = Field(default_factory=dict)
    """What further literals of FaxMAX's ``status`` mean, e.g. ``"Line busy" = { class = "busy", final = true }``."""
    auth_error_codes: tuple[int, ...] = (401, 403)
    """JSON-RPC error codes that mean bad credentials; FaxMAX documents none."""

    @model_validator(mode="after")
    def every_account_stands(self) -> Self:
        for name in ("default", *self.accounts):
            try:
                account = self.account(name)
            except ValidationError as fault:
                raise ValueError(f"account {name}: {fault.errors()[0]['msg']}") from None
            if account.token.get_secret_value() and account.username:
                raise ValueError(f"account {name} has both a token and a username. Keep one of them.")
            if not account.token.get_secret_value().isascii():
                raise ValueError(
                    f"account {name} has a token with letters that none has. Put in the one FaxMAX gave you."
                )
            if not account.has_credentials:
                raise ValueError(
                    f"account {name} has no credentials. Give faxmax.token (or faxmax.token_file), "
                    "or faxmax.username and faxmax.password."
                )
        return self

    def account(self, name: str) -> Account:
        """The account with what it leaves open taken from ``[faxmax]``. Raises ``KeyError``."""
        own = {} if name == "default" and name not in self.accounts else self.accounts[name]
        shared = {key: getattr(self, key) for key in Account.model_fields}
        if "token" in own or "token_file" in own:
            shared |= {"username": "", "password": ""}
        elif "username" in own:
            shared |= {"token": ""}
        for key in own:
            shared.pop(key.removesuffix("_file"), None)
        return Account.model_validate(shared | own)

    def account_or_default(self, name: str) -> Account:
        """The same; where the settings have lost it since, what holds for all of them."""
        return self.account(name) if name in self.account_names else self

    @property
    def account_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("default", *self.accounts)))
