"""Servers that tests need and a machine may lack."""

from __future__ import annotations

import os

import pytest


def need(installed: object, what: str) -> None:
    """Skip the test where a server is not installed; with REQUIRE_SERVERS=1, as in CI, fail it."""
    if installed:
        return
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(f"{what} is not installed, and REQUIRE_SERVERS=1 says that it must be")
    pytest.skip(f"{what} is not installed")
