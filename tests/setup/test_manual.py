"""The manual page and the completion come from the command's own definition."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fax_bridge.setup.manual import page
from tests.tools import tool


def test_every_command_is_in_the_manual() -> None:
    """With its options."""
    text = page().replace("\\-", "-")
    for word in (".SS serve", ".SS faxes list", ".SS doctor", ".SS test-fax NUMBER", ".B --to TO", ".SS backup FILE"):
        assert word in text, word


def test_groff_has_no_warning(tmp_path: Path) -> None:
    """The page as man(1) would set it."""
    file = tmp_path / "fax-bridge.1"
    file.write_text(page(), encoding="utf-8")
    command = [tool("groff"), "-man", "-Tutf8", "-ww", "-Kutf8", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FaxMAX" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_get_their_completion(shell: str) -> None:
    """What the package installs."""
    command = [str(Path(sys.executable).with_name("fax-bridge"))]
    environment = os.environ | {"_FAX_BRIDGE_COMPLETE": f"source_{shell}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert "fax-bridge" in done.stdout
    assert "complete" in done.stdout
