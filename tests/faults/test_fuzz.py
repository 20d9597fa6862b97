"""A short, repeatable run of the fuzzer; `make fuzz` runs longer."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from repo_paths import ROOT

RUNS = int(os.environ.get("FKD_EXAMPLES", "1")) * 400

pytestmark = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is not installed, which has no wheel for here"
)


def run_fuzzer(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    ["image", "animation", "boxes", "card", "model", "pack", "dataset", "wflw", "coco", "npz"],
)
def test_no_reader_crashes(target: str, tmp_path: Path) -> None:
    done = run_fuzzer(target, "--runs", str(RUNS), "--crashes", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr + _read_tracebacks(tmp_path)
    name, executions, *_ = done.stdout.split()
    assert name == target
    assert int(executions) >= RUNS
    assert list(tmp_path.iterdir()) == []


def _read_tracebacks(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.glob("*.txt")))
