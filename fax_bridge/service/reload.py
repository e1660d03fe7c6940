"""SIGHUP: the settings are read again. What can change while we run does; the rest is named, and waits for a restart.

All parts of the daemon look at one :class:`~fax_bridge.settings.Settings` at the moment at which they need a value. So
a reload puts new values into that object, whole sections where it can, between two steps of the event loop: nobody sees
half of it. A file that cannot run changes nothing.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fax_bridge.settings import Settings, SettingsError

LIVE = frozenset(
    {
        "senders", "routes", "quiet_hours", "inbound", "numbers", "reports", "reading", "retention", "log", "alerts",
        "smtp.domains", "smtp.max_message_bytes", "smtp.max_recipients", "smtp.spool_memory", "smtp.bare_newline",
        "smtp.smtputf8", "smtp.repeat_window", "smtp.idle_timeout", "smtp.min_rate", "smtp.min_rate_grace",
        "smtp.data_timeout",
        "webhook.secrets", "webhook.max_body_bytes", "webhook.public_url",
        "relay.from_", "relay.retry_first", "relay.retry_longest", "relay.queue_lifetime",
    }
)  # fmt: skip
"""Sections, and single keys, that every part reads anew each time. What is not named here was read at the start."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The changed settings, dotted: those that hold now, and those that wait for a restart."""

    applied: tuple[str, ...]
    need_restart: tuple[str, ...]

    def __str__(self) -> str:
        if not self.applied and not self.need_restart:
            return "no setting has changed"
        now = f"changed: {', '.join(self.applied)}" if self.applied else ""
        later = f"need a restart: {', '.join(self.need_restart)}" if self.need_restart else ""
        return "; ".join(filter(None, (now, later)))


def take_over(running: Settings, new: Settings) -> Reloaded:
    """Put what can change into ``running``. Raises :class:`SettingsError`, and changes nothing, where that would not
    fit together with what has to stay, e.g. a sender of an account that is not known before a restart.
    """
    changed = _changed(running, new)
    applied = tuple(key for key in changed if _is_live(key))
    merged = running.model_copy(update=_values(running, new, applied))
    merged.__dict__.pop("schedule", None)  # made from the quiet hours when first asked for
    try:
        merged.names_agree()  # type: ignore[operator]  # the validator itself, once pydantic has bound it
    except SettingsError as fault:
        raise SettingsError(
            [*fault.faults, "Some of the new settings need a restart before the others can hold."]
        ) from None
    # Frozen for everybody else; this is the one place where the values change.
    running.__dict__.pop("schedule", None)
    running.__dict__.update({name: getattr(merged, name) for name in type(running).model_fields})
    return Reloaded(applied, tuple(key for key in changed if not _is_live(key)))


def _changed(old: Settings, new: Settings) -> list[str]:
    keys: list[str] = []
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if not isinstance(before, BaseModel) or type(before) is not type(after):
            keys += [name] if before != after else []
            continue
        fields = type(before).model_fields
        keys += [f"{name}.{key}" for key in fields if getattr(before, key) != getattr(after, key)]
    return keys


def _is_live(key: str) -> bool:
    return key in LIVE or key.split(".")[0] in LIVE


def _values(running: Settings, new: Settings, keys: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in keys:
        section, _, leaf = key.partition(".")
        if not leaf:
            values[section] = getattr(new, section)
            continue
        part = values.get(section, getattr(running, section))
        values[section] = part.model_copy(update={leaf: getattr(getattr(new, section), leaf)})
    return values
