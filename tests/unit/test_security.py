"""docs/security.md is true as far as a test can tell, and secrets are compared in constant time."""

import re
import time
from pathlib import Path

from pydantic import SecretStr

from fax_bridge.fax_to_email.webhook import _is_secret

ROOT = Path(__file__).parents[2]


def test_every_line_of_the_threat_model_names_a_test_that_exists() -> None:
    """And that no line of it is open."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 4]
    threats = [line for line in lines if not line.startswith("| threat")]
    assert len(threats) >= 70
    named = re.findall(r"`(tests/[^`:]+)::(\w+)`", page)
    for threat in threats:
        proof = threat.split("|")[3]
        assert re.search(r"`tests/[^`]+::\w+`|the same \(`", proof), threat
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"
    for name in set(re.findall(r"`([\w*]+\.txt)`", page)) - {"constraints.txt"}:
        assert list((ROOT / "tests" / "smtp" / "dialogues").glob(name)), name


def test_a_wrong_secret_takes_as_long_wherever_it_is_wrong() -> None:
    """At the first letter or at the last of a million: a comparison that stops at the first difference would take a
    thousandth of the time for one of them."""
    secret = "s" * 1_000_000
    secrets = (SecretStr(secret), SecretStr("t" * 1_000_000))

    def takes(given: str) -> float:
        times = []
        for _ in range(30):
            begun = time.perf_counter()
            assert not _is_secret(given, secrets)
            times.append(time.perf_counter() - begun)
        return min(times)

    takes(secret[1:] + "y")  # once, so that memory is at hand
    first, last = takes("x" + secret[1:]), takes(secret[:-1] + "x")
    assert 0.4 < first / last < 2.5
