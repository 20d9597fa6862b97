"""The notebooks run from their first to their last cell, and show no place of a machine."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from example_runs import EXAMPLES

NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
LARGEST = 200_000
"""Bytes of a notebook with its outputs."""


def _id(path: Path) -> str:
    return path.name


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 2


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=_id)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    for package in ("nbmake", "ipykernel", "skimage"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package} of the dev packages")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # the project's settings are for its tests
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(tmp_path / "pytest.ini")]
    command += ["-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=400", str(path)]
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=_id)
def test_the_notebook_has_its_outputs_and_no_paths_of_a_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text) < LARGEST
    assert '"output_type"' in text
    assert not re.findall(r"/tmp/|/root|/home/|/Users/|site-packages", text)
