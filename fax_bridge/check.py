"""``fax-bridge check``: can these settings run? Each fault is a line with its mend; nothing is changed or sent.

Only one thing cannot be known from here: with ``smtp.smtputf8`` the relay is asked whether it takes such addresses too.
"""

import asyncio
import os
from pathlib import Path

from fax_bridge.certificates import BadCertificate, certificates_of
from fax_bridge.errors import Temporary
from fax_bridge.faxmax.client import tls_context
from fax_bridge.mail.relay import Relay
from fax_bridge.mail.words import Words
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings, SettingsError

RELAY_PATIENCE = 10.0
"""Seconds for each step of the dialogue with the relay; a person waits for the answer."""


def faults_of(config: Path | None) -> list[str]:
    """What keeps the daemon from running with these settings; empty if nothing does."""
    try:
        settings = load(config)
    except SettingsError as error:
        return error.faults
    relay = _relay(settings) or _relay_takes_utf8(settings)
    return [*relay, *_store(settings), *_templates(settings), *_authorities(settings), *_certificates(settings)]


def _relay(settings: Settings) -> list[str]:
    try:
        Relay.from_url(settings.relay.url.get_secret_value(), timeout=1, ca_file=str(settings.relay.ca_file or ""))
    except ValueError as fault:
        return [f"relay.url: {fault}"]
    return []


def _relay_takes_utf8(settings: Settings) -> list[str]:
    """Without that, a sender whose address is beyond ASCII would be faxed for and could never be told (RFC 6531 §3.5).

    LMTP servers are asked as SMTP ones; a Maildir takes any address.
    """
    if not settings.smtp.smtputf8:
        return []
    relay = Relay.from_url(
        settings.relay.url.get_secret_value(),
        timeout=min(RELAY_PATIENCE, settings.relay.timeout),
        ca_file=str(settings.relay.ca_file or ""),
    )
    try:
        offered = asyncio.run(relay.extensions())
    except Temporary as fault:
        words = str(fault).rstrip(".")
        return [
            f"smtp.smtputf8: {words}; so nobody knows whether it takes such addresses. Start it, or set this false."
        ]
    if offered is None or "smtputf8" in offered:
        return []
    lacks = f"smtp.smtputf8: the mail server {relay} has no SMTPUTF8, so no report could go to such an address."
    return [f"{lacks} Set this false, or give relay.url one that has it."]


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
        words = Words(settings.templates_dir)
        words.check()
    except ValueError as fault:
        return [f"templates_dir: {fault}"]
    return missing_covers(settings, words)


def missing_covers(settings: Settings, words: Words) -> list[str]:
    """A line for each cover template that the settings name and nobody has."""
    named = {"cover.template": settings.cover.template}
    named |= {f"senders[{i}].cover_template": sender.cover_template for i, sender in enumerate(settings.senders)}
    return [
        f'{key}: there is no cover "{name}". Put it into templates_dir as cover/{name}.html, or name another.'
        for key, name in named.items()
        if name and not words.has_cover(name)
    ]


def _certificates(settings: Settings) -> list[str]:
    faults = []
    for section, files in (("smtp.tls", settings.smtp.tls), ("webhook.tls", settings.webhook.tls)):
        try:
            certificates_of(section, files)
        except BadCertificate as fault:
            faults.append(str(fault))
    return faults


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
