"""Seconds per stage, and traces."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fkd_infer
from fkd_infer.detection.base import Detector
from fkd_infer.errors import FkdError, OutputError
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.system.chrome_trace import Trace
from fkd_infer.system.stopwatch import Stopwatch
from fkd_infer.types import Detections


class OneBox(Detector):
    """Detects the same box in any image."""

    rule = POINTS_BOX

    def __call__(self, image: np.ndarray) -> Detections:
        return Detections(np.array([[20, 10, 60, 50]], np.float32), np.ones(1, np.float32))


def black() -> np.ndarray:
    return np.zeros((90, 120, 3), np.uint8)


def events(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return found


def complete(found: list[dict[str, Any]], category: str) -> list[dict[str, Any]]:
    return [e for e in found if e["ph"] == "X" and e["cat"] == category]


def test_adds_up_seconds_of_all_threads() -> None:
    stopwatch = Stopwatch()

    def work() -> None:
        with stopwatch("sleep"):
            time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= stopwatch.seconds["sleep"] < 5


def test_a_stage_that_fails_counts_too() -> None:
    stopwatch = Stopwatch()
    with pytest.raises(ValueError, match="no"), stopwatch("read"):
        raise ValueError("no")
    assert stopwatch.seconds["read"] > 0


def test_spans_have_times_threads_and_frames(tmp_path: Path) -> None:
    stopwatch = Stopwatch(trace=Trace())
    assert stopwatch.trace is not None
    with stopwatch.for_frames([("v.mp4", 12)]), stopwatch("read"):
        time.sleep(0.01)
    with stopwatch.for_frames([("a.jpg", 0), ("b.jpg", 0)]), stopwatch("landmarks"):
        pass
    with stopwatch("draw"):
        pass
    profile = tmp_path / "profile.json"
    profile.write_text("[]")
    stopwatch.trace.write(tmp_path / "t.json", profile, time.time_ns())
    found = events(tmp_path / "t.json")
    read, landmarks, draw = complete(found, "stage")
    assert read["name"] == "read"
    assert 10_000 <= read["dur"] < 5e6
    assert 0 <= read["ts"] <= landmarks["ts"] - read["dur"]
    assert read["args"] == {"source": "v.mp4", "frame": 12}
    assert [image["source"] for image in landmarks["args"]["images"]] == ["a.jpg", "b.jpg"]
    assert draw["args"] == {}
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in found if e["name"] == "thread_name"}
    assert names[read["pid"], read["tid"]] == "MainThread"


@pytest.mark.parametrize("clock", [time.perf_counter_ns, time.monotonic_ns, time.time_ns])
def test_operators_are_shifted_to_the_traces_zero_for_any_clock(tmp_path: Path, clock: Any) -> None:
    profile = tmp_path / "profile.json"
    event = {"ph": "X", "cat": "Node", "name": "conv", "ts": 100, "dur": 5, "pid": 9, "tid": 7}
    profile.write_text(json.dumps([event]))
    trace = Trace()
    trace.write(tmp_path / "t.json", profile, clock() + 2_000_000)
    (moved,) = complete(events(tmp_path / "t.json"), "Node")
    assert 2_100 <= moved["ts"] < 2_000_000
    assert moved["dur"] == 5
    assert (moved["pid"], moved["tid"]) != (9, 7)


def test_operators_lie_within_the_stage_that_ran_them(fixed_model: Path, tmp_path: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=OneBox(), provider="cpu", threads=1)
    path = tmp_path / "trace.json"
    with pipeline.profile(path):
        assert len(list(pipeline.many([black()] * 5, workers=2))) == 5
    found = events(path)
    stages = complete(found, "stage")
    assert {e["name"] for e in stages} == {"detect", "crop", "landmarks"}
    operators = complete(found, "Node")
    assert operators
    calls = [e for e in stages if e["name"] == "landmarks"]
    names = {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}
    for operator in operators:
        inside = [
            call
            for call in calls
            if names[operator["tid"]] == f"operators, called by {names[call['tid']]}"
            and call["ts"] - 1000 <= operator["ts"]
            and operator["ts"] + operator["dur"] <= call["ts"] + call["dur"] + 1000
        ]
        assert inside, "it is on its caller's track, to the millisecond"
    rows = {e["pid"] for e in stages}, {e["pid"] for e in operators}
    assert rows[0].isdisjoint(rows[1])
    named = {(e["pid"], e["tid"]) for e in found if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in (*stages, *operators)} <= named


def test_a_profile_restores_the_session(fixed_model: Path, tmp_path: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=OneBox(), provider="cpu")
    session = pipeline.session
    with pipeline.profile(tmp_path / "trace.json"):
        assert pipeline.session is not session
        assert pipeline.session.settings.threads == session.settings.threads
    assert pipeline.session is session
    assert pipeline.stopwatch.trace is None
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


def test_an_error_leaves_no_partial_trace(fixed_model: Path, tmp_path: Path) -> None:
    pipeline = fkd_infer.load(fixed_model, detector=OneBox(), provider="cpu")
    session = pipeline.session
    with pytest.raises(FkdError), pipeline.profile(tmp_path / "trace.json"):
        pipeline(None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    assert pipeline.session is session


def test_reports_a_trace_that_cannot_be_written(fixed_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pipeline = fkd_infer.load(fixed_model, detector=OneBox(), provider="cpu")
    with (
        pytest.raises(OutputError, match=r"trace\.json"),
        pipeline.profile(tmp_path / "file" / "trace.json"),
    ):
        pytest.fail("reported before any work")
