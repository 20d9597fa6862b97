"""Crops for training: points stay on their pixels through every change."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_train.config.landmarks import CropConfig
from fkd_train.config.sections import AugmentConfig
from fkd_train.data.augmentation.head_turn import HeadTurn
from fkd_train.data.crop_sampler import CropSampler, window_matrix
from fkd_train.data.synthetic import draw_face, face_shape

SAMPLER = CropSampler(112, 1, CropConfig(scale=1.25), IBUG68)
STRONG = AugmentConfig(flip=0.5, shift=0.05, scale=0.1, roll=20, stretch=0.06)
LOOSE = replace(STRONG, loose=1.0)


def dots(points: np.ndarray, size: int = 300) -> np.ndarray:
    """A black image with a white disc on each point."""
    image = np.zeros((size, size), np.uint8)
    for x, y in np.rint(points * 16).astype(int).tolist():
        cv2.circle(image, (x, y), 5 * 16, 255, -1, cv2.LINE_AA, 4)
    return image


def test_the_evaluation_crop_shows_the_face_at_the_rules_scale() -> None:
    _, points = draw_face(200, np.random.default_rng(0))
    image = dots(points)
    box = points_box(transform(points, SAMPLER.matrix(image, points)))
    assert (box[2:] - box[:2]).max() == pytest.approx(112 / 1.25, rel=1e-4)
    np.testing.assert_allclose((box[2:] + box[:2]) / 2, [55.5, 55.5], atol=1e-3)


@pytest.mark.parametrize("augment", [STRONG, LOOSE], ids=["strong", "loose"])
@pytest.mark.parametrize("seed", range(12))
def test_random_crops_move_their_points_along(seed: int, augment: AugmentConfig) -> None:
    points = face_shape() * 150 + 150
    pixels, moved, _ = SAMPLER.random(dots(points), points, augment, np.random.default_rng(seed))
    inside = ((moved > 3) & (moved < 108)).all(axis=1)
    assert inside.sum() > 40
    at = np.rint(moved[inside]).astype(int)
    assert (pixels[at[:, 1], at[:, 0], 0] > 200).all()


def test_a_flip_swaps_left_and_right_points() -> None:
    """The eyes are drawn black and white, and swap names in the mirrored crop."""
    points = face_shape() * 150 + 150
    image = np.full((300, 300), 128, np.uint8)
    for group, value in (("right_eye", 0), ("left_eye", 255)):
        x, y = np.rint(points[list(IBUG68.groups[group])].mean(axis=0)).astype(int).tolist()
        cv2.circle(image, (x, y), 12, value, -1)
    flip = AugmentConfig(flip=1.0)
    pixels, moved, _ = SAMPLER.random(image, points, flip, np.random.default_rng(0))
    right, left = (moved[list(IBUG68.groups[g])].mean(axis=0) for g in ("right_eye", "left_eye"))
    assert pixels[round(right[1]), round(right[0]), 0] == pytest.approx(255, abs=2)
    assert pixels[round(left[1]), round(left[0]), 0] == pytest.approx(0, abs=2)
    # The right eye is still on the left of the mirrored image.
    assert right[0] < left[0]


def test_flipping_twice_restores_the_face() -> None:
    image, points = draw_face(160, np.random.default_rng(3))
    flip = AugmentConfig(flip=1.0)
    sampler = CropSampler(112, 1, CropConfig(scale=1.25), IBUG68)
    once, moved, _ = sampler.random(image, points, flip, np.random.default_rng(0))
    twice, back, _ = sampler.random(once[..., 0], moved, flip, np.random.default_rng(0))
    matrix = sampler.matrix(once[..., 0], moved)
    again = transform(moved, matrix)
    np.testing.assert_allclose(back[IBUG68.flip_permutation][:, 0], 111 - again[:, 0], atol=1e-3)
    plain = sampler.cut(image, sampler.matrix(image, points))
    assert np.abs(twice.astype(int) - plain).mean() < 3


def test_the_seed_window_equals_a_resize_and_a_crop_at_whole_pixels() -> None:
    image, _ = draw_face(200, np.random.default_rng(1))
    image = image[:, :150]
    resized = cv2.resize(image, (250, 333), interpolation=cv2.INTER_LINEAR)
    matrix = window_matrix(image, 250, 224, 0.5, 0.25)
    x, y = 13, 27
    sampler = CropSampler(224, 1, CropConfig(scale=2.2, reference="image"), IBUG68)
    window = sampler.cut(image, matrix)[..., 0].astype(int)
    # 333 is 333.3 rounded, so rows drift by a third of a pixel over the image; a window one pixel
    # off differs by 4 levels.
    assert np.abs(window - resized[y : y + 224, x : x + 224]).mean() < 1
    moved = transform(np.array([[-0.5, -0.5]]), matrix)
    np.testing.assert_allclose(moved, [[-0.5 - x, -0.5 - y]], atol=1e-4)


def test_equal_seeds_cut_equal_crops() -> None:
    image, points = draw_face(160, np.random.default_rng(5))
    every = replace(STRONG, light=1, blur=1, noise=1, occlusion=1, low_resolution=1)
    first, second = (
        SAMPLER.random(image, points, every, np.random.default_rng([0, 3, 8])) for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_turned_head_moves_its_points_along(seed: int, flip: float) -> None:
    points = face_shape() * 150 + 150
    turned = AugmentConfig(turned=1.0, flip=flip)
    pixels, moved, _ = SAMPLER.random(dots(points), points, turned, np.random.default_rng(seed))
    inside = ((moved > 3) & (moved < 108)).all(axis=1)
    assert inside.sum() > 60
    at = np.rint(moved[inside]).astype(int)
    seen = pixels[at[:, 1], at[:, 0], 0] > 150
    assert seen.mean() > 0.9  # where the face turns away, dots are narrower than a pixel


def test_turning_a_head_and_back_leaves_the_points_in_sight() -> None:
    points = face_shape() * 150 + 150
    corners = points[list(IBUG68.outer_eye_corners)]
    there = HeadTurn.of(points, corners, np.radians(20)).moved(points)
    assert (there[:, 0] >= points[:, 0] - 0.01).all()
    assert (np.abs(there - points)[:, 1] < 0.01).all()
    assert np.ptp(there[:, 0]) < np.ptp(points[:, 0])


@pytest.mark.parametrize("name", ["glasses", "hand"])
def test_occluders_change_pixels_and_move_no_point(name: str) -> None:
    image, points = draw_face(160, np.random.default_rng(5))
    wearing = AugmentConfig(**{name: 1.0})
    bare, where, _ = SAMPLER.random(image, points, AugmentConfig(), np.random.default_rng(0))
    for seed in range(8):
        worn, moved, _ = SAMPLER.random(image, points, wearing, np.random.default_rng(seed))
        np.testing.assert_array_equal(moved, where)
        assert 20 < np.count_nonzero(worn != bare) < 0.8 * bare.size


def test_glasses_are_drawn_on_the_eyes() -> None:
    image, points = draw_face(160, np.random.default_rng(5))
    flat = np.full_like(image, 200)
    glasses = AugmentConfig(glasses=1.0)
    for seed in range(8):
        worn, moved, _ = SAMPLER.random(flat, points, glasses, np.random.default_rng(seed))
        rows, columns = np.nonzero(worn[..., 0] != 200)
        eyes = moved[36:48].mean(axis=0)
        reach = float(np.linalg.norm(moved[45] - moved[36]))
        worn_at = np.array([columns.mean(), rows.mean()])
        np.testing.assert_allclose(worn_at, eyes, atol=0.2 * reach)


def test_zero_strength_changes_nothing() -> None:
    image, points = draw_face(160, np.random.default_rng(5))
    pixels, moved, _ = SAMPLER.random(image, points, AugmentConfig(), np.random.default_rng(0))
    matrix = SAMPLER.matrix(image, points)
    np.testing.assert_array_equal(pixels, SAMPLER.cut(image, matrix))
    np.testing.assert_allclose(moved, transform(points, matrix), atol=1e-4)


EACH = ["turned", "blink", "glasses", "hand", "light", "lamp", "blur", "noise", "occlusion"]
EACH += ["low_resolution", "jpeg", "flip", "loose"]
PEACH = (150, 180, 230)
"""A colour of skin, BGR."""


def face_in_colour() -> tuple[np.ndarray, np.ndarray]:
    """A drawn face whose bright parts are of the colour of skin."""
    image, points = draw_face(160, np.random.default_rng(5))
    return (image[..., None] * (np.array(PEACH) / 255)).astype(np.uint8), points


@pytest.mark.parametrize("name", EACH)
def test_each_change_of_a_crop_keeps_its_colours(name: str) -> None:
    """Red stays above green, and green above blue, where the face is seen."""
    image, points = face_in_colour()
    sampler = replace(SAMPLER, channels=3)
    only = AugmentConfig(**{name: 1.0})
    for seed in range(6):
        pixels, moved, _ = sampler.random(image, points, only, np.random.default_rng(seed))
        assert pixels.shape == (112, 112, 3)
        x, y = np.rint(moved[27:36].mean(axis=0)).astype(int).tolist()
        blue, green, red = np.median(pixels[y - 12 : y + 12, x - 12 : x + 12], axis=(0, 1))
        assert red >= green >= blue or name in ("occlusion", "hand")
        assert red > blue + 10 or name in ("occlusion", "hand", "light")


@pytest.mark.parametrize("kind", ["background", "turned", "misframed", "scrambled", "texture"])
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_without_a_framed_face_have_the_channels_of_the_network(
    kind: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fkd_train.data.crop_sampler._UNFRAMED", {kind: 1.0})
    image, points = face_in_colour()
    sampler = replace(SAMPLER, channels=channels)
    for seed in range(8):
        pixels = sampler.unframed(image, points, AugmentConfig(), np.random.default_rng(seed))
        assert pixels.shape == (112, 112, channels)
        assert pixels.dtype == np.uint8


def test_a_gray_image_has_three_equal_channels_in_a_crop_in_colour() -> None:
    image, points = draw_face(160, np.random.default_rng(5))
    gray = SAMPLER.cut(image, SAMPLER.matrix(image, points))
    colour = replace(SAMPLER, channels=3).cut(image, SAMPLER.matrix(image, points))
    np.testing.assert_array_equal(colour, np.repeat(gray, 3, axis=2))
