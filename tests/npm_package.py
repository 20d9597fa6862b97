"""Runs npm in `web/`, for tests of the library and of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from browser import missing
from process_group import run_for
from repo_paths import ROOT

WEB = ROOT / "web"
LIMIT_S = 240


def find_npm() -> str:
    """The command npm; without it or the packages of `web/`, the test is skipped or fails."""
    command = shutil.which("npm")
    if command is None:
        missing("needs npm")
    if not (WEB / "node_modules").is_dir():
        missing("needs the packages of `npm ci --prefix web`")
    return command


def run_npm(npm: str, *arguments: str, fixtures: Path | None = None) -> None:
    """Runs npm in `web/`; fails with what it prints.

    On a busy machine Vitest once kept a core busy without an end, in place of 20 s: a run that
    takes longer than LIMIT_S is ended with all its processes, and repeated once.
    """
    environment = os.environ | {"NO_COLOR": "1"}
    if fixtures is not None:
        environment["FKD_WEB_FIXTURES"] = str(fixtures)
    command, streams = [npm, *arguments], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    for _ in range(2):
        done = run_for(LIMIT_S, command, cwd=WEB, env=environment, **streams)
        if done is not None:
            assert done.returncode == 0, done.stdout
            return
    raise AssertionError(f"{' '.join(command)}: does not end within {LIMIT_S} s")
