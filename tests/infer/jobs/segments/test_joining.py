"""Ids and faces of segments become those of one run."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from fkd_infer.errors import SegmentError
from fkd_infer.jobs.segments.joining import check_cuts, join_segments
from fkd_infer.jobs.segments.tasks import FoundSegment, RunOn
from fkd_infer.tracking.detection_schedule import DetectionSchedule
from fkd_infer.tracking.scene_change import SceneChangeDetector
from fkd_infer.tracking.state import Ids, TrackerState
from fkd_infer.tracking.tracked_frame import TrackedFrame
from fkd_infer.types import Face

STATE = TrackerState([], 0, None, Fraction(0), SceneChangeDetector(), DetectionSchedule())
AGAIN = TrackerState([], 1, None, Fraction(0), SceneChangeDetector(), DetectionSchedule())


def frames(*ids: Sequence[int]) -> list[TrackedFrame]:
    """Frames with faces of these ids."""
    box = np.array([0, 0, 9, 9], np.float32)
    points = np.zeros((68, 2), np.float32)
    return [
        TrackedFrame(Fraction(n), [Face(points, box, id=each) for each in some])
        for n, some in enumerate(ids)
    ]


def found(*ids: Sequence[int], opening: list[int], following: list[int]) -> FoundSegment:
    return FoundSegment(frames(*ids), [], STATE, opening, following, 64, 48)


def ids_in(tracked: Sequence[TrackedFrame]) -> list[list[int | None]]:
    return [[face.id for face in one.faces] for one in tracked]


SEGMENTS = [
    found([1, 2], [1, 2], opening=[1, 2], following=[3, 4]),
    found([1, 2], [1, 2], [1, 2, 3], opening=[3, 4, 5], following=[6]),
    found([1], [1, 2], [1, 2, 3], opening=[6, 7], following=[]),
]


def test_ids_follow_through_all_segments() -> None:
    # The second tracker numbers the two faces the other way round; then a third face comes, which
    # is the first of the third tracker.
    run_ons = [
        RunOn(frames([1, 2], [1, 2]), Ids({1: 2, 2: 1}, 0), STATE),
        RunOn(frames([3]), Ids({1: 3}, 2), STATE),
    ]

    def again(number: int, state: TrackerState) -> RunOn:
        raise AssertionError

    joined = join_segments(SEGMENTS, run_ons, again)
    assert joined.run_ons == [2, 1]
    assert ids_in(joined.tracked) == [
        *([1, 2], [1, 2]),
        *([1, 2], [1, 2], [1, 2, 3]),
        *([3], [3, 4], [3, 4, 5]),
    ]


def test_after_a_segment_that_never_agreed_tracking_goes_on_from_its_end() -> None:
    run_ons = [
        RunOn(frames([1, 2], [1, 2], [2]), None, AGAIN),
        RunOn(frames([7]), Ids({1: 7}, 9), STATE),  # from a state that never was
    ]

    def again(number: int, state: TrackerState) -> RunOn:
        assert (number, state) == (2, AGAIN)
        return RunOn(frames([2]), Ids({1: 2}, 1), STATE)

    joined = join_segments(SEGMENTS, run_ons, again)
    assert joined.run_ons == [None, 1]
    assert ids_in(joined.tracked)[2:] == [[1, 2], [1, 2], [2], [2], [2, 3], [2, 3, 4]]


def test_without_tracking_the_faces_of_all_segments_follow_each_other() -> None:
    joined = join_segments(SEGMENTS, [], lambda *_: pytest.fail("nothing runs on"))
    assert len(joined.tracked) == 8
    assert joined.run_ons == []


def test_cuts_whose_pictures_differ_are_refused() -> None:
    check_cuts("a.mp4", SEGMENTS)
    with pytest.raises(SegmentError, match=r"a\.mp4: it decodes to other pictures"):
        check_cuts("a.mp4", [SEGMENTS[0], SEGMENTS[2]])
