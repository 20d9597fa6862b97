"""Where a run cuts a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from synthetic_videos import Clip, constant_rate, make_video, numbered_image

from fkd_infer.errors import SegmentError
from fkd_infer.jobs.segments.plan import Segment, plan_segments
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frames_from
from fkd_infer.media.images.writing import write_image
from fkd_infer.media.sources import Source, expand_sources
from fkd_infer.types import FrameRange, ReadSettings


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A video of 100 frames, 10 a second, with a key frame each second."""
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    rate = Fraction(10)
    clip = Clip(constant_rate(100, rate), rate=rate, sound=(), key_frames=10)
    return expand_sources([str(make_video(path, clip))])[0]


def read(source: Source, segments: list[Segment]) -> list[tuple[int, Fraction]]:
    return [
        (segment.index_of(number), frame.time)
        for segment in segments
        for number, frame in enumerate(frames_from(source, segment.frame_range))
    ]


@pytest.mark.parametrize(
    ("frame_range", "firsts"),
    [
        (FrameRange(), [0, 30, 60]),
        (FrameRange(Fraction(25, 10)), [0, 25, 55]),
        (FrameRange(Fraction(3), Fraction(8)), [0, 30]),
        (FrameRange(Fraction(1, 2), None, None, 7), [0, 4, 8]),
        (FrameRange(max_frames=70), [0, 30]),
        (FrameRange(Fraction(0), Fraction(9), 20, 4), [0, 8, 15]),
    ],
)
def test_segments_have_the_frames_of_one_run(
    source: Source, frame_range: FrameRange, firsts: list[int]
) -> None:
    segments = plan_segments(source, 2.5, frame_range)
    assert [segment.first for segment in segments] == firsts
    whole = [(frame.index, frame.time) for frame in frames_from(source, frame_range)]
    assert read(source, segments) == whole
    assert [time for segment in segments for time in segment.times] == [time for _, time in whole]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"seconds": 8}, "it has no two segments of 8 s"),
        ({"reading": ReadSettings(deinterlace=True)}, "--deinterlace looks at the frames before"),
        ({"limits": Limits(frames=99)}, "it is longer than allowed"),
        ({"frame_range": FrameRange(Fraction(11))}, "it has no two segments"),
    ],
)
def test_videos_that_are_not_cut_say_why(
    source: Source, arguments: dict[str, object], why: str
) -> None:
    with pytest.raises(SegmentError, match=why):
        plan_segments(source, **{"seconds": 3, **arguments})  # type: ignore[arg-type]


def test_only_video_files_are_cut(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.asarray(numbered_image(3)))
    sources = [expand_sources(["0"])[0], expand_sources([str(tmp_path / "a.png")])[0]]
    for source in sources:
        with pytest.raises(SegmentError, match="it is no video file"):
            plan_segments(source, 3)
