"""A face that turns about itself, upside down and back."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

import fkd_infer
from fkd_infer.tracking.tracker import Tracker
from fkd_infer.types import Frame

pytestmark = pytest.mark.slow


def test_a_turning_face_keeps_its_points_and_its_id() -> None:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photos")
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    pipeline = fkd_infer.load(roll="any", max_size=640, provider="cpu", tuned=False)
    (face,) = pipeline(image)
    eyes = float(np.linalg.norm(face.points[36] - face.points[45]))
    tracker, rolls = Tracker(pipeline, pipeline.detector), []
    for number in range(73):
        matrix = cv2.getRotationMatrix2D((256, 256), -5 * number, 1)
        frame = cv2.warpAffine(image, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        shown = Frame(np.asarray(frame, np.uint8), "turning", number, Fraction(number + 1, 30))
        found = next(face for face in tracker(shown) if face.id == 1)
        expected = face.points @ matrix[:, :2].T + matrix[:, 2]
        assert np.linalg.norm(found.points - expected, axis=1).mean() < 0.1 * eyes
        rolls.append(found.roll)
    assert sorted(set(rolls)) == [0, 90, 180, 270]
    assert rolls[0] == rolls[-1] == 0
