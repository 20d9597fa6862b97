"""Networks and detectors that fail during a run: results so far are kept, and threads end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.media_bytes import video
from tiny_models import MODELS

from fkd_infer.detection.base import Detector
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.formats.registry import RecordFile, find_format
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.journal import Journal, journal_path
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.jobs.run import Job, run
from fkd_infer.jobs.summary import Summary
from fkd_infer.loading import load
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sources import expand_sources
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Detections

COUNT = 12
LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0"


class FailingDetector(Detector):
    """Detects one box, and raises an error from call number `calls` on."""

    rule = POINTS_BOX

    def __init__(self, calls: int, error: Exception) -> None:
        self._left, self._error = calls, error

    def __call__(self, image: Pixels) -> Detections:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return Detections(np.array([[5, 5, 40, 40]], np.float32), np.ones(1, np.float32))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert {thread.name for thread in left} <= {"tqdm_monitor"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(COUNT):
        write_image(tmp_path / "in" / f"{number:02d}.png", np.full((48, 64, 3), 99, np.uint8))
    return tmp_path / "in"


def process(pipeline: Pipeline, folder: Path, tracker: Tracker | None = None) -> Summary:
    out = folder.parent / "out"
    outputs = Outputs(out, (RecordFile(find_format("json"), out / "faces.jsonl"),))
    journal = Journal(journal_path(out, [str(folder)], [out]), {}, resume=False, faces=True)
    overlay = Overlay(Annotator(pipeline.card.landmarks))
    finder = FaceFinder(pipeline, tracker)
    job = Job(finder, overlay, outputs, workers=2, journal=journal)
    return run(expand_sources([str(folder)]), job, quiet=True)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_lost_gpu_ends_the_run_and_keeps_results_so_far(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = load(MODELS / "fixed.onnx", detector="none")
    pipeline.batch = 1
    original, calls = pipeline.session._run_batch, iter(range(100))

    def answer(crops: Pixels) -> Any:
        if next(calls) >= 5:
            raise RuntimeError(LOST)
        return original(crops)

    monkeypatch.setattr(pipeline.session, "_run_batch", answer)
    monkeypatch.setattr(pipeline.session, "execution_provider", CUDA)
    summary = process(pipeline, folder)
    assert "CUDA stopped working: CUDA failure 700" in str(summary.fatal_error)
    assert "results so far are kept" in str(summary.fatal_error)
    out = folder.parent / "out"
    records = lines(out / "faces.jsonl")
    assert len(records) == summary.frames <= 5
    pictures = {path.name for path in out.glob("*.png")}
    assert {Path(line["source"]).name for line in records} <= pictures
    assert len(lines(out / "errors.jsonl")) == 1
    assert not list(out.rglob("*.part"))
    assert (list(out.glob("*.journal")) != []) == (summary.frames > 0)


def test_a_network_that_returns_nan_fails_each_source_but_not_the_run(folder: Path) -> None:
    summary = process(load(MODELS / "not_finite.onnx", detector="none"), folder)
    assert (summary.frames, len(summary.failures), summary.fatal_error) == (0, COUNT, None)
    assert "not finite" in summary.failures[0].message


def test_an_error_of_the_detector_fails_only_the_current_video(folder: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (folder / name).write_bytes(video(frames=20))
    pipeline = load(MODELS / "scored.onnx", detector="none", min_presence=0)
    tracker = Tracker(pipeline, FailingDetector(25, ValueError("a bug")), detect_every=1)
    summary = process(pipeline, folder, tracker)
    assert [Path(failure.source).name for failure in summary.failures] == ["b.mp4", "c.mp4"]
    assert "failed unexpectedly: ValueError: a bug" in summary.failures[0].message
    assert "in __call__" in (summary.failures[0].trace or "")
    out = folder.parent / "out"
    assert {path.name for path in out.glob("*.mp4")} == {"a.mp4"}
    assert len(list(out.glob("*.png"))) == COUNT


def test_list_of_failures_is_valid_by_its_schema(folder: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from importlib import resources

    (folder / "bad.png").write_text("hello")
    process(load(MODELS / "fixed.onnx", detector="none"), folder)
    schema = json.loads(
        (resources.files("fkd_infer.formats") / "schema" / "fkd-error-1.json").read_text()
    )
    for line in lines(folder.parent / "out" / "errors.jsonl"):
        jsonschema.validate(line, schema)
