"""The library of `web/` gives the same answers as the runtime: its tests compare them in Node."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from repo_paths import ROOT

WEB = ROOT / "web"


@pytest.fixture(scope="module")
def npm() -> str:
    """The command npm, with the packages of `web/` installed; skips the test without them."""
    command = shutil.which("npm")
    if command is None:
        pytest.skip("needs npm")
    if not (WEB / "node_modules").is_dir():
        problem = "needs the packages of `npm ci --prefix web`"
        pytest.fail(problem) if "CI" in os.environ else pytest.skip(problem)
    return command


def run(arguments: Sequence[str], fixtures: Path | None = None) -> None:
    """Runs npm in `web/`; fails with what it prints."""
    environment = os.environ | ({"FKD_WEB_FIXTURES": str(fixtures)} if fixtures else {})
    done = subprocess.run(
        arguments, cwd=WEB, env=environment | {"NO_COLOR": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_its_answers_are_those_of_the_runtime(npm: str, tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    from tools.web_fixtures.write import write

    write(tmp_path)
    run([npm, "test"], tmp_path)


@pytest.mark.slow
def test_its_types_are_right_and_it_is_built(npm: str, tmp_path: Path) -> None:
    run([npm, "run", "typecheck"])
    run([npm, "run", "build", "--", "--outDir", str(tmp_path), "--logLevel", "error"])
    assert (tmp_path / "index.html").is_file()
