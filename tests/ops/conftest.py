"""The short mail of the end-to-end tests."""

from tests.e2e.conftest import note

__all__ = ["note"]
