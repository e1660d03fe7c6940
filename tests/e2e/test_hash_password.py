"""``fax-bridge hash-password``: what it prints is what ``[[users]]`` takes."""

import argon2
import pytest
from typer.testing import CliRunner

from fax_bridge.cli import app


def test_what_is_printed_is_a_hash_of_the_password_and_nothing_else() -> None:
    """One line, ready to be pasted; another salt each time."""
    first, second = (CliRunner().invoke(app, ["hash-password"], input="correct horse\n") for _ in range(2))
    assert first.exit_code == 0
    assert argon2.PasswordHasher().verify(first.stdout.strip(), "correct horse")
    assert first.stdout != second.stdout
    assert "correct horse" not in first.output


@pytest.mark.parametrize("typed", ["", "short\n"])
def test_a_short_password_is_refused(typed: str) -> None:
    """With the reason, and no hash."""
    answer = CliRunner().invoke(app, ["hash-password"], input=typed)
    assert answer.exit_code == 2
    assert "at least 8 characters" in answer.output
    assert "$argon2" not in answer.output
