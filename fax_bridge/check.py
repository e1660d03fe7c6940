"""``fax-bridge check``: can these settings run? Each fault is a line with its mend; nothing is changed or contacted."""

import os
from pathlib import Path

from fax_bridge.faxmax.client import tls_context
from fax_bridge.mail.relay import Relay
from fax_bridge.mail.words import Words
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings, SettingsError


def faults_of(config: Path | None) -> list[str]:
    """What keeps the daemon from running with these settings; empty if nothing does."""
    try:
        settings = load(config)
    except SettingsError as error:
        return error.faults
    return [*_relay(settings), *_store(settings), *_templates(settings), *_authorities(settings)]


def _relay(settings: Settings) -> list[str]:
    try:
        Relay.from_url(settings.relay.url.get_secret_value(), timeout=1, ca_file=str(settings.relay.ca_file or ""))
    except ValueError as fault:
        return [f"relay.url: {fault}"]
    return []


def _store(settings: Settings) -> list[str]:
    path = settings.store.path
    if path is None:
        return []
    if not path.parent.is_dir():
        return [f"store.url: {path.parent} is no directory. Make it, owned by the daemon's user."]
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return [f"store.url: {path} cannot be written by this user. Change its owner, or run as the daemon's user."]
    return []


def _templates(settings: Settings) -> list[str]:
    try:
        Words(settings.templates_dir).check()
    except ValueError as fault:
        return [f"templates_dir: {fault}"]
    return []


def _authorities(settings: Settings) -> list[str]:
    """A file that is there need not hold certificates."""
    faxmax = settings.faxmax
    files = {name: faxmax.account(name).ca_file for name in faxmax.account_names}
    faults = []
    for name, file in files.items():
        try:
            tls_context(file)
        except OSError as fault:  # ssl.SSLError is one
            where = "faxmax" if name == "default" else f"faxmax.accounts.{name}"
            faults.append(
                f"{where}.ca_file: {file} holds no certificates in PEM ({fault.strerror or fault}). Name another."
            )
    return faults
