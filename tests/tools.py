"""System tools that some tests need and pip cannot bring; ``scripts/ci-packages.txt`` lists their packages."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """Its path. CI has them all; elsewhere a test whose tool is missing is skipped with a word."""
    found = shutil.which(name)
    if found is None and os.environ.get("FAX_BRIDGE_CI"):
        pytest.fail(f"{name} is missing; scripts/ci-packages installs it")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
