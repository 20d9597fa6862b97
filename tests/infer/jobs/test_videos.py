"""Videos, with a thread for each stage."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_videos import NTSC, Clip, constant_rate, make_video, noise_image
from tiny_models import MODELS

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.image_canvas import as_canvas
from fkd_infer.detection.base import Detector, DetectorTraits
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.errors import DamagedVideoError, UnreadableVideoError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.loading import load
from fkd_infer.media.sources import Source, expand_sources
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.picture import VideoPicture
from fkd_infer.media.video.reader import read_video
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Detections, Face, Frame, FrameRange, ReadSettings

COUNT = 30


@dataclass
class Recorded:
    """Frames and faces that a processor passed on."""

    frames: list[Frame] = field(default_factory=list)
    faces: list[Sequence[Face]] = field(default_factory=list)

    def __call__(self, frame: Frame, faces: Sequence[Face]) -> None:
        self.frames.append(frame)
        self.faces.append(faces)


class CentreDetector(Detector):
    """Detects one box in every frame."""

    traits = DetectorTraits(takes_gray=True)

    def __init__(self) -> None:
        self.rule = load(MODELS / "fixed.onnx", tuned=False).detector.rule
        self.shapes: set[int] = set()

    def __call__(self, image: np.ndarray) -> Detections:
        self.shapes.add(image.ndim)
        return Detections(np.array([[20, 16, 44, 40]], np.float32), np.ones(1, np.float32))


class CornerFilter:
    """Paints a white square into the corner."""

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        canvas = as_canvas(image)
        with canvas.ink((0, 0, 8, 8)) as ink:
            ink.pixels[:] = ink.palette.mark((255, 255, 255))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "in" / "a.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(COUNT):
            picture = np.full((48, 64, 3), 8 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    [source] = expand_sources([str(path)])
    return source


def make_processor(out: Path | None, **changed: object) -> VideoProcessor:
    pipeline = load(MODELS / "fixed.onnx", tuned=False)
    overlay = Overlay(Annotator(IBUG68, ()), CornerFilter())
    finder = FaceFinder(pipeline, Tracker(pipeline, CentreDetector()))
    drawn = out is not None
    processor = VideoProcessor(
        finder, overlay, out, drawn, FrameRange(), Encoding(), False, lambda: False
    )
    return replace(processor, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("offline", [False, True])
def test_records_and_writes_every_frame_in_order(
    offline: bool, source: Source, tmp_path: Path
) -> None:
    recorded = Recorded()
    process = make_processor(tmp_path / "out", offline=offline)
    process(source, recorded)
    assert [frame.index for frame in recorded.frames] == list(range(COUNT))
    written = list(read_video(tmp_path / "out" / "a.mp4", ""))
    assert [frame.time for frame in written] == [frame.time for frame in recorded.frames]
    assert all(frame.image[2:6, 2:6].min() > 240 for frame in written), (
        "the filter is drawn on each"
    )
    levels = [float(frame.image[24:].mean()) for frame in written]
    assert levels == pytest.approx([8 * i for i in range(COUNT)], abs=7)


def test_reads_gray_frames_if_nothing_is_drawn(source: Source) -> None:
    recorded = Recorded()
    process = make_processor(None)
    process(source, recorded)
    assert process.finder.tracker is not None
    detector = process.finder.tracker.detector
    assert isinstance(detector, CentreDetector)
    gray = process.finder.pipeline.card.input.channels == 1
    assert detector.shapes == ({2} if gray else {3})
    assert {frame.image.ndim for frame in recorded.frames} == detector.shapes


def test_stopping_leaves_a_complete_video_of_the_processed_frames(
    source: Source, tmp_path: Path
) -> None:
    recorded = Recorded()
    process = make_processor(tmp_path / "out", stopping=lambda: len(recorded.frames) >= 7)
    process(source, recorded)
    assert len(recorded.frames) == 7
    assert len(list(read_video(tmp_path / "out" / "a.mp4", ""))) == 7


@pytest.fixture
def damaged(tmp_path: Path) -> Source:
    """A video of 40 frames that is cut off."""
    path = make_video(tmp_path / "a.mkv", Clip(constant_rate(40), noise_image))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    [source] = expand_sources([str(path)])
    return source


@pytest.mark.parametrize("offline", [False, True])
def test_a_damaged_video_is_processed_as_far_as_it_can_be_decoded(
    offline: bool, damaged: Source, tmp_path: Path
) -> None:
    recorded = Recorded()
    with pytest.raises(DamagedVideoError):
        make_processor(tmp_path / "out", offline=offline)(damaged, recorded)
    assert 10 < len(recorded.frames) < 30
    assert len(list(read_video(tmp_path / "out" / "a.mkv", ""))) == len(recorded.frames)


def test_strictly_a_damaged_video_ends_all_threads_and_leaves_no_file(
    damaged: Source, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableVideoError):
        make_processor(tmp_path / "out", reading=ReadSettings(strict=True))(damaged, Recorded())
    assert not list((tmp_path / "out").glob("*"))


def test_notes_what_a_video_keeps_in_another_form(tmp_path: Path) -> None:
    clip = Clip(codec="mjpeg", pixels="yuvj420p", time_base=1 / NTSC, sound=["wmav2"])
    [source] = expand_sources([str(make_video(tmp_path / "a.avi", clip))])
    notes: list[str] = []
    make_processor(tmp_path / "out")(source, Recorded(), notes.append)
    assert notes == ["its sound is encoded as AAC: .mp4 does not hold wmav2"]


def test_an_error_of_the_recorder_ends_all_threads(source: Source, tmp_path: Path) -> None:
    def fail(frame: Frame, faces: Sequence[Face]) -> None:
        if frame.index == 3:
            raise KeyError("full")

    with pytest.raises(KeyError, match="full"):
        make_processor(tmp_path / "out")(source, fail)
    assert not list((tmp_path / "out").glob("*"))


def test_frames_use_the_same_memory_again(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", Clip(constant_rate(90)))
    [source] = expand_sources([str(path)])
    used: set[int] = set()

    def record(frame: Frame, faces: Sequence[Face]) -> None:
        assert isinstance(frame.stored, VideoPicture)
        used.add(frame.stored.luma.__array_interface__["data"][0])

    make_processor(tmp_path / "out")(source, record)
    assert len(used) <= 20, "frames in the stages and queues, however long the video is"


def test_a_range_after_the_end_is_an_error(source: Source, tmp_path: Path) -> None:
    late = make_processor(tmp_path / "out", frame_range=FrameRange(Fraction(500)))
    with pytest.raises(UnreadableVideoError, match="no frame of it is in the chosen range"):
        late(source, Recorded())
    assert not (tmp_path / "out" / "a.mp4").exists()
