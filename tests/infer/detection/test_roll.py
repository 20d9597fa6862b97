"""Faces that are turned sideways or upside down: searched for in four directions."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.detection.base import SizedDetector
from fkd_infer.detection.tiling import Search, turn, turn_back
from fkd_infer.errors import SettingsError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.geometry.boxes import apply_rule, square_boxes
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections

RULE = BoxRule(1.0, (0.0, 0.25))


class UprightMarks(SizedDetector):
    """Finds the mark, a red square above a blue one, if red is on top."""

    def __init__(self, search: Search) -> None:
        super().__init__(RULE, 8.0, search)
        self.calls = 0

    def detect(self, image: Pixels, min_face: float) -> Detections:
        self.calls += 1
        found = [np.argwhere(image[..., channel] > 128) for channel in (2, 0)]
        if any(len(places) == 0 for places in found):
            return Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32))
        red, blue = (places.mean(axis=0)[::-1] for places in found)
        upright = abs(red[0] - blue[0]) < 2 and red[1] < blue[1]
        places = np.concatenate(found)[:, ::-1]
        box = np.concatenate([places.min(axis=0), places.max(axis=0)])
        points = np.stack([red, blue, red, blue, red])
        rows = np.flatnonzero([upright])
        boxes, scores = box[None].astype(np.float32), np.array([0.9], np.float32)
        return Detections(boxes, scores, points[None].astype(np.float32)).select(rows)


def marked(quarters: int) -> Pixels:
    """A frame of 200 × 120 pixels with a mark turned clockwise by quarters of a circle."""
    frame = np.zeros((120, 200, 3), np.uint8)
    mark = np.zeros((40, 20, 3), np.uint8)
    mark[:20, :, 2] = mark[20:, :, 0] = 255
    mark = np.rot90(mark, -quarters)
    frame[30 : 30 + mark.shape[0], 130 : 130 + mark.shape[1]] = mark
    return frame


def centre(frame: Pixels, channel: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(np.argwhere(frame[..., channel] > 128).mean(axis=0)[::-1])


@pytest.mark.parametrize("quarters", range(4))
def test_any_roll_finds_turned_faces_where_they_are(quarters: int) -> None:
    frame = marked(quarters)
    found = UprightMarks(Search(200, roll="any"))(frame)
    places = np.argwhere(frame.any(axis=2))[:, ::-1]
    expected = np.concatenate([places.min(axis=0), places.max(axis=0)])
    np.testing.assert_allclose(found.boxes, [expected], atol=1e-4)
    assert found.points is not None
    np.testing.assert_allclose(found.points[0, 0], centre(frame, 2), atol=1e-4)
    np.testing.assert_allclose(found.points[0, 1], centre(frame, 0), atol=1e-4)
    assert found.known_rolls().tolist() == [90.0 * quarters]


def test_by_default_only_upright_faces_are_searched_for() -> None:
    detector = UprightMarks(Search(200))
    assert [len(detector(marked(quarters))) for quarters in range(4)] == [1, 0, 0, 0]
    assert detector.calls == 4
    assert not detector.traits.any_roll
    assert detector.for_video(Search(100, roll="any")).traits.any_roll


def test_turned_faces_are_found_in_tiles() -> None:
    detector = UprightMarks(Search(64, min_face=9.0, roll="any"))
    found = detector(marked(3))
    assert len(found) == 1
    assert detector.calls % 4 == 0
    assert detector.calls > 8


@pytest.mark.parametrize("quarters", range(4))
def test_turning_back_is_exact(quarters: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 11, 3), np.uint8)
    turned = turn(image, quarters)
    height, width = turned.shape[:2]
    pixels = np.array([[x, y] for y in range(height) for x in range(width)], np.float32)
    boxes = np.concatenate([pixels, pixels], axis=1)
    back = turn_back(Detections(boxes, np.ones(77, np.float32)), quarters, 11, 7)
    x, y = back.boxes[:, :2].astype(int).T
    np.testing.assert_array_equal(image[y, x], turned.reshape(-1, 3))


@pytest.mark.parametrize(
    ("roll", "shifted"), [(0, (0, 10)), (90, (-10, 0)), (180, (0, -10)), (270, (10, 0))]
)
def test_the_shift_of_a_rule_turns_with_the_face(roll: float, shifted: tuple[float, float]) -> None:
    box = np.array([[10, 10, 50, 50]], np.float32)
    square = square_boxes(*apply_rule(box, RULE, np.array([roll], np.float32)))
    np.testing.assert_allclose(square, box + np.tile(shifted, 2), atol=1e-5)


def test_an_unknown_roll_is_refused() -> None:
    with pytest.raises(SettingsError, match="roll is 'left', and has to be 'upright' or 'any'"):
        Search(640, roll="left")  # type: ignore[arg-type]
