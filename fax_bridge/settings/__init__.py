"""Every setting with its type, its default and its meaning.

Settings are strict: a key that nothing reads refuses to start, because a typing error in ``networks`` must
not open the gateway. Where they come from is in :mod:`fax_bridge.setting_sources`.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fax_bridge.fax import now
from fax_bridge.numbers import BadNumber, read_number
from fax_bridge.quiet_hours import QuietHours, Schedule
from fax_bridge.setting_types import Day
from fax_bridge.settings.cover import Cover
from fax_bridge.settings.faxmax import Account, FaxMax, StatusMeaning
from fax_bridge.settings.inbound import Inbound, Route
from fax_bridge.settings.inbound_faults import route_faults
from fax_bridge.settings.limits import Duplicates, LimitSettings
from fax_bridge.settings.log import Log
from fax_bridge.settings.numbers import Numbers, QuietHoursSettings
from fax_bridge.settings.ops import AlertSettings, Ops
from fax_bridge.settings.reading import Reading
from fax_bridge.settings.relay import RelaySettings
from fax_bridge.settings.reports import Reports
from fax_bridge.settings.section import MASK, Section, SettingsError, masked
from fax_bridge.settings.senders import Sender, SenderDefaults, any_fits, with_inherited
from fax_bridge.settings.smtp import Lmtp, Scanners, Smtp
from fax_bridge.settings.storage import Retention, StoreSettings
from fax_bridge.settings.tls import SmtpTls, Tls
from fax_bridge.settings.users import User
from fax_bridge.settings.webhook import MIN_SECRET, Webhook

__all__ = [
    "MASK",
    "MIN_SECRET",
    "Account",
    "AlertSettings",
    "Cover",
    "Duplicates",
    "FaxMax",
    "Inbound",
    "LimitSettings",
    "Lmtp",
    "Log",
    "Numbers",
    "Ops",
    "QuietHoursSettings",
    "Reading",
    "RelaySettings",
    "Reports",
    "Retention",
    "Route",
    "Scanners",
    "Section",
    "Sender",
    "SenderDefaults",
    "Settings",
    "SettingsError",
    "Smtp",
    "SmtpTls",
    "StatusMeaning",
    "StoreSettings",
    "Tls",
    "User",
    "Webhook",
]


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
    cover: Cover = Cover()
    retention: Retention = Retention()
    log: Log = Log()
    ops: Ops = Ops()
    alerts: AlertSettings = AlertSettings()
    senders: tuple[Sender, ...] = Field(min_length=1)
    sender_defaults: SenderDefaults = SenderDefaults()
    users: tuple[User, ...] = ()
    routes: tuple[Route, ...] = ()
    quiet_hours: tuple[QuietHoursSettings, ...] = ()
    limits: tuple[LimitSettings, ...] = ()
    duplicates: Duplicates = Duplicates()
    templates_dir: Path | None = None
    """Templates found here win over those that come with the program."""

    @field_validator("templates_dir")
    @classmethod
    def directory_exists(cls, value: Path | None) -> Path | None:
        if value and not value.is_dir():
            raise ValueError(f"{value} is no directory. Make it, or leave templates_dir out.")
        return value

    @model_validator(mode="before")
    @classmethod
    def senders_inherit(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "senders" not in values:
            return values
        return {**values, "senders": with_inherited(values["senders"], values.get("sender_defaults", {}))}

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        faults = []
        for place, number in (
            ("faxmax.cli", self.faxmax.cli),
            *((f"faxmax.accounts.{name}.cli", own.get("cli", "")) for name, own in self.faxmax.accounts.items()),
            *((f"senders[{i}].cli", sender.cli) for i, sender in enumerate(self.senders)),
            *((f"senders[{i}].allowed_cli", one) for i, own in enumerate(self.senders) for one in own.allowed_cli),
        ):
            try:
                if number:
                    read_number(number, self.numbers.region)
            except BadNumber as fault:
                faults.append(f'{place}: {fault}. Write it with its country code, e.g. "902162222525".')
        for i, sender in enumerate(self.senders):
            if sender.account not in self.faxmax.account_names:
                known = ", ".join(self.faxmax.account_names)
                faults.append(f'senders[{i}].account: there is no account "{sender.account}". Known: {known}.')
        faults += route_faults(self.inbound, self.routes, self.numbers.region, self.faxmax.account_names)
        if self.inbound.fallback.rpartition("@")[2].lower() in self.smtp.domains:
            faults.append(
                f"inbound.fallback: mail to {self.inbound.fallback} would come back here. "
                "Give a mailbox outside smtp.domains."
            )
        faults += self._faults_of_users()
        mail = (*self.smtp.listen, *self.smtp.listen_tls, *self.smtp.scanners.listen)
        places = [str(listen) for listen in (*mail, *self.webhook.listen) if listen.port]
        faults += [
            f"smtp.listen / webhook.listen: {place} is given twice. Give each listener a port of its own."
            for place in sorted({place for place in places if places.count(place) > 1})
        ]
        public = {where.port for where in (*self.smtp.listen, *self.webhook.listen) if where.port}
        faults += [
            f"ops.listen: {where} has the port of a mail or webhook listener. Give it one of its own, "
            'out of reach from outside, e.g. "127.0.0.1:9125".'
            for where in self.ops.listen
            if where.port in public
        ]
        for prefix in self.schedule.without_time(now()):
            place = f"numbers that begin with {prefix}" if prefix else "any number"
            faults.append(f"quiet_hours: together they leave no time at all for {place}. Shorten one of them.")
        if faults:
            raise SettingsError(faults)
        return self

    def _faults_of_users(self) -> list[str]:
        names = [user.name.lower() for user in self.users]
        faults = [f'users: "{name}" is there twice. Keep one.' for name in sorted(set(names)) if names.count(name) > 1]
        for i, sender in enumerate(self.senders):
            unknown = [one for one in sender.auth if not any(any_fits((one,), name) for name in names)]
            faults += [f'senders[{i}].auth: there is no user "{one}". Add it to [[users]].' for one in unknown]
            if sender.certificates and not (self.smtp.tls and self.smtp.tls.client_ca_file):
                faults.append(f"senders[{i}].certificates: nobody is asked for one. Set smtp.tls.client_ca_file.")
            if sender.scanner and not self.smtp.scanners.listen:
                faults.append(f"senders[{i}].scanner: scanners have no listener. Set smtp.scanners.listen.")
        return faults

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
        dump["store"]["url"] = masked(self.store.url)
        for own in (dump["faxmax"], *dump["faxmax"]["accounts"].values()):
            own.update({key: MASK for key in ("token", "password") if own.get(key)})
            own.update({key: masked(own[key]) for key in ("proxy",) if own.get(key)})
        for sink in (sink for route in dump["routes"] for sink in route["webhooks"]):
            sink["url"] = sink["url"].partition("?")[0]  # what follows is often a key
        return dump
