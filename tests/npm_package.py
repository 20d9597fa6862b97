"""Runs npm in `web/`, for tests of the library and of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from browser import missing
from repo_paths import ROOT

WEB = ROOT / "web"


def find_npm() -> str:
    """The command npm; without it or the packages of `web/`, the test is skipped or fails."""
    command = shutil.which("npm")
    if command is None:
        missing("needs npm")
    if not (WEB / "node_modules").is_dir():
        missing("needs the packages of `npm ci --prefix web`")
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
