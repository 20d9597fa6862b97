"""Boxes against faces, by hand and by definition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.types import Detections
from fkd_train.evaluation.detection_metrics import Matched, match
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth

Box = tuple[float, float, float, float]
A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (50, 0, 60, 10)
NOWHERE = (200, 200, 210, 210)


def truth(faces: list[Box], ignored: list[Box] | None = None) -> GroundTruth:
    boxes = np.array([*faces, *(ignored or [])], np.float32).reshape(-1, 4)
    kinds = np.array([FACE] * len(faces) + [IGNORED] * len(ignored or []), np.int64)
    return GroundTruth(boxes, np.zeros((len(boxes), 5, 2), np.float32), kinds)


def found(*boxes: tuple[Box, float]) -> Detections:
    corners = np.array([box for box, _ in boxes], np.float32).reshape(-1, 4)
    return Detections(corners, np.array([score for _, score in boxes], np.float32))


def matched(scores: list[float], right: list[bool], faces: list[float], images: int) -> Matched:
    return Matched(np.array(scores), np.array(right, bool), np.array(faces), images)


def assert_match(own: Matched, scores: list[float], right: list[bool], faces: list[float]) -> None:
    np.testing.assert_allclose(own.scores, scores, rtol=1e-6)
    assert own.right.tolist() == right
    np.testing.assert_allclose(own.found, faces, rtol=1e-6)


def test_doubles_are_false_and_boxes_on_what_is_ignored_are_left_out() -> None:
    boxes = found((B, 0.5), ((1, 0, 11, 10), 0.8), (A, 0.9), (NOWHERE, 0.6), (C, 0.7))
    own = match([boxes], [truth([A, B], [C])], POINTS_BOX)
    assert_match(own, [0.9, 0.8, 0.6, 0.5], [True, False, False, True], [0.9, 0.5])
    assert own.images == 1


def test_a_double_on_what_is_ignored_is_left_out_too() -> None:
    own = match([found((A, 0.9), (A, 0.8))], [truth([A], [(0, 0, 12, 12)])], POINTS_BOX)
    assert_match(own, [0.9], [True], [0.9])


def test_a_small_box_within_a_large_ignored_one_is_left_out() -> None:
    boxes = found(((40, 40, 50, 50), 0.9), ((92, 40, 112, 60), 0.8))
    own = match([boxes], [truth([], [(0, 0, 100, 100)])], POINTS_BOX)
    assert_match(own, [0.8], [False], [])


def test_the_best_box_takes_the_face_that_it_fits_best() -> None:
    faces = [(0.0, 0.0, 10.0, 10.0), (3.0, 0.0, 13.0, 10.0)]
    boxes = found(((2, 0, 12, 10), 0.9), ((3, 0, 13, 10), 0.8))
    own = match([boxes], [truth(faces)], POINTS_BOX)
    assert_match(own, [0.9, 0.8], [True, True], [0.8, 0.9])


def test_a_face_that_is_taken_leaves_the_next_box_to_another() -> None:
    faces = [(0.0, 0.0, 10.0, 10.0), (2.0, 0.0, 12.0, 10.0)]
    own = match([found((A, 0.9), (A, 0.8), (A, 0.7))], [truth(faces)], POINTS_BOX)
    assert_match(own, [0.9, 0.8, 0.7], [True, True, False], [0.9, 0.8])


def test_half_of_what_both_cover_has_to_be_shared() -> None:
    for shift, right in ((3.3, True), (3.4, False)):  # (10 - s) / (10 + s) is a half at 3.33
        own = match([found(((shift, 0, 10 + shift, 10), 0.5))], [truth([A])], POINTS_BOX)
        assert own.right.tolist() == [right]


def test_boxes_are_led_to_the_points_by_their_rule_and_compared_as_squares() -> None:
    oblong = truth([(0, 20, 40, 50)])
    assert match([found(((0, 15, 40, 55), 1))], [oblong], POINTS_BOX).right.all()
    twice = found(((-20, -25, 60, 55), 1))
    assert not match([twice], [oblong], POINTS_BOX).right.any()
    assert match([twice], [oblong], BoxRule(0.5, (0.0, 0.25))).right.all()


def test_false_boxes_of_other_sizes_do_not_count() -> None:
    boxes = found((A, 0.9), (NOWHERE, 0.8), ((300, 300, 305, 302), 0.7), ((400, 0, 440, 9), 0.6))
    own = match([boxes], [truth([A])], POINTS_BOX, (5.0, 10.0))
    assert_match(own, [0.9, 0.7], [True, False], [0.9])
    own = match([boxes], [truth([A])], POINTS_BOX, (20.0, 50.0))
    assert_match(own, [0.9, 0.6], [True, False], [0.9])


def test_images_are_matched_each_on_its_own() -> None:
    own = match(
        [found((A, 0.9)), found(), found((A, 0.3))],
        [truth([B]), truth([A]), truth([A])],
        POINTS_BOX,
    )
    assert_match(own, [0.9, 0.3], [False, True], [math.nan, math.nan, 0.3])
    assert own.images == 3


def test_faces_that_nothing_finds_have_no_score() -> None:
    own = match([found()], [truth([A, B], [C])], POINTS_BOX)
    assert_match(own, [], [], [math.nan, math.nan])
    assert (own.recall(0), own.average_precision(), own.threshold(0)) == (0, 0, 0)
    assert math.isnan(own.precision(0))


def test_without_faces_there_is_no_recall() -> None:
    own = match([found((A, 0.4))], [truth([])], POINTS_BOX)
    assert math.isnan(own.recall(0))
    assert own.false_per_image(0.3) == 1
    assert own.average_precision() == 0


def test_the_threshold_is_the_lowest_that_lets_so_many_false_boxes_pass() -> None:
    own = matched([0.9, 0.8, 0.5, 0.3], [False, True, False, False], [0.8], 2)
    for allowed, lowest in ((0.0, 0.9), (0.49, 0.9), (0.5, 0.5), (1.0, 0.3)):
        threshold = own.threshold(allowed)
        assert threshold == np.nextafter(lowest, 1)
        assert own.false_per_image(threshold) <= allowed
        assert own.false_per_image(lowest) > allowed
    assert own.threshold(1.5) == 0


def test_false_boxes_of_one_score_pass_together_or_not_at_all() -> None:
    own = matched([0.7, 0.7, 0.2], [False, False, True], [0.2], 1)
    assert own.threshold(1) > 0.7
    assert own.threshold(2) == 0


def test_a_share_of_images_is_counted_as_people_do() -> None:
    """0.29 × 100 is a little less than 29 in binary."""
    scores = np.linspace(1, 0.5, 40)
    own = matched(scores.tolist(), [False] * 40, [], 100)
    assert own.threshold(0.29) == np.nextafter(scores[29], 2)


def test_figures_at_a_threshold_are_those_counted_by_hand() -> None:
    own = matched([0.9, 0.8, 0.6, 0.5], [True, False, True, True], [0.9, 0.6, 0.5, math.nan], 2)
    assert own.recall(0.6) == 0.5
    assert own.recall(0.61) == 0.25
    assert own.precision(0.6) == pytest.approx(2 / 3)
    assert own.false_per_image(0.6) == 0.5
    assert own.false_per_image(0.85) == 0
    assert math.isnan(own.precision(0.95))


def test_average_precision_is_that_computed_by_hand() -> None:
    # In order: 1/1, 1/2, 2/3; what is best from there on: 1, 2/3, 2/3; a face of three is missed.
    own = matched([0.3, 0.9, 0.6], [True, True, False], [0.9, 0.3, math.nan], 1)
    assert own.average_precision() == pytest.approx((1 + 2 / 3) / 3)
    assert matched([0.9], [True], [0.9], 1).average_precision() == 1
    assert matched([0.9, 0.8], [False, True], [0.8], 1).average_precision() == 0.5


def area_by_definition(own: Matched) -> float:
    """The integral of the best precision at a recall of at least r, over r from 0 to 1."""
    curve = [(own.recall(score), own.precision(score)) for score in own.scores.tolist()]
    steps = sorted({0.0, *(recall for recall, _ in curve)})
    area = 0.0
    for low, high in pairwise(steps):
        area += (high - low) * max(precision for recall, precision in curve if recall >= high)
    return area


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.booleans()), max_size=25, unique_by=lambda r: r[0]
    ),
    st.integers(0, 5),
)
def test_average_precision_is_the_area_under_the_curve(
    boxes: list[tuple[int, bool]], missed: int
) -> None:
    scores, right = [score / 10**6 for score, _ in boxes], [own for _, own in boxes]
    faces = [s for s, r in zip(scores, right, strict=True) if r] + [math.nan] * missed
    own = matched(scores, right, faces, 1)
    wanted = area_by_definition(own) if faces else 0.0
    assert own.average_precision() == pytest.approx(wanted)
