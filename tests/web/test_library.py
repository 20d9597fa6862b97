"""The library of `web/` gives the same answers as the runtime: its tests compare them in Node."""

from __future__ import annotations

from pathlib import Path

import pytest
from npm_package import run_npm


@pytest.mark.slow
def test_its_answers_are_those_of_the_runtime(npm: str, tmp_path: Path) -> None:
    pytest.importorskip("skimage", reason="needs the demo extra's photo")
    from tools.web_fixtures.write import write

    write(tmp_path)
    run_npm(npm, "test", fixtures=tmp_path)


@pytest.mark.slow
def test_its_code_is_formatted_and_its_types_are_right(npm: str) -> None:
    run_npm(npm, "run", "check")
