"""What is made of the results of a page, and what a missing program says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.results import Recorder
from benchmarks.web.frames import LabelledFrame, drawn_frames
from benchmarks.web.measure import figures_of, measure_web
from fkd_infer.errors import ContenderError


def result(frame: LabelledFrame, offset: float, ms: float) -> dict[str, Any]:
    """A page's result: the face, moved, and one that is not there."""
    faces = [(frame.points + offset).tolist(), (frame.points + 1000).tolist()]
    return {"faces": faces, "ms": ms, "stages": {"detector": ms / 2}}


def test_figures_are_medians_of_rounds_and_errors_of_the_nearest_face() -> None:
    frames = drawn_frames()[:2]
    rounds = [[result(frame, 0, ms) for frame in frames] for ms in (10, 20, 90)]
    figures = figures_of(rounds, frames)
    assert figures["time"].value == pytest.approx(20)
    assert figures["detector"].value == pytest.approx(10)
    assert figures["found"].value == 2
    assert figures["others"].value == 2
    assert figures["NME"].value == pytest.approx(0)


def test_a_face_that_is_off_is_not_found() -> None:
    frames = drawn_frames()[:1]
    side = float(np.ptp(frames[0].points))
    figures = figures_of([[result(frames[0], side, 10)]], frames)
    assert figures["found"].value == 0
    assert "NME" not in figures


def test_without_npm_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recorder = Recorder(tmp_path / "results.jsonl", print, quiet=True)
    with pytest.raises(ContenderError, match="no npm on the PATH"):
        measure_web(None, None, 1, recorder)
