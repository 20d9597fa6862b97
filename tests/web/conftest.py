"""The package in `web/`, whose tests need npm, and its page, whose tests need Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import find_chromium
from npm_package import find_npm, run_npm


@pytest.fixture(scope="session")
def npm() -> str:
    """The command npm, with the packages of `web/` installed; skips the test without them."""
    return find_npm()


@pytest.fixture(scope="session")
def built(npm: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    folder = tmp_path_factory.mktemp("page")
    run_npm(npm, "run", "build", "--", "--outDir", str(folder), "--logLevel", "error")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's command; without it, tests are skipped or fail."""
    return find_chromium()
