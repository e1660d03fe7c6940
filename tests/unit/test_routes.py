"""Which routes take a fax, and why the others do not."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fax_bridge.fax_to_email.route import Facts, decide
from fax_bridge.number_patterns import BadPattern, read_pattern
from fax_bridge.routing import lines_of, tell
from fax_bridge.setting_sources import load
from fax_bridge.settings import Route, Settings

GOOD = load(Path(__file__).parents[1] / "data" / "settings" / "good.toml")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Istanbul")).timestamp() * 1000)


WEDNESDAY = at("2026-11-25T10:00")


def facts(**changed: Any) -> Facts:
    values: dict[str, Any] = {
        "called": "902162222525", "caller": "902163334455", "remote_station": "ACME LTD.", "account": "default",
        "pages": 2, "at": WEDNESDAY,
    }  # fmt: skip
    return Facts(**(values | changed))


def with_routes(*routes: dict[str, Any], routing: str = "first") -> Settings:
    made = tuple(Route(**({"to": ("a@example.com",)} | route)) for route in routes)
    return GOOD.model_copy(update={"routes": made, "inbound": GOOD.inbound.model_copy(update={"routing": routing})})


def fits(route: dict[str, Any], **changed: Any) -> bool:
    return not decide(with_routes(route), facts(**changed)).is_fallback


@pytest.mark.parametrize(
    ("condition", "changed", "taken"),
    [
        ({"called": "0216 222 25 25"}, {}, True),
        ({"called": "902162222526"}, {}, False),
        ({"called": "90216*"}, {}, True),
        ({"called": "90212*"}, {}, False),
        ({"called": ["902120000000", "902162222500-902162222599"]}, {}, True),
        ({"called": "902162222526-902162222599"}, {}, False),
        ({"called": "*"}, {}, True),
        ({"called": "*"}, {"called": ""}, False),
        ({"called": "none"}, {"called": ""}, True),
        ({"caller": "902163334455"}, {}, True),
        ({"caller": "none"}, {}, False),
        ({"caller": "none"}, {"caller": ""}, True),
        ({"csid": "acme*"}, {}, True),
        ({"csid": "acme"}, {}, False),
        ({"csid": "ÖZGÜR*"}, {"remote_station": "özgür A.Ş."}, True),
        ({"account": "default"}, {}, True),
        ({"account": ["second"]}, {}, False),
        ({"pages": "2"}, {}, True),
        ({"pages": "3-"}, {}, False),
        ({"pages": "-2"}, {}, True),
        ({"pages": "1-"}, {"pages": 0}, False),
        ({"hours": ["08:00", "18:00"]}, {}, True),
        ({"hours": ["08:00", "10:00"]}, {}, False),
        ({"hours": ["10:00", "24:00"]}, {}, True),
        ({"hours": ["22:00", "08:00"]}, {}, False),
        ({"hours": ["22:00", "08:00"], "days": ["wed"]}, {"at": at("2026-11-26T03:00")}, True),
        ({"hours": ["22:00", "08:00"], "days": ["thu"]}, {"at": at("2026-11-26T03:00")}, False),
        ({"days": ["wed", "thu"]}, {}, True),
        ({"days": ["sat"]}, {}, False),
        ({"hours": ["06:00", "08:00"], "timezone": "Europe/London"}, {}, True),
        ({"called": "90216*", "caller": "none"}, {}, False),
        ({}, {}, True),
    ],
)
def test_every_condition_of_a_route_has_to_hold(
    condition: dict[str, Any], changed: dict[str, Any], taken: bool
) -> None:
    """Each kind, held and not held; several together."""
    condition = {key: (value,) if key in {"called", "caller", "csid", "account"} and isinstance(value, str) else value
                 for key, value in condition.items()}  # fmt: skip
    assert fits(condition, **changed) is taken


def test_the_first_route_wins_or_all_do() -> None:
    """As inbound.routing says; without one that fits it is the fallback."""
    routes = ({"called": ("90212*",)}, {"name": "two", "called": ("90216*",)}, {"name": "three"})
    assert [one.name for one in decide(with_routes(*routes), facts()).chosen] == ["two"]
    assert [one.name for one in decide(with_routes(*routes, routing="all"), facts()).chosen] == ["two", "three"]
    assert decide(with_routes(routes[0]), facts()).is_fallback


def test_route_test_gives_the_reason_of_every_route() -> None:
    """Also of those that were not needed any more."""
    settings = with_routes({"called": ("90212*",)}, {"name": "two", "called": ("90216*",)}, {"name": "three"})
    told = tell(settings, facts())
    assert [(route["name"], route["fits"], route["used"]) for route in told["routes"]] == [
        ("routes[0]", False, False),
        ("two", True, True),
        ("three", True, False),
    ]
    text = "\n".join(lines_of(told))
    assert 'routes[0]: no: called 902162222525 is not "90212*"' in text
    assert "three: fits too, but comes later: it has no conditions" in text
    assert "to: a@example.com" in text
    assert "fallback mailbox" in "\n".join(lines_of(tell(with_routes({"csid": ("x",)}), facts())))


@pytest.mark.parametrize("wrong", ["reception", "902162222599-902162222500", "9021-902162222500", "", "90*6"])
def test_a_pattern_that_means_no_number_is_refused(wrong: str) -> None:
    """Before it can silently match nothing."""
    with pytest.raises(BadPattern):
        read_pattern(wrong, "TR")
