"""Lowering the eyelids of a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.aspect_ratios import LEFT_EYE, RIGHT_EYE, aspect_ratios
from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.data.augmentation.eyelids import with_lowered_lids
from fkd_train.data.synthetic import face_shape

EYES = (RIGHT_EYE, LEFT_EYE)


def crop_with_eyes(roll: float = 0.0) -> tuple[Pixels, Floats]:
    """A light face with black eyes, turned by some degrees."""
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = (face_shape() * 150 @ turn + 100).astype(np.float32)
    pixels = np.full((200, 200, 1), 200, np.uint8)
    for ring in EYES:
        cv2.fillPoly(pixels[..., 0], [np.rint(points[ring]).astype(np.int32)], 0)
    return pixels, points


def eye_pixels(pixels: Pixels) -> int:
    return int(np.count_nonzero(pixels < 100))


@pytest.mark.parametrize("roll", [0.0, 25.0, -40.0])
def test_eyes_close_by_the_share_and_so_do_their_points(roll: float) -> None:
    pixels, points = crop_with_eyes(roll)
    full = aspect_ratios(points)
    assert full is not None
    for closed in (0.0, 0.5, 1.0):
        lowered, moved = with_lowered_lids(pixels, points, closed)
        ratios = aspect_ratios(moved)
        assert ratios is not None
        assert ratios.left_eye == pytest.approx((1 - closed) * full.left_eye, abs=0.02)
        assert ratios.right_eye == pytest.approx((1 - closed) * full.right_eye, abs=0.02)
        share = eye_pixels(lowered) / eye_pixels(pixels)
        # The lid's dark edge comes down with it.
        assert share == pytest.approx(1 - closed, abs=0.35)


def test_nothing_but_upper_lids_and_the_skin_above_moves() -> None:
    pixels, points = crop_with_eyes()
    lowered, moved = with_lowered_lids(pixels, points, 1.0)
    lids = [37, 38, 43, 44]
    others = np.delete(np.arange(68), lids)
    np.testing.assert_array_equal(moved[others], points[others])
    assert (moved[lids, 1] > points[lids, 1] + 5).all()
    lowest = round(float(points[list(IBUG68.groups["right_eye"]), 1].max()))
    np.testing.assert_array_equal(lowered[lowest + 2 :], pixels[lowest + 2 :])


def test_eyes_beside_the_crop_and_tiny_ones_are_left_alone() -> None:
    pixels, points = crop_with_eyes()
    for places in (points + 500, points - 500, points * 0.01 + 50):
        lowered, _ = with_lowered_lids(pixels, places.astype(np.float32), 0.7)
        np.testing.assert_array_equal(lowered, pixels)
