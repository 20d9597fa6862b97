"""What the tests of examples share: a way to run a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from example_runs import EXAMPLES, RunExample


@pytest.fixture
def run_example(tmp_path: Path) -> RunExample:
    def run(
        program: str, *arguments: str | Path, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, EXAMPLES / program, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run
