"""What the documentation tells people to type exists: commands, their options, units."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from fax_bridge.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UNITS = {path.name for path in (ROOT / "systemd").iterdir()}


def fault_of(words: list[str]) -> str:
    """What is wrong with a command line, as far as its words tell."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        word = words.pop(0)
        choices = word.split("|")  # `faxes retry|hold`
        if not all(choice in command.commands for choice in choices):
            return f"no command {word}"
        command = command.commands[choices[0]]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return next((f"no option {word}" for word in words if word.startswith("--") and word not in known), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    """`fax-bridge …` in a span or block of code."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"(?:`|^\s*)fax-bridge ([a-z][^`\n#]*)", text, re.MULTILINE)
    code = [line for line in lines if re.match(r"[a-z|-]+( |$)", line)]
    assert [(line, fault) for line in code if (fault := fault_of(line.split()))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_unit_that_is_named_exists(page: Path) -> None:
    """systemctl would say that there is none."""
    named = re.findall(r"\bfax-bridge[a-z-]*(?:@[a-z]+)?\.(?:service|socket|timer)\b", page.read_text(encoding="utf-8"))
    assert {re.sub("@[a-z]+", "@", name) for name in named} <= UNITS
