"""Where videos can be cut, from their packets alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from synthetic_videos import Clip, constant_rate, make_video, times_of, variable_rate

from fkd_infer.errors import SegmentError
from fkd_infer.media.video.segments.frame_times import read_frame_times


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_times_are_those_of_the_decoded_frames(name: str, tmp_path: Path) -> None:
    clip = Clip(variable_rate(60), time_base=Fraction(1, 12_800), key_frames=20)
    path = make_video(tmp_path / name, clip)
    table = read_frame_times(path)
    assert table.times == times_of(path)
    assert table.keys == table.times[::20]


def test_files_without_exact_times_are_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", Clip(constant_rate(10), codec="mpeg4", sound=()))
    with pytest.raises(SegmentError, match=r"a\.avi: AVI stores no order of display"):
        read_frame_times(path)
    bare = make_video(tmp_path / "a.h264", Clip(constant_rate(10), sound=()))
    with pytest.raises(SegmentError, match="its format stores no times"):
        read_frame_times(bare)


def test_recordings_that_were_joined_are_refused(tmp_path: Path) -> None:
    part = make_video(tmp_path / "part.ts", Clip(constant_rate(30), sound=()))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    with pytest.raises(SegmentError, match=r"its clock restarts|a part of it is damaged"):
        read_frame_times(joined)
