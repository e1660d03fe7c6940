"""``fax-bridge init``: a commented settings file from a few answers, and the lines that belong elsewhere.

What is written has been read back and found to run; nothing is ever overwritten unasked.
"""

import contextlib
import grp
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fax_bridge.errors import BridgeError

DEFAULT_CONFIG = Path("/etc/fax-bridge/fax-bridge.toml")

START = "systemctl enable --now fax-bridge-smtp.socket fax-bridge-webhook.socket fax-bridge.service"

READERS = "fax-bridge-settings"
"""The group that the unit's user is in, and that may read the file."""


POSTFIX = """\
# The fax domain is handed to the bridge.
relay_domains = {domain}
transport_maps = texthash:/etc/postfix/fax_transport

# Only own and logged-in clients may send there. This comes first: what permits later does not matter.
smtpd_restriction_classes = fax_clients
fax_clients = permit_mynetworks, permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
    check_recipient_access texthash:/etc/postfix/fax_access,
    permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"""
"""The lines of docs/postfix.md, which a test compares and runs a real Postfix with."""


@dataclass(frozen=True)  # no slots: the class gives its defaults to the command line
class Answers:
    domain: str
    token: str
    cli: str
    fallback: str
    sender: str
    """A pattern for envelope senders, ``*@example.com``."""
    networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    relay: str = "smtp://127.0.0.1:25"
    public_url: str = ""
    faxmax_url: str = "https://faxmax.net/api/v1"
    store: str = "sqlite:////var/lib/fax-bridge/fax-bridge.db"
    smtp_listen: str = "127.0.0.1:8025"
    webhook_listen: str = "127.0.0.1:8080"


def settings_text(answers: Answers, secret: str) -> str:
    quoted = {name: json.dumps(getattr(answers, name), ensure_ascii=False) for name in Answers.__dataclass_fields__}
    networks = json.dumps(list(answers.networks))
    address = json.dumps(f"Fax <fax@{answers.domain}>")
    return f"""\
# fax-bridge's settings. docs/settings.md tells all of them; `fax-bridge check` says whether this file can run,
# `fax-bridge doctor` whether everything around it can. After a change: systemctl reload fax-bridge.

[smtp]
# Where the mail server hands over mails for fax addresses; with fax-bridge-smtp.socket, its ListenStream= counts.
listen = [{quoted["smtp_listen"]}]
# What stands behind the @: a mail to 902162222525@{answers.domain} is faxed to that number.
domains = [{quoted["domain"]}]

[store]
# All mails, faxes and what became of them.
url = {quoted["store"]}

[faxmax]
url = {quoted["faxmax_url"]}
# From FaxMAX's pages; it changes when the account's password does.
# May stand in /etc/credstore/fax-bridge.faxmax.token instead.
token = {quoted["token"]}
# The account's own number, which the receiver is shown.
cli = {quoted["cli"]}

[webhook]
# Where the proxy passes FaxMAX's pushes on to; with fax-bridge-webhook.socket, its ListenStream= counts.
listen = [{quoted["webhook_listen"]}]
# The end of the path that FaxMAX pushes to: whoever knows it can claim that a fax arrived. Several for a change.
secrets = ["{secret}"]
# Where FaxMAX reaches the proxy; fax-bridge doctor tries it.
public_url = {quoted["public_url"]}

[relay]
# The mail server that takes reports and received faxes: smtp://, smtp+starttls://USER:PASSWORD@, smtps://, lmtp://.
url = {quoted["relay"]}
from = {address}

[inbound]
# Gets the received faxes that no route takes, and the alerts to the operator.
fallback = {quoted["fallback"]}

# Who may send: nobody, unless an entry fits. Both conditions have to hold.
[[senders]]
match = {quoted["sender"]}
networks = {networks}

# Received faxes by the number that was called; without a route they go to inbound.fallback.
#[[routes]]
#called = {quoted["cli"]}
#to = ["reception@example.com"]

# For Prometheus and load balancers: /metrics, /healthz, /readyz. Never a public address.
#[ops]
#listen = ["127.0.0.1:9125"]
"""


def write(path: Path, text: str, *, force: bool) -> None:
    """Put it there in one step, mode 0640 for the unit's group where there is one, else 0600.

    Raises :class:`BridgeError` where a file is there already (without ``force``), where it cannot be written, and
    :class:`~fax_bridge.settings.SettingsError` where the answers make no settings that can run.
    """
    from fax_bridge.setting_sources import load  # not above: the command line knows this module for its defaults

    if path.exists() and not force:
        raise BridgeError(f"{path} is there already. Name another with --config, or overwrite it with --force.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as fault:
        raise BridgeError(f"{path.parent} cannot be written: {fault.strerror}. Run this as root.") from None
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        load(written)
        _for_the_unit(written)
        if force:
            written.replace(path)
        else:
            os.link(written, path)  # fails where somebody was quicker, unlike a rename
    except FileExistsError:
        raise BridgeError(
            f"{path} is there already. Name another with --config, or overwrite it with --force."
        ) from None
    finally:
        written.unlink(missing_ok=True)


def _for_the_unit(path: Path) -> None:
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(READERS).gr_gid)
        path.chmod(0o640)


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def what_is_left(answers: Answers, secret: str) -> list[tuple[str, str]]:
    """What to do elsewhere: a heading and the lines to copy, for each place."""
    host, _, port = answers.smtp_listen.rpartition(":")
    public = answers.public_url.rstrip("/") or "https://YOUR.PROXY"
    bracketed = host if host.startswith("[") else f"[{host}]"
    main_cf = POSTFIX.format(domain=answers.domain)
    transport = f"{answers.domain}    smtp:{bracketed}:{port}"
    access = f"{answers.domain}    fax_clients"
    return [
        ("FaxMAX, fax_notification_url of the account", f"{public}/push/{secret}"),
        ("Postfix, /etc/postfix/fax_transport", transport),
        ("Postfix, /etc/postfix/fax_access", access),
        ("Postfix, /etc/postfix/main.cf (then: postfix reload)", main_cf),
    ]
