"""Searches of frames in one view and in tiles, by a detector of white squares."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from tiny_models import MODELS

from fkd_infer.detection.base import Detector, DetectorTraits, SizedDetector, check_detector
from fkd_infer.detection.tiling import Search
from fkd_infer.errors import DetectorError
from fkd_infer.geometry.arrays import Pixels, gray_plane
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.loading import load
from fkd_infer.types import Detections

Square = tuple[int, int, int]
"""Left, top and side."""


class Squares(SizedDetector):
    """Detects white squares from 12 pixels on; scores from 0 to 1 grow with the size."""

    def __init__(self, search: Search, rule: BoxRule | None = None, threshold: float = 0.0) -> None:
        super().__init__(rule or BoxRule(1.0), 12, search, threshold)
        self.seen: list[tuple[tuple[int, ...], float]] = []

    def detect(self, image: Pixels, least: float) -> Detections:
        self.seen.append((image.shape, least))
        white = (gray_plane(image) > 127).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(white)
        xywh = stats[1:, :4].astype(np.float32)
        xywh = xywh[xywh[:, 2:].max(axis=1, initial=0) >= 11.5]
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1) - 0.5
        scores = 1 - 1 / np.sqrt(xywh[:, 2])
        order = np.argsort(-scores, kind="stable")
        return Detections(boxes[order].astype(np.float32), scores[order])


def drawn(width: int, height: int, squares: Sequence[Square]) -> Pixels:
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = 255
    return image


def edges(squares: Sequence[Square]) -> np.ndarray:
    table = np.array(squares, float)
    return np.column_stack([table[:, :2], table[:, :2] + table[:, 2:]]) - 0.5


def in_order(boxes: np.ndarray) -> np.ndarray:
    return boxes[np.lexsort(boxes.T[::-1])]


def test_squares_of_all_sizes_are_detected_once_each() -> None:
    """Too small for the full view, across edges of tiles, too large for tiles, in a corner."""
    squares = [
        (300, 200, 13), (634, 40, 15), (445, 447, 20), (1985, 1485, 15), (0, 0, 14),
        (630, 630, 60), (900, 700, 700), (1700, 30, 120),
    ]  # fmt: skip
    detector = Squares(Search(640, 12))
    found = detector(drawn(2000, 1500, squares))
    assert len(detector.seen) > 10
    assert len(found) == len(squares)
    difference = np.abs(in_order(found.boxes) - in_order(edges(squares)))
    assert difference.max() < 3.125  # a pixel of the whole frame, as it is searched
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def test_without_tiles_only_large_squares_are_detected() -> None:
    image = drawn(2000, 1500, [(300, 200, 13), (900, 700, 700)])
    detector = Squares(Search(640))
    (box,) = detector(image).boxes
    np.testing.assert_allclose(box, edges([(900, 700, 700)])[0], atol=3.125)
    assert detector.seen == [((480, 640, 3), 0)]


def test_small_frames_are_enlarged_for_small_faces() -> None:
    square = (100, 50, 7)
    assert len(Squares(Search(640))(drawn(300, 200, [square]))) == 0
    detector = Squares(Search(640, 6))
    (box,) = detector(drawn(300, 200, [square])).boxes
    np.testing.assert_allclose(box, edges([square])[0], atol=0.6)
    assert detector.seen == [((400, 600, 3), 12)]


def test_frames_are_downscaled_when_only_large_faces_are_needed() -> None:
    detector = Squares(Search(640, 48))
    squares = [(20, 20, 40), (100, 80, 60)]
    (box,) = detector(drawn(401, 301, squares)).boxes
    np.testing.assert_allclose(box, edges(squares[1:])[0], atol=4)
    assert detector.seen == [((75, 100, 3), 12)]


def test_gray_frames_have_the_same_detections() -> None:
    image = drawn(2000, 1500, [(300, 200, 13), (900, 700, 700)])
    detector = Squares(Search(640, 12))
    np.testing.assert_array_equal(detector(image[..., 0]).boxes, detector(image).boxes)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3000, 3), (3000, 2, 3), (1, 1), (7, 5000)])
@pytest.mark.parametrize("min_face", [None, 4, 12, 1e6])
def test_frames_of_any_shape_are_searched(shape: tuple[int, ...], min_face: float | None) -> None:
    detector = Squares(Search(640, min_face))
    assert len(detector(np.zeros(shape, np.uint8))) == 0
    assert all(max(seen[:2]) <= 640 for seen, _ in detector.seen)


def test_min_score_of_a_search_replaces_the_detectors_threshold() -> None:
    image = drawn(300, 200, [(10, 10, 16), (100, 10, 100)])  # scores 0.75 and 0.9
    assert len(Squares(Search(640), threshold=0.8)(image)) == 1
    assert len(Squares(Search(640, min_score=0.5), threshold=0.8)(image)) == 2
    assert len(Squares(Search(640, min_score=0.95), threshold=0.8)(image)) == 0


def test_faces_are_measured_from_brows_to_chin_for_any_box_rule() -> None:
    detector = Squares(Search(640, 30), rule=BoxRule(0.5))
    detector.rule = BoxRule(0.1)  # of a network that places points near the nose
    found = detector(drawn(300, 200, [(10, 10, 56), (100, 10, 64)]))
    np.testing.assert_allclose(found.boxes, edges([(100, 10, 64)]), atol=3)


def test_for_video_changes_the_search_of_a_copy() -> None:
    detector = Squares(Search(640, 12), threshold=0.8)
    moving = detector.for_video(Search(64, min_score=0.5))
    assert (moving.search, moving.min_score) == (Search(64, min_score=0.5), 0.5)
    assert (detector.search, detector.min_score) == (Search(640, 12), 0.8)
    assert moving.rule is detector.rule
    moving.rule = BoxRule(2.0)
    assert detector.rule == BoxRule(1.0)


class Nothing(Detector):
    """The shortest possible detector."""

    rule = BoxRule(1.0)

    def __call__(self, image: Pixels) -> Detections:
        return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))


def test_a_detector_needs_a_rule_and_a_call_and_inherits_the_rest() -> None:
    check_detector(Nothing())
    assert Nothing().traits == DetectorTraits(False, False, False, False)
    assert Nothing().path is None


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (type("Plain", (), {"__call__": print})(), "'Plain'.* has no rule and no traits"),
        (type("Ruleless", (Detector,), {"__call__": print})(), "'Ruleless'.* has no rule; derive"),
        (type("Idle", (Detector,), {"rule": 1})(), "'Idle'.* has no __call__; derive"),
        (type("Mute", (), {"rule": 1, "traits": 1, "path": 1})(), "'Mute'.* has no __call__"),
        (Nothing, r"'Nothing'.* is a class, not an object; pass Nothing\(…\)"),
        (None, "'NoneType'.* has no rule"),
    ],
)
def test_errors_name_what_an_object_lacks(made: object, problem: str) -> None:
    with pytest.raises(DetectorError, match=problem):
        check_detector(made)
    with pytest.raises(DetectorError, match=problem):
        load(MODELS / "fixed.onnx", detector=made)  # type: ignore[call-overload]
