"""The Debian package, built once."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.tools import tool

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by its script."""
    if not os.environ.get("FAX_BRIDGE_CI"):
        pytest.skip("builds for a minute; FAX_BRIDGE_CI=1 runs it")
    tool("dpkg-deb")
    out = tmp_path_factory.mktemp("deb")
    built = subprocess.run(
        [str(ROOT / "scripts/debian-package"), str(out)], capture_output=True, text=True, timeout=600, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = out.glob("*.deb")
    return made
