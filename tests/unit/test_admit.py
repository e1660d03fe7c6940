"""Who may send: the conditions of an entry, and what it takes from others."""

import ipaddress
from pathlib import Path

import pytest

from fax_bridge.email_to_fax.admit import Peer, refusal_of, sender_of
from fax_bridge.networks import is_in
from fax_bridge.setting_sources import load
from fax_bridge.settings import Settings

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"
HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$UJyu4gzuRBCQIG1iElfMmA"


def settings_with(tmp_path: Path, more: str) -> Settings:
    path = tmp_path / "fax-bridge.toml"
    users = "".join(f'[[users]]\nname = "{name}"\npassword_hash = "{HASH}"\n' for name in ("ayse", "veli"))
    path.write_text(GOOD.read_text(encoding="utf-8") + more + users)
    return load(path)


def test_what_an_entry_does_not_say_it_takes_from_the_one_above(tmp_path: Path) -> None:
    """Company, department, person: the nearest that says something wins; nobody loses a condition on the way."""
    settings = settings_with(
        tmp_path,
        """
[sender_defaults]
language = "tr"
resolution = "200x200"
[[senders]]
name = "clinic"
match = "*@clinic.example"
networks = ["10.1.0.0/16"]
cli = "902162222525"
[[senders]]
name = "lab"
inherits = "clinic"
match = ["lab@clinic.example", "*@lab.clinic.example"]
language = "en"
[[senders]]
inherits = "lab"
match = "ayse@lab.clinic.example"
auth = ["ayse"]
cli = "902162222526"
""".replace('resolution = "200x200"\n', ""),
    )
    clinic, lab, ayse = settings.senders[1:]
    assert [one.language for one in (clinic, lab, ayse)] == ["tr", "en", "en"]
    assert [one.cli for one in (clinic, lab, ayse)] == ["902162222525", "902162222525", "902162222526"]
    assert clinic.networks == lab.networks == ayse.networks
    assert ayse.auth == ("ayse",)
    assert lab.match == ("lab@clinic.example", "*@lab.clinic.example")
    assert settings.senders[0].language == "tr"


def test_the_order_of_entries_makes_no_difference_to_inheritance(tmp_path: Path) -> None:
    """The person may stand before the company, where the first that fits is taken."""
    entries = """
[[senders]]
inherits = "clinic"
match = "ayse@clinic.example"
language = "en"
[[senders]]
name = "clinic"
match = "*@clinic.example"
networks = ["10.1.0.0/16"]
"""
    settings = settings_with(tmp_path, entries)
    found = sender_of(settings, "ayse@clinic.example", "10.1.2.3")
    assert found is settings.senders[1]


def test_a_sign_that_only_looks_like_a_letter_is_another(tmp_path: Path) -> None:
    """The Kelvin sign is a small k to Unicode; as an address it is somebody else's."""
    kurum = '[[senders]]\nmatch = "*@kurum.example"\nnetworks = ["10.1.0.0/16"]\n'
    settings = settings_with(tmp_path, kurum + kurum.replace("kurum", "ÇİÇEK"))
    assert sender_of(settings, "AYSE@KURUM.EXAMPLE", "10.1.2.3") is settings.senders[1]
    assert sender_of(settings, "ayse@\u212aurum.example", "10.1.2.3") is None
    assert sender_of(settings, "ayse@\u00e7İçek.example", "10.1.2.3") is settings.senders[2]


ENTRIES = """
[[senders]]
match = "*@both.example"
networks = ["10.1.0.0/16"]
auth = ["ayse"]
[[senders]]
match = "*@any.example"
auth = ["*"]
[[senders]]
match = "*@socket.example"
networks = ["unix", "10.1.0.0/16"]
[[senders]]
match = "*@proven.example"
dmarc = true
[[senders]]
match = "*@proven.example"
networks = ["10.1.0.0/16"]
"""


@pytest.mark.parametrize(
    ("mail_from", "client", "user", "entry"),
    [
        ("a@both.example", "10.1.2.3", "ayse", 1),
        ("a@both.example", "10.1.2.3", "", None),
        ("a@both.example", "10.2.2.3", "ayse", None),
        ("a@both.example", "10.1.2.3", "veli", None),
        ("a@any.example", "198.51.100.9", "veli", 2),
        ("a@any.example", "198.51.100.9", "", None),
        ("a@any.example", "unix", "veli", None),
        ("a@socket.example", "unix", "", 3),
        ("a@socket.example", "10.1.2.3", "", 3),
        ("a@socket.example", "10.1.2.3", "ayse", None),
        ("a@example.com", "unix", "", None),
        ("a@proven.example", "198.51.100.9", "", 4),
        ("a@proven.example", "unix", "", None),
        ("a@proven.example", "10.1.2.3", "", 5),
        ("a@proven.example", "198.51.100.9", "ayse", None),
        ("", "127.0.0.1", "", None),
    ],
)
def test_every_condition_of_an_entry_has_to_hold(
    tmp_path: Path, mail_from: str, client: str, user: str, entry: int | None
) -> None:
    """Who is logged in may do what the user may, and no more; an entry that needs no proof wins over one that does."""
    settings = settings_with(tmp_path, ENTRIES)
    found = sender_of(settings, mail_from, client, Peer(user=user))
    assert found is (None if entry is None else settings.senders[entry])


@pytest.mark.parametrize(
    ("mail_from", "client", "user", "reply"),
    [
        ("a@any.example", "198.51.100.9", "", "530 5.7.0"),
        ("a@both.example", "198.51.100.9", "", "550 5.7.1"),  # logging in would not help from there
        ("a@both.example", "10.1.2.3", "veli", "553 5.7.1"),
        ("a@nowhere.example", "10.1.2.3", "", "550 5.7.1"),
        ("", "10.1.2.3", "", "550 5.7.1"),
    ],
)
def test_the_refusal_says_what_would_help(tmp_path: Path, mail_from: str, client: str, user: str, reply: str) -> None:
    """Only where a login would really do is one asked for."""
    settings = settings_with(tmp_path, ENTRIES)
    assert refusal_of(settings, mail_from, client, Peer(user=user)).reply.startswith(reply)


@pytest.mark.parametrize(
    ("client", "networks", "inside"),
    [
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16", "unix"], False),
        ("unix", ["0.0.0.0/0", "::/0"], False),
        ("unix", ["unix"], True),
        ("fe80::1", ["fe80::/10"], True),
        ("not an address", ["0.0.0.0/0", "unix"], False),
        ("0.0.0.0", ["127.0.0.0/8", "10.0.0.0/8"], False),  # noqa: S104 — whose address nobody told
    ],
)
def test_a_client_is_in_a_network_or_it_is_not(client: str, networks: list[str], inside: bool) -> None:
    """IPv4 in IPv6 is IPv4, the Unix socket is no address, and what is no address is nowhere."""
    assert is_in(client, [one if one == "unix" else ipaddress.ip_network(one) for one in networks]) is inside  # type: ignore[misc]  # the word itself
