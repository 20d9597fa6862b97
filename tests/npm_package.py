"""Runs npm in `web/`, for tests of the library and of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repo_paths import ROOT

WEB = ROOT / "web"


def find_npm() -> str:
    """The command npm; skips the test where there is none.

    Also skips it without the packages of `web/`, but fails it under CI, which installs them.
    """
    command = shutil.which("npm")
    if command is None:
        pytest.skip("needs npm")
    if not (WEB / "node_modules").is_dir():
        problem = "needs the packages of `npm ci --prefix web`"
        pytest.fail(problem) if "CI" in os.environ else pytest.skip(problem)
    return command


def run_npm(npm: str, *arguments: str, fixtures: Path | None = None) -> None:
    """Runs npm in `web/`; fails with what it prints."""
    environment = os.environ | {"NO_COLOR": "1"}
    if fixtures is not None:
        environment["FKD_WEB_FIXTURES"] = str(fixtures)
    done = subprocess.run(
        [npm, *arguments], cwd=WEB, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
