"""Cuts a video into segments that can be processed at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fkd_infer.errors import SegmentError
from fkd_infer.limits import Limits
from fkd_infer.media.images.animation import read_animation
from fkd_infer.media.sources import Source
from fkd_infer.media.video.segments.frame_times import read_frame_times
from fkd_infer.types import FrameRange, ReadSettings

COMPARED = 4
"""Frames decoded from before and from a cut, to prove that decoding can begin there."""


@dataclass(frozen=True)
class Segment:
    """Frames of a video that follow each other, of those that a run selects.

    `first` is the number of the first one among all that are selected, `times` are theirs in
    seconds. `frame_range` reads them; that of the last segment reads to the end of the range.
    """

    first: int
    times: Sequence[Fraction]
    frame_range: FrameRange
    is_last: bool

    def with_following(self) -> FrameRange:
        """Reads the frames, and after them those that are compared with the next segment's."""
        if self.is_last:
            return self.frame_range
        return replace(self.frame_range, max_frames=len(self.times) + COMPARED)

    def has(self, number: int, time: Fraction) -> bool:
        """Whether the frame of this number has this time; those that follow may have any."""
        if number >= len(self.times):
            return not self.is_last
        return time == self.times[number]

    def index_of(self, number: int) -> int:
        """The index of a frame in the video, as counted from the start of the whole range."""
        return (self.first + number) * self.frame_range.stride


def plan_segments(
    source: Source,
    seconds: float,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    reading: ReadSettings = ReadSettings(),  # noqa: B008 (frozen)
    limits: Limits | None = None,
) -> list[Segment]:
    """Cuts the selected frames of a video file at key frames into segments of at least `seconds`,
    the last of at least half as many.

    The packets of the file are read, and nothing is decoded. Raises SegmentError, with the reason,
    if a file may have other frames or times where decoding does not begin at its beginning, and if
    it is no longer than a segment; UnreadableVideoError.
    """
    limits = limits or Limits()
    if source.kind != "video" or source.path is None or read_animation(source.path) is not None:
        raise SegmentError(source.name, "it is no video file")
    if reading.deinterlace:
        raise SegmentError(source.name, "--deinterlace looks at the frames before")
    table = read_frame_times(source.path)
    times = _selected(table.times, frame_range)
    if len(times) > limits.frames or (times and times[-1] > limits.seconds):
        raise SegmentError(source.name, "it is longer than allowed")
    firsts = _cuts(times, table.keys, Fraction(seconds))
    if len(firsts) < 2:
        raise SegmentError(source.name, f"it has no two segments of {seconds:g} s")
    return [
        _segment(times, frame_range, first, following)
        for first, following in zip(firsts, [*firsts[1:], None], strict=True)
    ]


def _selected(times: Sequence[Fraction], frame_range: FrameRange) -> list[Fraction]:
    start = bisect_left(times, frame_range.start) if frame_range.start > 0 else 0
    end = len(times) if frame_range.end is None else bisect_left(times, frame_range.end)
    return list(times[start : max(start, end) : frame_range.stride][: frame_range.max_frames])


def _cuts(times: Sequence[Fraction], keys: Sequence[Fraction], seconds: Fraction) -> list[int]:
    """The numbers of the frames with which segments begin."""
    firsts = [0] if times else []
    for key in keys:
        number = bisect_left(times, key)
        if number == len(times):
            break
        # The reader takes a start of 0 for the whole file.
        if key > 0 and times[number] - times[firsts[-1]] >= seconds:
            firsts.append(number)
    if len(firsts) > 1 and 2 * (times[-1] - times[firsts[-1]]) < seconds:
        firsts.pop()
    return firsts


def _segment(
    times: Sequence[Fraction], whole: FrameRange, first: int, following: int | None
) -> Segment:
    own = times[first:following]
    start = whole.start if first == 0 else own[0]
    if following is not None:
        count: int | None = len(own)
    else:
        count = None if whole.max_frames is None else whole.max_frames - first
    frame_range = FrameRange(start, whole.end, count, whole.stride)
    return Segment(first, own, frame_range, following is None)
