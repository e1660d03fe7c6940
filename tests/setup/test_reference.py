"""The settings reference is what the settings are."""

from pathlib import Path

from fax_bridge.settings import Settings
from fax_bridge.setup.reference import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_current() -> None:
    """docs/settings.md is written by scripts/settings-docs; run it where this fails."""
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == page(), "run scripts/settings-docs"


def test_every_section_and_key_is_in_it() -> None:
    """Also those of sections that are lists, by the name that the file has."""
    text = page()
    for name in Settings.model_fields:
        assert f"[{name}]" in text or f"`{name}`" in text
    for part in ("`from` ↻", "`match` ↻", '`"30m"`', "`[[senders]]`", "| `listen` | list of `HOST:PORT` |"):
        assert part in text
