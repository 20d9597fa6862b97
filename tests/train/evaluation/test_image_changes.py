"""Pictures that show a face in a given size."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.image_changes import placed
from fkd_train.ground_truth import FACE, IGNORED


@pytest.mark.parametrize("size", [12, 300, 1200])
def test_a_placed_face_has_its_size_and_its_neighbours(size: int) -> None:
    image, points = draw_face(150, np.random.default_rng(1))
    others = np.array([[3, 4, 20, 30]], np.float32)
    colour = np.dstack([image] * 3)
    picture, truth = placed(colour, points, others, np.random.default_rng(5), size)
    assert picture.shape == (960, 1280, 3)
    assert truth.kinds.tolist() == [FACE, IGNORED]
    assert (truth.boxes[0, 2:] - truth.boxes[0, :2]).max() == pytest.approx(size, rel=1e-3)
    side = float((points.max(axis=0) - points.min(axis=0)).max())
    wide = truth.boxes[1, 2] - truth.boxes[1, 0]
    assert wide == pytest.approx(17 * size / side, rel=1e-3)
    middle = (truth.boxes[0, :2] + truth.boxes[0, 2:]) / 2
    assert (np.abs(middle - (640, 480)) <= np.array([640, 480])).all()
