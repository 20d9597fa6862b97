"""Pictures of faces that are found again where they moved, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats, Pixels, gray_plane
from fkd_infer.tracking.association import centres
from fkd_infer.tracking.pattern import Pattern

BOX = np.array([100, 80, 180, 160], np.float32)


def smooth_noise(seed: int, shape: tuple[int, ...] = (240, 320, 3)) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(np.clip(128 + 50 * blurred / blurred.std(), 0, 255), np.uint8)


BACKDROP = smooth_noise(1)
FACE = smooth_noise(2, (80, 80, 3))


def scene(x: float, y: float, face: Pixels = FACE) -> Pixels:
    """The face at a place of its top left corner, which may be between pixels."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    image = BACKDROP.copy()
    cv2.warpAffine(face, matrix, (320, 240), dst=image, borderMode=cv2.BORDER_TRANSPARENT)
    return image


def moved(right: float, down: float) -> Floats:
    return BOX + np.array([right, down, right, down], np.float32)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("way", [(0, 0), (13.5, -6.25), (-70, 40), (60, -60)])
def test_it_is_found_where_it_moved(way: tuple[float, float], gray: bool) -> None:
    before, after = scene(100, 80), scene(100 + way[0], 80 + way[1])
    if gray:
        before, after = gray_plane(before), gray_plane(after)
    found = Pattern.of(before, BOX).find(after, BOX)
    assert found is not None
    np.testing.assert_allclose(found, moved(*way), atol=0.8)
    assert found[2] - found[0] == pytest.approx(80, abs=1e-3)


def test_motion_blur_of_half_a_face_does_not_hide_it() -> None:
    frames = [np.mean([scene(x + t, 80) for t in range(-20, 21, 4)], axis=0) for x in (100, 140)]
    before, after = (frame.astype(np.uint8) for frame in frames)
    found = Pattern.of(before, BOX).find(after, BOX)
    assert found is not None
    np.testing.assert_allclose(centres(found), centres(moved(40, 0)), atol=2)


def test_half_of_it_is_found_at_the_edge_of_the_image() -> None:
    there = moved(-110, 0)
    found = Pattern.of(scene(0, 80), moved(-100, 0)).find(scene(-10, 80), moved(-100, 0))
    assert found is not None
    np.testing.assert_allclose(found, there, atol=2)


@pytest.mark.parametrize("what", ["backdrop", "another", "gray", "far"])
def test_it_is_not_found_where_it_is_not(what: str) -> None:
    pattern = Pattern.of(scene(100, 80), BOX)
    image = {
        "backdrop": BACKDROP,
        "another": scene(100, 80, smooth_noise(3, (80, 80, 3))),
        "gray": np.full((240, 320, 3), 128, np.uint8),
        "far": scene(220, 150),
    }[what]
    assert pattern.find(image, BOX) is None


def test_a_uniform_picture_is_found_nowhere() -> None:
    gray = np.full((240, 320, 3), 128, np.uint8)
    assert Pattern.of(gray, BOX).find(gray, BOX) is None
    assert Pattern.of(gray, moved(-900, 0)).find(BACKDROP, moved(-900, 0)) is None
