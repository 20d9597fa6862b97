"""Detectors, on a photo where scikit-image ships one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from known import card

from fkd_infer import haar
from fkd_infer.crop import POINTS_BOX, BoxRule, CropRule, apply_rule
from fkd_infer.detect import box_rule, build_detector
from fkd_infer.detector import WholeImageDetector
from fkd_infer.errors import DetectorError
from fkd_infer.haar import HAAR_RULE, HaarDetector
from fkd_infer.schemes import LandmarkScheme
from fkd_infer.views import Search


def astronaut() -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    return np.ascontiguousarray(data.astronaut()[..., ::-1])


def test_haar_finds_the_astronaut_and_nothing_else() -> None:
    found = HaarDetector()(astronaut())
    assert len(found) == 1
    x0, y0, x1, y1 = found.boxes[0]
    assert x0 < 224 < x1
    assert y0 < 115 < y1
    assert 0.5 < found.scores[0] <= 1


def test_boxes_are_in_pixels_of_the_frame_whatever_size_is_searched() -> None:
    image = astronaut()
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    (box,) = HaarDetector(Search(512))(large).boxes
    (small,) = HaarDetector(Search(512))(image).boxes
    np.testing.assert_allclose(box / 3, small, atol=8)


def test_nothing_is_found_in_an_empty_image() -> None:
    found = HaarDetector()(np.full((200, 300, 3), 127, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (20, 20, 3), (3000, 2, 3)])
def test_tiny_and_narrow_images_are_searched_without_harm(shape: tuple[int, ...]) -> None:
    assert len(HaarDetector()(np.zeros(shape, np.uint8))) == 0


def test_the_whole_image_becomes_the_whole_crop() -> None:
    crop = CropRule(1.3, (0.1, -0.2))
    detector = WholeImageDetector(crop)
    boxes = detector(np.zeros((100, 100, 3), np.uint8)).boxes
    centre, side = apply_rule(boxes, detector.rule)
    tight = np.concatenate([centre - side[:, None] / 2, centre + side[:, None] / 2], axis=1)
    centre, side = apply_rule(tight, BoxRule(crop.scale, crop.shift))
    np.testing.assert_allclose(centre, [[49.5, 49.5]], atol=1e-4)
    np.testing.assert_allclose(side, [100], rtol=1e-5)


def test_points_of_ones_own_need_a_rule_of_their_own() -> None:
    """Otherwise Haar's boxes would be cut as if they led to the 68 points."""
    two = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
    unknown = replace(card(), scheme=two)
    with pytest.raises(DetectorError, match=r"points of its own.*--data"):
        build_detector("haar", unknown)
    assert box_rule("points", unknown) == POINTS_BOX
    own = BoxRule(0.5, (0.0, -0.1))
    known = replace(unknown, box_rules={"haar": own})
    assert build_detector("haar", known).rule == own
    assert build_detector("haar", card()).rule == HAAR_RULE


def test_an_opencv_without_cascades_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(DetectorError, match="opencv-python-headless<5"):
        build_detector("haar", card())


def test_a_missing_cascade_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haar, "Path", lambda _: Path("/nowhere/cv2.so"))
    with pytest.raises(DetectorError, match="missing"):
        HaarDetector()
