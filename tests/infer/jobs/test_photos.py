"""Photos in threads: the same results as one by one, bounded memory, and threads that end."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_models import MODELS

from fkd_infer.detection.base import Detector, DetectorTraits
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import OutputError
from fkd_infer.formats.json_lines import JsonLinesSink
from fkd_infer.formats.registry import RecordFile, find_format
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.outputs import Outputs
from fkd_infer.jobs.photos import Photo, PhotoProcessor
from fkd_infer.jobs.run import Job, run
from fkd_infer.jobs.summary import Summary
from fkd_infer.jobs.threads import network_threads, opencv_threads
from fkd_infer.limits import Limits
from fkd_infer.loading import load
from fkd_infer.media.frames import frames_from, read_photo
from fkd_infer.media.images.file import read_image
from fkd_infer.media.images.header import Size
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sinks import ImageSink
from fkd_infer.media.sources import Source, expand_sources
from fkd_infer.pipeline import Pipeline
from fkd_infer.system.exclusive_lock import ExclusiveLock
from fkd_infer.system.hardware import available_threads
from fkd_infer.types import Detections, Face, Frame


class Counted(Detector):
    """Detects as many faces as the value of the first pixel, modulo 4."""

    rule = POINTS_BOX
    traits = DetectorTraits(thread_safe=True)

    def __call__(self, image: np.ndarray) -> Detections:
        count = int(image[0, 0, 0]) % 4
        boxes = np.arange(count, dtype=np.float32)[:, None] * 3 + [5, 3, 35, 33]
        return Detections(boxes.astype(np.float32), np.ones(count, np.float32))


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    assert not [t for t in threading.enumerate() if t.name.startswith("worker")]


@pytest.fixture
def pipeline() -> Pipeline:
    return load(MODELS / "fixed.onnx", detector=Counted(), provider="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photos of noise of several sizes."""
    rng = np.random.default_rng(0)
    for number in range(20):
        image = rng.integers(0, 256, (40 + 7 * (number % 3), 60, 3), np.uint8)
        image[0, 0, 0] = number
        write_image(tmp_path / "in" / f"{number:02d}.png", image)
    return tmp_path / "in"


def process(
    pipeline: Pipeline, folder: Path, workers: int, out: Path | None = None, json: str = "r.jsonl"
) -> Summary:
    paths = {"json": folder.parent / json, "csv": folder.parent / f"{json}.csv"}
    records = tuple(RecordFile(find_format(name), path) for name, path in paths.items())
    return run(
        expand_sources([str(folder)]),
        Job(
            FaceFinder(pipeline),
            Overlay(Annotator(pipeline.card.landmarks)),
            Outputs(out, records),
            workers=workers,
        ),
        quiet=True,
    )


def test_several_workers_write_the_same_records_and_pictures_as_one(
    pipeline: Pipeline, folder: Path
) -> None:
    base = folder.parent
    pipeline.batch = 5
    one = process(pipeline, folder, 1, base / "one", "one.jsonl")
    three = process(pipeline, folder, 3, base / "three", "three.jsonl")
    assert (one.frames, one.faces, one.failures) == (20, 30, [])
    assert (three.frames, three.faces, three.failures) == (20, 30, [])
    for end in ("jsonl", "jsonl.csv"):
        assert (base / f"one.{end}").read_text() == (base / f"three.{end}").read_text()
    assert three.picture_count == 20
    assert [p.name for p in three.pictures] == [f"{n:02d}.png" for n in range(10)]
    for picture in sorted((base / "three").glob("*.png")):
        alone = read_image(base / "one" / picture.name)
        np.testing.assert_array_equal(read_image(picture), alone)


def test_picture_is_the_frame_with_its_faces_drawn(pipeline: Pipeline, folder: Path) -> None:
    process(pipeline, folder, 2, folder.parent / "out")
    (source,) = expand_sources([str(folder / "03.png")])
    (frame,) = frames_from(source)
    drawn = Annotator(pipeline.card.landmarks)(frame, pipeline(frame.image))
    found = read_image(folder.parent / "out" / "03.png")
    np.testing.assert_array_equal(found, drawn.image)


def test_reports_bad_files_in_order_and_processes_the_others(
    pipeline: Pipeline, folder: Path
) -> None:
    for name in ("03.png", "04.png", "19.png"):
        (folder / name).write_text("hello")
    summary = process(pipeline, folder, 3)
    assert summary.frames == 17
    assert [Path(failure.source).name for failure in summary.failures] == [
        "03.png",
        "04.png",
        "19.png",
    ]


def test_writes_no_record_for_a_picture_that_cannot_be_written(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ImageSink.write

    def write(sink: ImageSink, frame: Frame) -> None:
        if frame.source.endswith("05.png"):
            raise OutputError(frame.source, "the disk is full")
        own(sink, frame)

    monkeypatch.setattr(ImageSink, "write", write)
    summary = process(pipeline, folder, 2, folder.parent / "out")
    assert summary.frames == 19
    assert len(summary.failures) == 1
    assert "the disk is full" in summary.failures[0].message
    assert "05.png" not in (folder.parent / "r.jsonl").read_text()


def test_a_record_that_cannot_be_written_ends_the_run(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(sink: JsonLinesSink, frame: Frame, faces: Sequence[Face]) -> None:
        raise OutputError("r.jsonl", "the disk is full")

    monkeypatch.setattr(JsonLinesSink, "write", write)
    summary = process(pipeline, folder, 2)
    assert (summary.frames, summary.failures) == (0, [])
    assert "the disk is full; the run stopped there" in str(summary.fatal_error)
    assert "--resume" in str(summary.fatal_error)


def break_part(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    target: tuple[Any, str] = {
        "sink": (ImageSink, "write"),
        "record": (JsonLinesSink, "write"),
        "draw": (Annotator, "draw"),
        "detector": (Counted, "__call__"),
    }[where]
    monkeypatch.setattr(*target, fail)


@pytest.mark.parametrize("where", ["sink", "draw", "detector"])
def test_reports_an_unexpected_error_with_its_traceback(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    break_part(monkeypatch, where)
    summary = process(pipeline, folder, 3, folder.parent / "out")
    assert (summary.frames, len(summary.failures)) == (0, 20)
    assert "failed unexpectedly: RuntimeError: a bug" in summary.failures[0].message
    assert "in fail" in (summary.failures[0].trace or "")
    assert not list((folder.parent / "out").glob(".*.part"))


def test_an_unexpected_error_of_a_record_ends_the_run_and_leaves_no_files(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_part(monkeypatch, "record")
    with pytest.raises(RuntimeError, match="a bug"):
        process(pipeline, folder, 3, folder.parent / "out")
    assert not list(folder.parent.glob("r.jsonl*"))
    assert not list((folder.parent / "out").glob(".*"))


@dataclass
class PhotosInMemory:
    """Counts the photos in memory."""

    now: int = 0
    most: int = 0

    def add(self, image: np.ndarray) -> None:
        with _LOCK:
            self.now += 1
            self.most = max(self.most, self.now)
        weakref.finalize(image, self.remove)

    def remove(self) -> None:
        with _LOCK:
            self.now -= 1


_LOCK = threading.Lock()


def count_in_memory(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> tuple[int, int]:
    """The most photos that were in memory at once, and those at the end."""
    held = PhotosInMemory()

    def read(source: Source, limits: Limits, admit: Callable[[Size], object]) -> Frame:
        frame = read_photo(source, limits, admit)
        held.add(frame.image)
        return frame

    monkeypatch.setattr("fkd_infer.jobs.photos.read_photo", read)
    monkeypatch.setattr("fkd_infer.jobs.photos.MAX_PIXELS_IN_WORK", room)
    process(pipeline, folder, 2, folder.parent / "out")
    return held.most, held.now


def test_photos_in_memory_are_bounded_by_pixels(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers hold their share of two photos (of 40 to 54 rows) each, and one more each."""
    pipeline.batch = 1000
    most, left = count_in_memory(pipeline, folder, monkeypatch, 4 * 60 * 50)
    assert most <= 2 * 3
    assert left == 0


def test_only_one_large_photo_is_in_memory(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if a thread pauses right after it releases the lock."""
    release = ExclusiveLock.release

    def release_and_pause(lock: ExclusiveLock) -> None:
        release(lock)
        time.sleep(0.005)

    monkeypatch.setattr(ExclusiveLock, "release", release_and_pause)
    pipeline.batch = 1000
    assert count_in_memory(pipeline, folder, monkeypatch, 10)[0] == 1


def test_photos_in_memory_are_bounded_by_the_batch(
    pipeline: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.batch = 3
    assert count_in_memory(pipeline, folder, monkeypatch, 10**9)[0] <= 2 * 5


def test_begins_no_photo_once_stopping(pipeline: Pipeline, folder: Path) -> None:
    begun: list[str] = []

    def find_photos(stop_after: int) -> list[Photo]:
        processor = PhotoProcessor(
            FaceFinder(pipeline),
            Overlay(Annotator(pipeline.card.landmarks)),
            None,
            drawn=False,
            stopping=lambda: len(begun) >= stop_after,
        )
        found = []
        for photo in processor.photos(expand_sources([str(folder)]), workers=1):
            begun.append(photo.source.name)
            found.append(photo)
        return found

    pipeline.batch = 1
    photos = find_photos(4)
    processed = [photo.frame is not None for photo in photos]
    assert len(photos) == 20
    assert 4 <= sum(processed) < 20
    assert processed == sorted(processed, reverse=True), "none after the first one skipped"


def test_restores_the_threads_of_opencv(pipeline: Pipeline, folder: Path) -> None:
    before = cv2.getNumThreads()
    seen: list[int] = []

    class Recording(Counted):
        def __call__(self, image: np.ndarray) -> Detections:
            seen.append(cv2.getNumThreads())
            return super().__call__(image)

    pipeline.detector = Recording()
    process(pipeline, folder, available_threads())
    assert set(seen) == {1}
    assert cv2.getNumThreads() == before
    with pytest.raises(ValueError, match="x"), opencv_threads(1):
        raise ValueError("x")
    assert cv2.getNumThreads() == before


def test_network_calls_at_once_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkd_infer.jobs.threads.available_threads", lambda: 8)
    photo, video = Source("a", "image", Path("a")), Source("v", "video", Path("v"))
    assert network_threads([photo] * 100, 8) == 1
    assert network_threads([photo] * 3, 8) == 2
    assert network_threads([photo] * 3, 16) == 2
    assert network_threads([photo], 8) is None
    assert network_threads([photo] * 9, 1) is None
    assert network_threads([photo] * 9 + [video], 8) is None


def test_summary_adds_up_stages_of_several_threads_and_says_so() -> None:
    stages = {"read": 1.0, "detect": 3.0}
    one = Summary(10, 5, 4.0, stages).lines()
    assert one == [
        "10 frames, 5 faces in 4.0 s, 2.5 frames/s",
        "ms per frame: read 100.0, detect 300.0",
    ]
    two = Summary(10, 5, 0.3, stages).lines()
    assert two[0] == "10 frames, 5 faces in 0.3 s, 33.3 frames/s"
    assert two[1] == (
        "ms per frame, added up over all threads: read 100.0 (25 %), detect 300.0 (75 %)"
    )
