"""Detection metrics against values by hand and by definition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fkd_infer.geometry.rules import POINTS_BOX, BoxRule
from fkd_infer.types import Detections
from fkd_train.evaluation.detection_metrics import Matches, match
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth

Box = tuple[float, float, float, float]
A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (50, 0, 60, 10)
NOWHERE = (200, 200, 210, 210)


def truth(faces: list[Box], ignored: list[Box] | None = None) -> GroundTruth:
    boxes = np.array([*faces, *(ignored or [])], np.float32).reshape(-1, 4)
    kinds = np.array([FACE] * len(faces) + [IGNORED] * len(ignored or []), np.int64)
    return GroundTruth(boxes, np.zeros((len(boxes), 5, 2), np.float32), kinds)


def detections(*boxes: tuple[Box, float]) -> Detections:
    corners = np.array([box for box, _ in boxes], np.float32).reshape(-1, 4)
    return Detections(corners, np.array([score for _, score in boxes], np.float32))


def matches_of(
    scores: list[float], correct: list[bool], faces: list[float], images: int
) -> Matches:
    return Matches(np.array(scores), np.array(correct, bool), np.array(faces), images)


def assert_match(
    matches: Matches, scores: list[float], correct: list[bool], faces: list[float]
) -> None:
    np.testing.assert_allclose(matches.scores, scores, rtol=1e-6)
    assert matches.correct.tolist() == correct
    np.testing.assert_allclose(matches.face_scores, faces, rtol=1e-6)


def test_duplicates_are_false_and_boxes_on_ignored_regions_do_not_count() -> None:
    boxes = detections((B, 0.5), ((1, 0, 11, 10), 0.8), (A, 0.9), (NOWHERE, 0.6), (C, 0.7))
    matches = match([boxes], [truth([A, B], [C])], POINTS_BOX)
    assert_match(matches, [0.9, 0.8, 0.6, 0.5], [True, False, False, True], [0.9, 0.5])
    assert matches.image_count == 1


def test_a_duplicate_on_an_ignored_region_does_not_count() -> None:
    matches = match([detections((A, 0.9), (A, 0.8))], [truth([A], [(0, 0, 12, 12)])], POINTS_BOX)
    assert_match(matches, [0.9], [True], [0.9])


def test_a_small_box_inside_a_large_ignored_region_does_not_count() -> None:
    boxes = detections(((40, 40, 50, 50), 0.9), ((92, 40, 112, 60), 0.8))
    matches = match([boxes], [truth([], [(0, 0, 100, 100)])], POINTS_BOX)
    assert_match(matches, [0.8], [False], [])


def test_the_best_box_matches_the_face_of_highest_iou() -> None:
    faces = [(0.0, 0.0, 10.0, 10.0), (3.0, 0.0, 13.0, 10.0)]
    boxes = detections(((2, 0, 12, 10), 0.9), ((3, 0, 13, 10), 0.8))
    matches = match([boxes], [truth(faces)], POINTS_BOX)
    assert_match(matches, [0.9, 0.8], [True, True], [0.8, 0.9])


def test_the_next_box_matches_a_free_face() -> None:
    faces = [(0.0, 0.0, 10.0, 10.0), (2.0, 0.0, 12.0, 10.0)]
    matches = match([detections((A, 0.9), (A, 0.8), (A, 0.7))], [truth(faces)], POINTS_BOX)
    assert_match(matches, [0.9, 0.8, 0.7], [True, True, False], [0.9, 0.8])


def test_a_match_needs_an_iou_of_one_half() -> None:
    for shift, correct in ((3.3, True), (3.4, False)):  # (10 - s) / (10 + s) is a half at 3.33
        matches = match([detections(((shift, 0, 10 + shift, 10), 0.5))], [truth([A])], POINTS_BOX)
        assert matches.correct.tolist() == [correct]


def test_boxes_are_compared_as_squares_by_their_rule() -> None:
    oblong = truth([(0, 20, 40, 50)])
    assert match([detections(((0, 15, 40, 55), 1))], [oblong], POINTS_BOX).correct.all()
    twice = detections(((-20, -25, 60, 55), 1))
    assert not match([twice], [oblong], POINTS_BOX).correct.any()
    assert match([twice], [oblong], BoxRule(0.5, (0.0, 0.25))).correct.all()


def test_false_positives_of_other_sizes_do_not_count() -> None:
    boxes = detections(
        (A, 0.9), (NOWHERE, 0.8), ((300, 300, 305, 302), 0.7), ((400, 0, 440, 9), 0.6)
    )
    matches = match([boxes], [truth([A])], POINTS_BOX, (5.0, 10.0))
    assert_match(matches, [0.9, 0.7], [True, False], [0.9])
    matches = match([boxes], [truth([A])], POINTS_BOX, (20.0, 50.0))
    assert_match(matches, [0.9, 0.6], [True, False], [0.9])


def test_images_are_matched_separately() -> None:
    matches = match(
        [detections((A, 0.9)), detections(), detections((A, 0.3))],
        [truth([B]), truth([A]), truth([A])],
        POINTS_BOX,
    )
    assert_match(matches, [0.9, 0.3], [False, True], [math.nan, math.nan, 0.3])
    assert matches.image_count == 3


def test_missed_faces_have_no_score() -> None:
    matches = match([detections()], [truth([A, B], [C])], POINTS_BOX)
    assert_match(matches, [], [], [math.nan, math.nan])
    assert (matches.recall(0), matches.average_precision(), matches.threshold(0)) == (0, 0, 0)
    assert math.isnan(matches.precision(0))


def test_recall_is_nan_without_faces() -> None:
    matches = match([detections((A, 0.4))], [truth([])], POINTS_BOX)
    assert math.isnan(matches.recall(0))
    assert matches.false_per_image(0.3) == 1
    assert matches.average_precision() == 0


def test_the_threshold_is_the_lowest_with_the_allowed_false_positives() -> None:
    matches = matches_of([0.9, 0.8, 0.5, 0.3], [False, True, False, False], [0.8], 2)
    for allowed, lowest in ((0.0, 0.9), (0.49, 0.9), (0.5, 0.5), (1.0, 0.3)):
        threshold = matches.threshold(allowed)
        assert threshold == np.nextafter(lowest, 1)
        assert matches.false_per_image(threshold) <= allowed
        assert matches.false_per_image(lowest) > allowed
    assert matches.threshold(1.5) == 0


def test_false_positives_of_equal_score_pass_together_or_not_at_all() -> None:
    matches = matches_of([0.7, 0.7, 0.2], [False, False, True], [0.2], 1)
    assert matches.threshold(1) > 0.7
    assert matches.threshold(2) == 0


def test_the_allowed_count_tolerates_binary_fractions() -> None:
    """0.29 × 100 is a little less than 29 in binary."""
    scores = np.linspace(1, 0.5, 40)
    matches = matches_of(scores.tolist(), [False] * 40, [], 100)
    assert matches.threshold(0.29) == np.nextafter(scores[29], 2)


def test_metrics_at_a_threshold_equal_those_by_hand() -> None:
    matches = matches_of(
        [0.9, 0.8, 0.6, 0.5], [True, False, True, True], [0.9, 0.6, 0.5, math.nan], 2
    )
    assert matches.recall(0.6) == 0.5
    assert matches.recall(0.61) == 0.25
    assert matches.precision(0.6) == pytest.approx(2 / 3)
    assert matches.false_per_image(0.6) == 0.5
    assert matches.false_per_image(0.85) == 0
    assert math.isnan(matches.precision(0.95))


def test_average_precision_equals_the_one_by_hand() -> None:
    # Precision 1/1, 1/2, 2/3; its envelope 1, 2/3, 2/3; one of three faces is missed.
    matches = matches_of([0.3, 0.9, 0.6], [True, True, False], [0.9, 0.3, math.nan], 1)
    assert matches.average_precision() == pytest.approx((1 + 2 / 3) / 3)
    assert matches_of([0.9], [True], [0.9], 1).average_precision() == 1
    assert matches_of([0.9, 0.8], [False, True], [0.8], 1).average_precision() == 0.5


def area_by_definition(matches: Matches) -> float:
    """The integral of the best precision at a recall of at least r, over r from 0 to 1."""
    curve = [(matches.recall(score), matches.precision(score)) for score in matches.scores.tolist()]
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
    scores, correct = [score / 10**6 for score, _ in boxes], [is_correct for _, is_correct in boxes]
    faces = [s for s, r in zip(scores, correct, strict=True) if r] + [math.nan] * missed
    matches = matches_of(scores, correct, faces, 1)
    expected = area_by_definition(matches) if faces else 0.0
    assert matches.average_precision() == pytest.approx(expected)
