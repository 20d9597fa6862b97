"""The package in `web/`, whose tests need npm."""

from __future__ import annotations

import pytest
from npm_package import find_npm


@pytest.fixture(scope="session")
def npm() -> str:
    """The command npm, with the packages of `web/` installed; skips the test without them."""
    return find_npm()
