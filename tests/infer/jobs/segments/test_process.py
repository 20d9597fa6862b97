"""Videos in segments, against one run of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from moving_heads import COUNT, make_heads_video
from synthetic_videos import sound_packets, times_of

from fkd_infer.choices import Roll, Smoothing
from fkd_infer.detection.factory import video_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.drawing.annotator import Annotator
from fkd_infer.drawing.overlay import Overlay
from fkd_infer.jobs.face_finder import FaceFinder
from fkd_infer.jobs.segments import tasks
from fkd_infer.jobs.segments.joining import JoinedVideo
from fkd_infer.jobs.segments.process import SegmentedVideoProcessor
from fkd_infer.jobs.videos import VideoProcessor
from fkd_infer.loading import load
from fkd_infer.media.sources import Source, expand_sources
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.stores.access import fetch, find, upload
from fkd_infer.stores.address import Address, Place
from fkd_infer.tracking.state import TrackerMark
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Face, Frame, FrameRange, ReadSettings

FIRST = FrameRange(max_frames=170)


@dataclass
class Recorded:
    """Frames and faces of a run, what it noted, and how its segments were joined."""

    frames: list[tuple[str, int, Fraction, int, int]] = field(default_factory=list)
    faces: list[Sequence[Face]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    joined: list[JoinedVideo] = field(default_factory=list)

    def __call__(self, frame: Frame, faces: Sequence[Face]) -> None:
        self.frames.append((frame.source, frame.index, frame.time, frame.width, frame.height))
        self.faces.append(faces)

    def assert_is(self, other: Recorded) -> None:
        assert self.frames == other.frames
        for faces, others in zip(self.faces, other.faces, strict=True):
            assert [face.id for face in faces] == [face.id for face in others]
            for face, same in zip(faces, others, strict=True):
                np.testing.assert_allclose(face.points, same.points, atol=0.1)
                np.testing.assert_allclose(face.box, same.box, atol=0.1)
                assert face.predicted == same.predicted
                assert face.score == pytest.approx(same.score, abs=1e-4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The video, as a source."""
    path = make_heads_video(tmp_path_factory.mktemp("video") / "heads.mp4")
    return expand_sources([str(path)])[0]


def processor(
    folder: Place | None,
    smoothing: Smoothing = "medium",
    frame_range: FrameRange | None = None,
    offline: bool = False,
    detect_every: int | None = None,
    roll: Roll = "upright",
) -> VideoProcessor:
    pipeline = load(threads=1, tuned=False)
    detector = video_detector(pipeline.detector, Search(320, roll=roll))
    return VideoProcessor(
        FaceFinder(pipeline, Tracker(pipeline, detector, detect_every, smoothing)),
        Overlay(Annotator(pipeline.card.landmarks, ("points", "id"))),
        folder,
        folder is not None,
        frame_range or FrameRange(),
        Encoding(),
        offline,
        lambda: False,
    )


def run_whole(source: Source, whole: VideoProcessor) -> Recorded:
    recorded = Recorded()
    assert whole(source, recorded, recorded.notes.append)
    return recorded


def run_in_segments(
    source: Source, whole: VideoProcessor, executor: Executor | None = None, seconds: float = 4
) -> Recorded:
    recorded = Recorded()
    with executor or ThreadPoolExecutor(2) as workers:
        run = SegmentedVideoProcessor(whole, workers, seconds, recorded.joined.append)
        assert run(source, recorded, recorded.notes.append)
    return recorded


@pytest.fixture(scope="module")
def one(source: Source, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, Path, str]:
    """What one run records, its video, and the summary of its tracker."""
    whole = processor(tmp_path_factory.mktemp("one"))
    recorded = run_whole(source, whole)
    picture = whole.picture(source)
    assert isinstance(picture, Path)
    return recorded, picture, whole.finder.summary


def test_processes_give_what_one_run_gives(
    source: Source, one: tuple[Recorded, Path, str], tmp_path: Path
) -> None:
    expected, video, summary = one
    assert {face.id for faces in expected.faces for face in faces} >= {1, 2, 3}
    whole = processor(tmp_path)
    executor = ProcessPoolExecutor(2, get_context("spawn"))
    recorded = run_in_segments(source, whole, executor)
    recorded.assert_is(expected)
    assert recorded.notes == expected.notes
    assert whole.finder.summary == summary
    (joined,) = recorded.joined
    assert len(joined.run_ons) == 3
    assert None not in joined.run_ons
    picture = tmp_path / source.output
    assert sound_packets(picture) == sound_packets(video)
    assert times_of(picture) == times_of(video)
    assert len(times_of(picture)) == COUNT
    assert [path.name for path in tmp_path.iterdir() if path != picture] in ([], ["cache"])


def test_videos_in_stores_give_what_files_give(
    source: Source, one: tuple[Recorded, Path, str], tmp_path: Path
) -> None:
    assert source.path is not None
    upload(source.path, Address.parse("memory://segments/heads.mp4"))
    (stored,) = expand_sources("memory://segments/heads.mp4")
    whole = processor(Address.parse("memory://segments/out"))
    recorded = run_in_segments(stored, whole)
    expected, video, _ = one
    frames = [(stored.name, *frame[1:]) for frame in expected.frames]
    Recorded(frames, expected.faces).assert_is(recorded)
    assert recorded.notes == expected.notes
    assert len(recorded.joined) == 1
    picture = find(Address.parse("memory://segments/out/heads.mp4"))
    assert picture is not None
    fetch(picture, tmp_path / "heads.mp4")
    assert sound_packets(tmp_path / "heads.mp4") == sound_packets(video)
    assert times_of(tmp_path / "heads.mp4") == times_of(video)


@pytest.mark.parametrize(
    "settings",
    [
        {"offline": True, "smoothing": "off", "detect_every": 9, "frame_range": FIRST},
        {"smoothing": "low", "frame_range": FrameRange(Fraction(3, 2), Fraction(15), None, 2)},
    ],
)
def test_other_settings_give_what_one_run_gives(
    source: Source, settings: dict[str, object]
) -> None:
    expected = run_whole(source, processor(None, **settings))  # type: ignore[arg-type]
    recorded = run_in_segments(source, processor(None, **settings))  # type: ignore[arg-type]
    recorded.assert_is(expected)
    assert len(recorded.joined) == 1


def test_trackers_that_never_agree_run_on_to_the_end(
    source: Source, one: tuple[Recorded, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrackerMark, "agrees_with", lambda *_: False)
    recorded = run_in_segments(source, processor(None, frame_range=FIRST))
    first = Recorded(one[0].frames[:170], one[0].faces[:170])
    recorded.assert_is(first)
    assert recorded.joined[0].run_ons == [None, None]
    assert recorded.notes == ["2 of its 3 segments were tracked one after the other"]


def test_what_cannot_be_cut_is_processed_in_one_run(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = processor(None, frame_range=FrameRange(max_frames=40))
    expected = run_whole(source, whole)
    recorded = run_in_segments(source, whole)
    recorded.assert_is(expected)
    assert recorded.notes == ["not in segments: it has no two segments of 4 s"]
    assert recorded.joined == []
    whole = replace(whole, frame_range=FIRST)
    checksums = count()
    monkeypatch.setattr(tasks, "crc32", lambda _: next(checksums))
    recorded = run_in_segments(source, whole)
    assert recorded.notes == ["not in segments: it decodes to other pictures from its middle on"]
    assert len(recorded.frames) == 170


@pytest.mark.parametrize(
    ("whole", "why"),
    [
        ({"reading": ReadSettings(deinterlace=True)}, "--deinterlace looks at the frames before"),
        ({"drawn": True}, "previews and contact sheets show whole runs"),
        ({}, "--roll any adds up how far faces turn from their first frame on"),
    ],
)
def test_settings_that_need_one_run_say_so(
    source: Source, whole: dict[str, object], why: str
) -> None:
    roll: Roll = "upright" if whole else "any"
    few = replace(processor(None, frame_range=FrameRange(max_frames=1), roll=roll), **whole)  # type: ignore[arg-type]
    assert run_in_segments(source, few).notes == [f"not in segments: {why}"]


class NeverReady(Executor):
    """Accepts tasks, and does none of them."""

    def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[object]:  # type: ignore[override]
        return Future()


def test_a_run_that_is_stopped_leaves_nothing(source: Source, tmp_path: Path) -> None:
    whole = replace(processor(tmp_path / "out"), stopping=lambda: True)
    recorded = Recorded()
    assert not SegmentedVideoProcessor(whole, NeverReady(), 5)(source, recorded)
    assert recorded.frames == []
    assert not (tmp_path / "out").exists()
