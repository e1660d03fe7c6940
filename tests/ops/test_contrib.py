"""The dashboard and the alert rules ask for metrics that the program has."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from fax_bridge.fax import now
from fax_bridge.ops.metrics import Metrics
from fax_bridge.ops.observer import Facts
from fax_bridge.store.depths import Depth, Depths
from tests.tools import tool

CONTRIB = Path(__file__).parents[2] / "contrib"


def exposed() -> set[str]:
    """The names of all series that a scrape can bring."""
    depths = Depths((Depth("faxes", "queued", 1, now(), 0),), now(), now(), now(), "", ())
    page = Metrics().page(Facts((), depths, "", 0.1, 1, 1, {"default": False}), ready=True).decode()
    families = re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE)
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + suffix for name, kind in families for suffix in suffixes.get(kind, ("",))}


@pytest.mark.parametrize("name", ["prometheus-alerts.yml", "grafana-dashboard.json"])
def test_every_metric_that_is_asked_for_is_exposed(name: str) -> None:
    """A renamed metric would leave an alert silent for ever."""
    text = (CONTRIB / name).read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(?:fax_bridge|process)_[a-z_]+\b", text)) - {"fax_bridge_build_info"}
    assert len(asked) > 5
    assert asked - exposed() == set()


def test_the_dashboard_is_one_grafana_can_import() -> None:
    """JSON with panels that do not overlap."""
    dashboard = json.loads((CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_promtool_finds_no_fault_in_the_rules() -> None:
    """Expressions, templates, labels."""
    command = [tool("promtool"), "check", "rules", str(CONTRIB / "prometheus-alerts.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
