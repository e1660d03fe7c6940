"""docs/quickstart.md, pasted into a machine that systemd has booted, up to the report in the sender's mailbox."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.booted import Machine, machine
from tests.machine.conftest import ROOT

PAGE = ROOT / "docs/quickstart.md"
CHECKOUT = ("fax_bridge", "templates", "systemd", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")

ANSWERS = (
    "fax.example.com", "902162222525", "THE-TOKEN", "postmaster@example.com", "*@example.com", "smtp://127.0.0.1:25",
    "http://127.0.0.1:8080",
)  # fmt: skip
"""In the order of the questions of ``fax-bridge init``. The proxy is left out: the public URL is the webhook's own."""

STAND_IN = "--faxmax-url http://127.0.0.1:8090/api/v1"

POSTFIX = """
compatibility_level = 3.6
myhostname = mail.example.com
mydestination =
alias_maps =
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8 [::1]/128
virtual_mailbox_domains = example.com
virtual_mailbox_base = /var/mailboxes
virtual_mailbox_maps = inline:{ you@example.com=you/, postmaster@example.com=postmaster/ }
virtual_uid_maps = static:10
virtual_gid_maps = static:10
virtual_minimum_uid = 1
"""
"""The site's own mail server, which knows nothing of faxes yet."""

NAMESERVER = """
import socket
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.bind(("127.0.0.1", 53))
while True:  # it knows no name (RFC 1035 §4.1.1, RCODE 3)
    query, client = asked.recvfrom(512)
    asked.sendto(query[:2] + bytes([query[2] | 0x84, 0x83]) + query[4:12][:2] + bytes(6) + query[12:], client)
"""

BEFORE = r"""
set -eEuxo pipefail
trap 'journalctl -n 100 --no-pager' ERR
export DEBIAN_FRONTEND=noninteractive HOME=/root
cd /root/checkout
say() { echo "@@ $*"; }
install -d -o 10 -g 10 /var/mailboxes
cp /root/main.cf /etc/postfix/main.cf
cp /etc/postfix/master.cf.proto /etc/postfix/master.cf
postfix start
systemd-run --quiet --unit=nameserver python3 /root/nameserver.py
waits() { for _ in $(seq 300); do if "$@"; then return 0; fi; sleep 0.2; done; journalctl -n 200 --no-pager; return 1; }
reports() { [ "$(cat /var/mailboxes/you/new/* 2> /dev/null | grep -c '^Return-Path: <>')" -ge "$1" ]; }
"""

COPY = r"""
# What a person copies: each place that init named gets its lines.
python3 /root/copy.py < /root/init.out
"""
COPIER = """
import re, sys
for path, lines in re.findall(r"^# Postfix, (/\\S+).*\\n((?:.+\\n|\\n(?!# Postfix|Then))+)", sys.stdin.read(), re.M):
    with open(path, "a") as file:
        file.write(lines)
    print("copied to", path)
"""

SANDBOX = r"""
secret=$(sed -n 's/^secrets = \["\(.*\)"\]$/\1/p' /etc/fax-bridge/fax-bridge.toml)
systemd-run --quiet --unit=sandbox fax-bridge sandbox --token THE-TOKEN --number 902162222525 \
  --notify "http://127.0.0.1:8080/push/$secret"
waits curl -s -o /dev/null http://127.0.0.1:8090/
"""

AFTER = r"""
waits reports 2
grep -h '^Subject' /var/mailboxes/you/new/*
say reports arrived

# The token comes from the file for root alone.
sed -i 's/^token = .*/token = "wrong"/' /etc/fax-bridge/fax-bridge.toml
systemctl restart fax-bridge.service
fax-bridge test-fax 902163334455 --to you@example.com
say the credential won
systemctl show --property=NRestarts,StatusText fax-bridge.service
rm /etc/credstore/fax-bridge.faxmax.token
systemctl restart fax-bridge.service
say started without the credential
systemctl reload fax-bridge.service
systemctl start fax-bridge-backup.service
test -s /var/lib/private/fax-bridge-backup/fax-bridge-*.db
say backed up
systemctl is-active fax-bridge.service
systemctl stop fax-bridge.service
systemctl is-active fax-bridge-smtp.socket
python3 -c 'import smtplib; print(smtplib.SMTP("127.0.0.1", 8025, timeout=30).ehlo())'
systemctl is-active fax-bridge.service
say the socket started it
"""

REMOVE = r"""
apt remove -y fax-bridge
test ! -e /opt/fax-bridge/bin/fax-bridge
test -s /etc/fax-bridge/fax-bridge.toml
if systemctl is-active fax-bridge.service fax-bridge-smtp.socket; then exit 1; fi
test -s /var/lib/private/fax-bridge/fax-bridge.db
apt purge -y fax-bridge
test ! -e /etc/fax-bridge
test -s /var/lib/private/fax-bridge/fax-bridge.db
say removed, and the database is left
"""


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def booted() -> Iterator[Machine]:
    with machine() as made:
        yield made


def ready_for(booted: Machine) -> Path:
    """A Debian with Postfix, and what the person has in hand; the directory that the commands are typed in."""
    booted.write("/root/main.cf", POSTFIX)
    booted.write("/root/nameserver.py", NAMESERVER)
    booted.write("/root/copy.py", COPIER)
    booted.write("/root/answers", "\n".join(ANSWERS) + "\n")
    booted.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    checkout = booted.upper / "root/checkout"
    checkout.mkdir()
    return checkout


@pytest.mark.slow
def test_the_quick_start_with_the_package_ends_in_a_report_and_a_clean_removal(booted: Machine, package: Path) -> None:
    """Each command as it stands there, apart from -y for apt, the answers to init, and the stand-in for FaxMAX."""
    checkout = ready_for(booted)
    shutil.copy(package, checkout)
    install, _by_hand, init, *rest = blocks()
    status, said = booted.run(
        BEFORE
        + install.replace("apt install", "apt install -y")
        + init.replace(
            "fax-bridge init",
            "fax-bridge init --faxmax-url http://127.0.0.1:8090/api/v1 < /root/answers | tee /root/init.out",
        )
        + COPY
        + SANDBOX
        + "".join(rest)
        + AFTER
        + REMOVE,
        seconds=300,
    )
    assert status == 0, said
    told = [line.removeprefix("@@ ") for line in said.splitlines() if line.startswith("@@ ")]
    assert told == [
        "reports arrived", "the credential won", "started without the credential", "backed up",
        "the socket started it", "removed, and the database is left",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_quick_start_by_hand_starts_the_same_service(booted: Machine, package: Path) -> None:
    """From a checkout; ``package`` is asked for only because this, too, takes its time and the registries."""
    checkout = ready_for(booted)
    for name in CHECKOUT:
        source = ROOT / name
        shutil.copytree(source, checkout / name) if source.is_dir() else shutil.copy(source, checkout)
    resolv = Path("/etc/resolv.conf")
    booted.write("/etc/resolv.conf", resolv.read_text() if resolv.exists() else "")
    _package, by_hand, init, *_ = blocks()
    status, said = booted.run(
        "set -eEux\ntrap 'journalctl -n 100 --no-pager' ERR\nexport HOME=/root\ncd /root/checkout\n"
        + by_hand.replace("apt install", "apt install -y")
        + init.replace("fax-bridge init", "fax-bridge init < /root/answers")
        # Ports of its own: the network is this machine's.
        + 'sed -i \'s/:8025"/:0"/; s/:8080"/:0"/\' /etc/fax-bridge/fax-bridge.toml\n'
        + "systemctl start fax-bridge.service\nsystemctl show --property=StatusText fax-bridge.service\n",
        seconds=300,
        network=True,
    )
    assert status == 0, said
    assert "StatusText=takes mail on port" in said
