"""The ground truth of an image."""

from __future__ import annotations

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import points_box
from fkd_train.data.synthetic import face_shape
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth, five_points

FACE_POINTS: Floats = np.asarray(face_shape() * 100 + 100, np.float32)
NEIGHBOUR = np.array([[158, 150, 196, 190]], np.float32)


def test_the_five_points_are_right_eye_left_eye_nose_and_mouth_corners() -> None:
    right_eye, left_eye, nose, right_mouth, left_mouth = five_points(face_shape())
    np.testing.assert_allclose(right_eye, [-0.22, -0.16], atol=1e-3)
    np.testing.assert_allclose(left_eye, [0.22, -0.16], atol=1e-3)
    np.testing.assert_allclose(nose, [0, 0.09], atol=1e-3)
    np.testing.assert_allclose([right_mouth, left_mouth], [[-0.18, 0.3], [0.18, 0.3]], atol=1e-3)


def test_ignored_boxes_follow_the_face_of_an_image() -> None:
    truth = GroundTruth.of(FACE_POINTS[None], NEIGHBOUR)
    assert truth.kinds.tolist() == [FACE, IGNORED]
    np.testing.assert_allclose(truth.boxes, [points_box(FACE_POINTS), NEIGHBOUR[0]])
    assert GroundTruth.of(FACE_POINTS[None], None).kinds.tolist() == [FACE]
    both = GroundTruth.joined([truth, truth])
    assert both.kinds.tolist() == [FACE, IGNORED, FACE, IGNORED]
    assert len(GroundTruth.joined([])) == 0
