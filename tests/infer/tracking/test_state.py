"""Trackers that began at different frames, and states that are saved."""

from __future__ import annotations

import pickle
from fractions import Fraction

import cv2
import numpy as np
import pytest
from drawn_world import World, centre, still, world

from fkd_infer.geometry.arrays import Floats
from fkd_infer.tracking.association import rounded, sides
from fkd_infer.tracking.detection_schedule import DetectionSchedule
from fkd_infer.tracking.scene_change import Thumbnail
from fkd_infer.tracking.state import Ids, TrackerMark

PATHS = [lambda n: (80 + 20 * np.sin(n / 20), 90) if n >= 20 else None, still(220, 120)]
"""The first face comes after the second."""


def look(here: World, number: int) -> tuple[TrackerMark, dict[int, Floats]]:
    """The mark after the next frame, and the centres of its faces by id."""
    (faces,) = here.see(PATHS, [number])
    return here.tracker.mark(), {id: centre(face) for id, face in faces.items()}


@pytest.mark.skipif(
    cv2.__version__.startswith("5."),
    reason="the drawn network measures in whole pixels, and swings for ever in OpenCV 5's crops",
)
def test_trackers_come_to_agree_and_stay_so() -> None:
    whole, later = world(), world()
    seen = [look(whole, number) for number in range(220)][40:]
    others = [look(later, number) for number in range(40, 220)]
    agree = [one.agrees_with(other) for (one, _), (other, _) in zip(seen, others, strict=True)]
    assert not agree[0]
    assert any(agree)
    assert all(agree[agree.index(True) :])
    (mark, places), (other, other_places) = seen[-1], others[-1]
    ids = mark.ids_of(other)
    assert {ids[id] for id in other_places} == set(places) == {1, 2}
    for id, place in other_places.items():
        np.testing.assert_array_equal(place, places[ids[id]])
    assert mark.has_order_of(other) == (ids[1] == 1)
    assert ids[3] == 3


def test_a_saved_state_goes_on_as_the_tracker_does() -> None:
    one, other = world(), world()
    for number in range(50):
        look(one, number)
    state = pickle.loads(pickle.dumps(one.tracker.state()))
    for _ in range(2):
        other.tracker.restore(state)
        assert other.tracker.mark() == one.tracker.mark() == state.mark()
        look(other, 50)
    for number in range(50, 90):
        mark, places = look(one, number)
        assert (mark if number == 50 else look(other, number)[0]) == other.tracker.mark() == mark
    assert set(places) == {1, 2}


def test_ids_lead_on_to_those_of_a_third_tracker() -> None:
    ids = Ids({1: 2, 2: 1}, 3).then(Ids({1: 7}, 10))
    assert [ids[1], ids[2], ids[3], ids[4]] == [12, 7, 16, 17]


def test_boxes_are_rounded_to_a_grid_of_their_own_size() -> None:
    rng = np.random.default_rng(4)
    corners = rng.uniform(-50, 900, (200, 2))
    boxes = np.hstack([corners, corners + rng.uniform(9, 500, (200, 1))]).astype(np.float32)
    grid = rounded(boxes)
    assert (np.abs(grid - boxes).max(axis=1) <= sides(boxes) / 500).all()
    np.testing.assert_array_equal(rounded(grid), grid)
    nearby = boxes + np.float32(1e-5) * sides(boxes)[:, None]
    assert (rounded(nearby) == grid).all(axis=1).mean() > 0.9


def searches(schedule: DetectionSchedule, first: int, end: int) -> list[int]:
    found, nothing = [], Thumbnail.of(np.zeros((90, 160, 3), np.uint8))
    boxes = np.array([[10, 10, 50, 50]], np.float32)
    for number in range(first, end):
        time = Fraction(number, 25)
        if schedule.is_due(time, nothing, boxes):
            schedule.report_search(time, nothing)
            found.append(number)
    return found


def test_searches_follow_the_clock_of_the_video() -> None:
    assert searches(DetectionSchedule(), 0, 160)[-3:] == [100, 125, 150]
    assert searches(DetectionSchedule(), 37, 160)[-3:] == [100, 125, 150]
    every = DetectionSchedule(7)
    every.reset(37)
    assert searches(every, 37, 60) == [37, 42, 49, 56]
