"""``[inbound]`` and ``[[routes]]``: who gets the received faxes, and in which form."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from fax_bridge.fax import Language
from fax_bridge.name_tokens import check_tokens
from fax_bridge.setting_types import Address, ClockTime, Day, Duration, Seconds, Zone
from fax_bridge.settings.section import Section

Format = Literal["pdf", "tiff", "both"]
Privacy = Literal["attachment", "notice", "link"]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One text or a list of them."""
_PAGES = re.compile(r"([1-9][0-9]{0,4})?(-)?([1-9][0-9]{0,4})?")
_LINK = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?")


class _Named(Section):
    """What ``[inbound]`` says for all and a route for itself."""

    @field_validator("subject", "file_name", check_fields=False)
    @classmethod
    def known_tokens(cls, value: str | None) -> str | None:
        return value if value is None else check_tokens(value)


class Inbound(_Named):
    fallback: Address
    """Gets the received faxes that no route takes or that came back, what is sent to postmaster@ and abuse@ our
    domains, and the operator's alerts."""
    from_: Literal["caller", "fixed"] = Field(default="caller", alias="from")
    """``fixed``: ``relay.from`` with the number as its name, the number's address as Reply-To."""
    routing: Literal["first", "all"] = "first"
    """Whether the first route that fits takes the fax, or all that fit."""
    format: Format = "pdf"
    """What is attached. Where the PDF is not the whole truth, the TIFF comes beside it."""
    privacy: Privacy = "attachment"
    """``notice``: the mail only tells of the fax; ``link``: it has an address from which the fax can be fetched."""
    subject: str = ""
    """With tokens (:mod:`fax_bridge.name_tokens`); empty for the one of the templates."""
    file_name: str = ""
    """Of what is attached, without its ending; the same tokens."""
    json_part: bool = False
    """A small JSON file beside the fax, for programs."""
    max_mail_bytes: int = Field(default=25_000_000, ge=100_000)
    """What the mail server takes. Above it the TIFF is left out, then a link or a notice stands for the fax."""
    link_url: str = ""
    """Where the webhook's listener is seen from outside, e.g. ``https://fax.example.com``; links begin with it."""
    link_lifetime: Duration = Seconds(604_800.0)
    """How long a link works, and how long the fax behind it is kept."""
    bounce_lifetime: Duration = Seconds(1_209_600.0)
    """How long the address that a received fax's mail leaves from takes bounces."""
    max_passed_on_bytes: int = Field(default=1_000_000, ge=10_000)
    """The largest mail that is passed on for postmaster@ and abuse@."""
    max_passed_on_per_hour: int = Field(default=60, ge=1)
    """More than so many are put off."""

    @field_validator("link_url")
    @classmethod
    def web_address(cls, value: str) -> str:
        if value and not _LINK.fullmatch(value):
            raise ValueError('this is no address that links can begin with. Write e.g. "https://fax.example.com".')
        return value.rstrip("/")


class DirectorySink(Section):
    """A directory that gets the files of each fax, for paperless-ngx and hot folders."""

    path: Path
    """It has to be there; files appear in it under their name only when they are whole."""
    format: Format = "pdf"
    file_name: str = "{calling}-{date}-{time}"
    """The fax's id is added where it is not among the tokens: no file ever takes another one's place."""

    @field_validator("file_name")
    @classmethod
    def known_tokens(cls, value: str) -> str:
        return check_tokens(value)

    @field_validator("path")
    @classmethod
    def absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f'"{value}" is no absolute path. Write it from the root on, e.g. "/srv/fax".')
        return value


class WebhookSink(Section):
    """A server of yours that gets each fax as a signed POST."""

    SECRETS = frozenset({"secret"})
    url: str
    """Gets a POST for each fax."""
    secret: SecretStr
    """Signs it (HMAC-SHA-256), so that its server knows whose it is."""
    format: Format = "pdf"
    timeout: Duration = Seconds(30.0)
    """Until the answer; what is not answered with 2xx is tried again."""
    ca_file: Path | None = None
    """Where its certificate is of a CA of your own."""

    @field_validator("url")
    @classmethod
    def web_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s@/?#]+(/[^\s#]*)?", value):
            raise ValueError("this is no address to post to. Write https://HOST/PATH, without user or password.")
        return value

    @field_validator("secret")
    @classmethod
    def long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 16:
            raise ValueError(
                "a secret needs at least 16 characters. "
                "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return value


class Route(_Named):
    """Every condition that is given has to hold; one without conditions takes every fax."""

    name: str = Field(default="", max_length=60)
    """By which mails and ``route-test`` name it."""
    called: Patterns = ()
    """The number that was called, or a list: ``902162222525``, ``90216*``, ``902162222500-902162222599``, ``none``."""
    caller: Patterns = ()
    """The same for the calling number."""
    csid: Patterns = ()
    """What the sending machine calls itself; ``*`` stands for any letters, capitals are small ones."""
    account: Patterns = ()
    """The FaxMAX account that got the fax."""
    days: tuple[Day, ...] = ()
    """On which it came."""
    hours: Annotated[tuple[ClockTime, ...], Field(max_length=2)] = ()
    """``["08:00", "18:00"]``; the second may be past midnight."""
    pages: str = ""
    """``1``, ``1-3``, ``10-``."""
    timezone: Zone | None = None
    """Of ``days``, ``hours`` and its mails; ``[reports] timezone`` where it is not given."""

    to: tuple[Address, ...] = ()
    """Who gets the fax by mail."""
    cc: tuple[Address, ...] = ()
    """Who gets a copy."""
    bcc: tuple[Address, ...] = ()
    """An archive, which the others do not see."""
    language: Language | None = None
    """Of its mails; ``[reports] language`` where it is not given."""
    format: Format | None = None
    """``[inbound] format`` for this route."""
    privacy: Privacy | None = None
    """``[inbound] privacy`` for this route."""
    subject: str | None = None
    """``[inbound] subject`` for this route."""
    file_name: str | None = None
    """``[inbound] file_name`` for this route."""
    json_part: bool | None = None
    """``[inbound] json_part`` for this route."""
    directories: tuple[DirectorySink, ...] = ()
    """Where its files are laid down, beside its mails or instead of them."""
    webhooks: tuple[WebhookSink, ...] = ()
    """Which servers get it, beside its mails or instead of them."""

    @field_validator("pages")
    @classmethod
    def page_range(cls, value: str) -> str:
        found = _PAGES.fullmatch(value)
        if value and (not found or not (found[1] or found[3]) or int(found[1] or 0) > int(found[3] or 99_999)):
            raise ValueError(f'"{value}" is no number of pages. Write e.g. "1", "1-3" or "10-".')
        return value

    @field_validator("hours")
    @classmethod
    def from_and_until(cls, value: tuple[time, ...]) -> tuple[time, ...]:
        if len(value) == 1:
            raise ValueError('a beginning and an end are needed. Write e.g. ["08:00", "18:00"].')
        return value

    @model_validator(mode="after")
    def goes_somewhere(self) -> Self:
        if not (self.to or self.directories or self.webhooks):
            raise ValueError("it leads nowhere. Give it to, a [[routes.directories]] or a [[routes.webhooks]].")
        if (self.cc or self.bcc) and not self.to:
            raise ValueError("cc and bcc come beside to. Give to as well.")
        return self

    @property
    def page_bounds(self) -> tuple[int, int] | None:
        """The least and the most pages."""
        found = _PAGES.fullmatch(self.pages)
        if not self.pages or not found:
            return None
        least = int(found[1] or 1)
        return least, int(found[3]) if found[3] else 99_999 if found[2] else least
