"""Joins the faces of segments to those that one run finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fkd_infer.choices import Smoothing
from fkd_infer.errors import SegmentError
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.jobs.segments.plan import Segment
from fkd_infer.jobs.segments.tasks import FoundSegment, RunOn
from fkd_infer.tracking.offline_smoothing import smooth_offline
from fkd_infer.tracking.one_euro import Smoother
from fkd_infer.tracking.state import Ids, TrackerState
from fkd_infer.tracking.tracked_frame import TrackedFrame, finished_faces
from fkd_infer.types import Face, Frame


@dataclass(frozen=True, eq=False)
class JoinedVideo:
    """The faces of all frames, not smoothed, with the ids of one run. `run_ons` are the frames that
    the tracker ran on into each segment but the first, None where it never came to agree."""

    tracked: list[TrackedFrame]
    run_ons: list[int | None]


def check_cuts(name: str, found: Sequence[FoundSegment]) -> None:
    """Raises SegmentError if the frames of a cut differ when decoding begins there."""
    for before, after in pairwise(found):
        same = all(a == b for a, b in zip(before.following, after.opening, strict=False))
        if not same or (before.width, before.height) != (after.width, after.height):
            raise SegmentError(name, "it decodes to other pictures from its middle on")


def join_segments(
    found: Sequence[FoundSegment],
    run_ons: Sequence[RunOn],
    again: Callable[[int, TrackerState], RunOn],
) -> JoinedVideo:
    """Joins segments, given the run-ons into all but the first.

    These began with the last state of the segment's own tracker. Where that never came to agree
    with the tracker before it, `again` runs on from the right state into the segment of a number.
    Without run-ons, faces are not tracked, and are taken as they are.
    """
    tracked = list(found[0].tracked)
    if not run_ons:
        return JoinedVideo([one for segment in found for one in segment.tracked], [])
    ids = Ids({}, 0)  # from those of the last segment's tracker to those of one run
    state: TrackerState | None = None
    lengths: list[int | None] = []
    for number, segment in enumerate(found[1:], 1):
        ran_on = run_ons[number - 1] if state is None else again(number, state)
        tracked += _renamed(ran_on.tracked, ids)
        if ran_on.ids is None:
            state = ran_on.state
            lengths.append(None)
            continue
        state, ids = None, ran_on.ids.then(ids)
        lengths.append(len(ran_on.tracked))
        tracked += _renamed(segment.tracked[len(ran_on.tracked) :], ids)
    return JoinedVideo(tracked, lengths)


def finished_frames(
    frames: Sequence[Frame],
    tracked: Sequence[TrackedFrame],
    rule: BoxRule | None,
    smoothing: Smoothing,
    offline: bool,
) -> Iterator[tuple[Frame, list[Face]]]:
    """Yields frames with their faces, smoothed, and boxes as a detector of this rule draws them;
    without a rule, faces are not tracked, and stay as they are."""
    smoother = Smoother(smoothing)
    starts_shot = {frame.index: one.starts_shot for frame, one in zip(frames, tracked, strict=True)}

    def faces_of(one: TrackedFrame) -> list[Face]:
        return list(one.faces) if rule is None else finished_faces(one, smoother, rule)

    with_faces = ((frame, faces_of(one)) for frame, one in zip(frames, tracked, strict=True))
    if offline:
        return smooth_offline(with_faces, lambda frame: starts_shot[frame.index])
    return with_faces


def frames_without_pixels(
    name: str, segments: Sequence[Segment], width: int, height: int
) -> list[Frame]:
    """The frames of all segments, black but of their size."""
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    return [
        Frame(image, name, segment.index_of(number), time)
        for segment in segments
        for number, time in enumerate(segment.times)
    ]


def _renamed(tracked: Sequence[TrackedFrame], ids: Ids) -> list[TrackedFrame]:
    """The same frames with other ids, and their faces in the order of these."""
    return [replace(one, faces=sorted(_faces(one, ids), key=_id)) for one in tracked]


def _faces(one: TrackedFrame, ids: Ids) -> Iterator[Face]:
    for face in one.faces:
        yield face if face.id is None else replace(face, id=ids[face.id])


def _id(face: Face) -> int:
    return face.id or 0
