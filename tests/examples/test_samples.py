"""The script that makes the files of the pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from repo_paths import ROOT

MAKE = ROOT / "examples" / "samples" / "make.py"


def test_samples_are_made_again_but_replace_nobodys_files(tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the photo of the extra demo")
    command = [sys.executable, str(MAKE), "--no-data"]
    for _ in range(2):
        subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "photo.jpg").write_text("mine")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("photo.jpg: is another file; use an empty folder\n")
    assert (tmp_path / "photo.jpg").read_text() == "mine"
