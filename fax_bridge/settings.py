"""Every setting with its type, its default and its meaning.

Settings are strict: a key that nothing reads refuses to start, because a typing error in ``networks`` must
not open the gateway. Where they come from is in :mod:`fax_bridge.setting_sources`.
"""

import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from fax_bridge.fax import Language, Paper, Resolution, ResultClass, now
from fax_bridge.numbers import BadNumber, is_region, read_number
from fax_bridge.quiet_hours import QuietHours, Schedule
from fax_bridge.setting_types import (
    Address,
    ClockTime,
    Day,
    Destination,
    Domain,
    Duration,
    FromHeader,
    Listen,
    ListenOrSocket,
    Network,
    Seconds,
    Zone,
    is_loopback,
)

MIN_SECRET = 16
"""Characters that a webhook secret needs: it is all that keeps a stranger from writing pushes."""


class SettingsError(ValueError):
    """The settings cannot run; ``faults`` has a line for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)
    SECRETS: ClassVar[frozenset[str]] = frozenset()
    """Keys of which ``KEY_file`` may name a file with the value."""

    @model_validator(mode="before")
    @classmethod
    def read_secret_files(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for key in cls.SECRETS & {k.removesuffix("_file") for k in values if k.endswith("_file")}:
            name = values.pop(f"{key}_file")
            if key in values:
                raise ValueError(f"both {key} and {key}_file are given. Keep one of them.")
            try:
                text = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, TypeError, UnicodeDecodeError) as fault:
                why = getattr(fault, "strerror", None) or type(fault).__name__
                raise ValueError(f"{key}_file: cannot read {name} ({why}). Check the path and its owner.") from None
            values[key] = text.splitlines() if key == "secrets" else text
        return values


class Smtp(Section):
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8025),)
    domains: tuple[Domain, ...] = Field(min_length=1)
    """What stands behind the @ of a fax address; the first is where replies to received faxes go."""
    max_message_bytes: int = Field(default=26_214_400, gt=0)
    max_recipients: int = Field(default=100, ge=100)
    """RFC 5321 §4.5.3.1.8 asks for at least 100."""
    spool_memory: int = Field(default=262_144, ge=0)
    """Bytes of a mail that wait in memory; what is more goes to the store in pieces while it comes."""
    bare_newline: Literal["keep", "reject"] = "keep"
    """A CR or LF alone within a mail is kept as it is, or refuses the mail; it never ends anything."""
    smtputf8: bool = False
    """Take addresses beyond ASCII (RFC 6531). Reports go to them, so the relay has to take them: ``check`` asks it."""
    repeat_window: Duration = Seconds(600.0)
    """The same mail to the same number within this time is a repeat whose 250 was lost, and no second fax."""
    idle_timeout: Duration = Seconds(300.0)  # RFC 5321 §4.5.3.2.7
    min_rate: float = Field(default=50.0, ge=0)
    """Bytes per second, averaged, that a mail has to come at, once ``min_rate_grace`` is over."""
    min_rate_grace: Duration = Seconds(60.0)
    data_timeout: Duration = Seconds(43_200.0)
    """The longest that one mail may take, whatever its rate; less than the day that staged pieces are kept."""
    max_sessions: int = Field(default=200, ge=1)
    max_sessions_per_client: int = Field(default=50, ge=1)
    min_free_bytes: int = Field(default=200_000_000, ge=0)
    """With less room on the disk of a SQLite store, mail is put off."""

    @field_validator("data_timeout")
    @classmethod
    def before_the_purge(cls, seconds: float) -> float:
        if seconds > 43_200:
            raise ValueError("longer than 12h, and what came of a mail might be purged before its end. Write less.")
        return seconds


class Lmtp(Section):
    """A second way in, for a mail server beside us: Postfix or Dovecot (RFC 2033)."""

    listen: tuple[ListenOrSocket, ...] = ()
    mode: str = Field(default="0660", pattern=r"^0?[0-7]{3}$")
    """Who may connect to the Unix sockets: their permission bits in octal."""


class StoreSettings(Section):
    SECRETS = frozenset({"url"})
    url: str = Field(default="sqlite:////var/lib/fax-bridge/fax-bridge.db", repr=False)
    """May hold a password, so it is shown only through :meth:`Settings.shown`."""

    @field_validator("url")
    @classmethod
    def known_scheme(cls, url: str) -> str:
        if not re.fullmatch(r"sqlite:///.+|postgres(ql)?://.+", url):
            raise ValueError(
                'no such store. Write "sqlite:////ABSOLUTE/PATH.db" (four slashes) '
                'or "postgresql://USER:PASSWORD@HOST/DATABASE".'
            )
        return url

    @property
    def path(self) -> Path | None:
        """The SQLite file; ``None`` for a server."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None


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
    token: SecretStr = SecretStr("")
    username: str = ""
    password: SecretStr = SecretStr("")
    token_field: Literal["token_", "token"] = "token_"  # noqa: S105 — the name of a field, not a token
    cli: str = ""
    paper_size: Paper = Paper.A4
    resolution: Resolution = Resolution.FINE
    superfine: str = "superfine"
    """How ``superfine`` is spelled on the wire; the API page is of two minds."""
    ca_file: Path | None = None
    proxy: str = Field(default="", repr=False)
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

    accounts: dict[str, dict[str, Any]] = {}
    unknown_window: Duration = Seconds(1800.0)
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
    retry_first: Duration = Seconds(30.0)
    retry_longest: Duration = Seconds(1800.0)
    timezone: Zone = "Europe/Istanbul"
    status_map: dict[str, StatusMeaning] = {}
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

    @property
    def account_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("default", *self.accounts)))


class Webhook(Section):
    SECRETS = frozenset({"secrets"})
    listen: tuple[Listen, ...] = (Listen(host="127.0.0.1", port=8080),)
    secrets: tuple[SecretStr, ...] = Field(min_length=1)
    max_body_bytes: int = Field(default=104_857_600, gt=0)

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


class Inbound(Section):
    fallback: Address
    """Gets the received faxes that no route takes, and the operator's alerts."""


class Numbers(Section):
    region: str = "TR"

    @field_validator("region")
    @classmethod
    def known_region(cls, region: str) -> str:
        if not is_region(region):
            raise ValueError(f'"{region}" is no region. Write its two letters, e.g. "TR".')
        return region


class Reports(Section):
    language: Language = Language.TR
    timezone: Zone = "Europe/Istanbul"


class Reading(Section):
    """What of a mail is faxed."""

    quoted_original: Literal["cut", "keep"] = "cut"
    """In a reply to a report or a received fax of ours: the quoted original, our picture and our PDF."""
    zip: Literal["refuse", "unpack"] = "refuse"
    """Zip files: one level is unpacked, or a mail with one is refused."""


class Sender(Section):
    """Who may send. The conditions within an entry all have to hold; the first entry that fits is taken."""

    match: str = Field(min_length=1)
    """The envelope sender; ``*`` is any run of characters. The whole address has to fit."""
    networks: tuple[Network, ...] = ()
    account: str = "default"
    language: Language | None = None
    cli: str = ""
    paper_size: Paper | None = None
    resolution: Resolution | None = None

    @model_validator(mode="after")
    def has_a_condition(self) -> Self:
        if not self.networks:
            raise ValueError(
                f'"{self.match}" has no condition beside match, and an envelope sender proves nothing. '
                'Add networks, e.g. networks = ["192.168.1.0/24"].'
            )
        return self

    def fits(self, mail_from: str) -> bool:
        return bool(_pattern(self.match).fullmatch(mail_from.lower()))


@lru_cache(maxsize=4096)
def _pattern(match: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in match.lower().split("*")), re.DOTALL)


class Route(Section):
    called: str
    to: tuple[Address, ...] = Field(min_length=1)


class QuietHoursSettings(Section):
    """When no fax to some destinations is begun. All entries that match a number hold for it."""

    match: Destination
    from_: ClockTime = Field(alias="from")
    until: ClockTime
    """On the next day, where it is not later than ``from``; equal to it, they last a whole day."""
    days: tuple[Day, ...] = Field(default=get_args(Day), min_length=1)
    """On which they begin."""
    timezone: Zone | None = None
    """Of the destination; ``reports.timezone`` where there is none."""
    send_at_wins: bool = False
    """Whether a fax goes within them all the same, if its sender asked for that time."""


class Retention(Section):
    """How long things are kept after their end."""

    content: Duration = Seconds(604800.0)
    """Mails, documents, received faxes, raw pushes."""
    metadata: Duration = Seconds(34560000.0)
    """Who sent what to whom, and what became of it."""

    @model_validator(mode="after")
    def history_outlives_content(self) -> Self:
        if self.metadata < self.content:
            raise ValueError('metadata is kept shorter than content. Give it at least as long, e.g. "400d".')
        return self


class Log(Section):
    format: Literal["human", "json"] = "human"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All of it. :func:`fax_bridge.setting_sources.load` is the way to get one."""

    model_config = SettingsConfigDict(
        env_prefix="FAX_BRIDGE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )
    smtp: Smtp
    lmtp: Lmtp = Lmtp()
    store: StoreSettings = StoreSettings()
    faxmax: FaxMax
    webhook: Webhook
    relay: RelaySettings
    inbound: Inbound
    numbers: Numbers = Numbers()
    reports: Reports = Reports()
    reading: Reading = Reading()
    retention: Retention = Retention()
    log: Log = Log()
    senders: tuple[Sender, ...] = Field(min_length=1)
    routes: tuple[Route, ...] = ()
    quiet_hours: tuple[QuietHoursSettings, ...] = ()
    templates_dir: Path | None = None
    """Templates found here win over those that come with the program."""

    @field_validator("templates_dir")
    @classmethod
    def directory_exists(cls, value: Path | None) -> Path | None:
        if value and not value.is_dir():
            raise ValueError(f"{value} is no directory. Make it, or leave templates_dir out.")
        return value

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        faults = []
        for place, number in (
            ("faxmax.cli", self.faxmax.cli),
            *((f"faxmax.accounts.{name}.cli", own.get("cli", "")) for name, own in self.faxmax.accounts.items()),
            *((f"senders[{i}].cli", sender.cli) for i, sender in enumerate(self.senders)),
            *((f"routes[{i}].called", route.called) for i, route in enumerate(self.routes)),
        ):
            try:
                if number or place.endswith("called"):
                    read_number(number, self.numbers.region)
            except BadNumber as fault:
                faults.append(f'{place}: {fault}. Write it with its country code, e.g. "902162222525".')
        for i, sender in enumerate(self.senders):
            if sender.account not in self.faxmax.account_names:
                known = ", ".join(self.faxmax.account_names)
                faults.append(f'senders[{i}].account: there is no account "{sender.account}". Known: {known}.')
        places = [str(listen) for listen in (*self.smtp.listen, *self.webhook.listen) if listen.port]
        faults += [
            f"smtp.listen / webhook.listen: {place} is given twice. Give each listener a port of its own."
            for place in sorted({place for place in places if places.count(place) > 1})
        ]
        for prefix in self.schedule.without_time(now()):
            place = f"numbers that begin with {prefix}" if prefix else "any number"
            faults.append(f"quiet_hours: together they leave no time at all for {place}. Shorten one of them.")
        if faults:
            raise SettingsError(faults)
        return self

    @cached_property
    def schedule(self) -> Schedule:
        days = get_args(Day)
        return Schedule(
            tuple(
                QuietHours(
                    prefix=entry.match.removeprefix("*"),
                    start=entry.from_,
                    end=entry.until,
                    zone=ZoneInfo(entry.timezone or self.reports.timezone),
                    days=frozenset(days.index(day) for day in entry.days),
                    yields=entry.send_at_wins,
                )
                for entry in self.quiet_hours
            )
        )

    def shown(self) -> dict[str, Any]:
        """All settings for the log and for people, secrets masked."""
        dump: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        dump["store"]["url"] = _masked(self.store.url)
        for own in (dump["faxmax"], *dump["faxmax"]["accounts"].values()):
            own.update({key: MASK for key in ("token", "password") if own.get(key)})
            own.update({key: _masked(own[key]) for key in ("proxy",) if own.get(key)})
        return dump


MASK = "**********"


def _masked(url: str) -> str:
    """The URL without what stands between ``//`` and ``@``, where passwords are, also in a query."""
    return re.sub(r"(password=)[^&]*", rf"\g<1>{MASK}", re.sub(r"//[^/@]*@", f"//{MASK}@", url))
