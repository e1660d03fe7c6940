"""What a mail takes from which limit, by the words of the settings."""

from pathlib import Path

import pytest

from fax_bridge.email_to_fax.quotas import LATER, NEVER, Quotas, reply_of
from fax_bridge.setting_sources import load
from fax_bridge.store.quota import Limit, OverLimit

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"
NUMBERS = ("902163334455", "442071234567")


def keys(tmp_path: Path, limits: str, *, sender: str = "Ayse@Example.com", client: str = "192.0.2.7") -> set[str]:
    path = tmp_path / "fax.toml"
    path.write_text(GOOD.read_text(encoding="utf-8") + limits)
    settings = load(path)
    charges = Quotas(settings).charges(
        sender, client, NUMBERS, max_recipients=settings.senders[0].max_recipients, message_id="<1@x>"
    )
    return {key for charge in charges for key in charge.limit.keys}


def limit(per: str, what: str = "faxes = 5", within: str = "1h", more: str = "") -> str:
    return f'\n[[limits]]\nper = "{per}"\n{what}\nwithin = "{within}"\n{more}\n'


@pytest.mark.parametrize(
    ("per", "subjects"),
    [
        ("sender", {"ayse@example.com"}),
        ("domain", {"example.com"}),
        ("client", {"192.0.2.7"}),
        ("destination", set(NUMBERS)),
        ("site", {""}),
    ],
)
def test_each_kind_of_limit_has_a_bucket_for_each_of_its_own(tmp_path: Path, per: str, subjects: set[str]) -> None:
    """In any spelling of the sender's address."""
    assert keys(tmp_path, limit(per)) == {f"{per}|*|{subject}|faxes|3600.0|5" for subject in subjects}


def test_an_ipv6_client_is_its_whole_network(tmp_path: Path) -> None:
    """Or it would have as many buckets as addresses; an IPv4 client in IPv6's clothes is one."""
    of = {client: keys(tmp_path, limit("client"), client=client) for client in ("2001:db8::1", "2001:db8::ffff")}
    assert of["2001:db8::1"] == of["2001:db8::ffff"]
    mapped = {client: keys(tmp_path, limit("client"), client=client) for client in ("::ffff:1.2.3.4", "::ffff:1.2.3.5")}
    assert mapped["::ffff:1.2.3.4"] != mapped["::ffff:1.2.3.5"]


def test_an_entry_holds_for_the_senders_that_it_names(tmp_path: Path) -> None:
    """The whole address has to fit."""
    assert keys(tmp_path, limit("site", more='match = "*@example.com"'))
    assert not keys(tmp_path, limit("site", more='match = "*@example.co"'))


def test_a_cap_has_a_row_for_each_day(tmp_path: Path) -> None:
    """By the calendar of reports.timezone, so that it begins anew at midnight there."""
    (key,) = keys(tmp_path, limit("site", within="day"))
    assert key.startswith("site|*||faxes|day|20")


def test_pages_take_nothing_when_the_mail_is_accepted(tmp_path: Path) -> None:
    """Nobody knows them yet."""
    assert keys(tmp_path, limit("sender", "pages = 5")) == set()


def test_never_is_550_and_later_is_450() -> None:
    """A client that is told 4xx comes again, for ever if it must."""
    some = Limit("site||faxes", 5)
    assert reply_of(OverLimit(some, never=True)) == NEVER
    assert reply_of(OverLimit(some, never=False)) == LATER
    assert NEVER.startswith("550 5.7.1")
    assert LATER.startswith("450 4.7.1")
    assert reply_of(OverLimit(Limit("recipients|a|<1@x>", 3), never=True)).startswith("550 5.7.1")
