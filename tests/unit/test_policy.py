"""Where a sender's faxes may go: what costs is denied, and each list narrows the one before it."""

from pathlib import Path

import pytest

from fax_bridge.email_to_fax.policy import destination_refusal
from fax_bridge.setting_sources import load

GOOD = Path(__file__).parents[1] / "data" / "settings" / "good.toml"


def refusal(tmp_path: Path, number: str, *, numbers: str = "", sender: str = "") -> str | None:
    text = GOOD.read_text(encoding="utf-8").replace('match = "*@example.com"', f'match = "*@example.com"\n{sender}')
    path = tmp_path / "fax.toml"
    path.write_text(f"{text}\n[numbers]\n{numbers}\n")
    settings = load(path)
    own = settings.senders[0]
    return destination_refusal(settings, number, allow=own.allow, deny=own.deny)


@pytest.mark.parametrize("number", ["904449876", "908501234567", "902163334455", "442071234567"])
def test_ordinary_numbers_are_called_without_any_setting(tmp_path: Path, number: str) -> None:
    """444 xxxx and 0850 among them."""
    assert refusal(tmp_path, number) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("909001234567", "premium-rate numbers"),
        ("4918055555", "shared-cost numbers"),
        ("881612345678", "satellite"),
        ("447012345678", "personal numbers"),
        ("49110", "emergency numbers"),
    ],
)
def test_what_costs_or_harms_is_denied_unless_it_is_named(tmp_path: Path, number: str, words: str) -> None:
    """Also where its country is allowed; emergency numbers cannot be named at all."""
    told = refusal(tmp_path, number, numbers='allow = ["*"]')
    assert told is not None
    assert words in told
    assert told.isascii()
    named = refusal(tmp_path, number, numbers='costly = ["premium", "shared_cost", "satellite", "personal"]')
    assert (named is None) == (number != "49110")


@pytest.mark.parametrize(
    ("numbers", "sender", "called"),
    [
        ('allow = ["TR"]', "", {"902163334455", "905321234567"}),
        ('allow = ["90216", "44"]', "", {"902163334455", "442071234567"}),
        ('allow = ["902163334455"]', "", {"902163334455"}),
        ('deny = ["TR"]', "", {"442071234567"}),
        ('allow = ["TR"]\ndeny = ["9053"]', "", {"902163334455"}),
        ('deny = ["902163334455"]', "", {"905321234567", "442071234567"}),
        ("", 'allow = ["GB"]', {"442071234567"}),
        ("", 'deny = ["90"]', {"442071234567"}),
        ('allow = ["TR"]', 'allow = ["GB"]', set()),
        ('deny = ["44"]', 'allow = ["*"]', {"902163334455", "905321234567"}),
        ("", 'deny = ["*"]', set()),
    ],
)
def test_lists_by_country_prefix_and_number(tmp_path: Path, numbers: str, sender: str, called: set[str]) -> None:
    """A sender's list never widens the site's, and deny wins."""
    tried = ("902163334455", "905321234567", "442071234567")
    assert {n for n in tried if refusal(tmp_path, n, numbers=numbers, sender=sender) is None} == called
