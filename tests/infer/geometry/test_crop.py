"""Crops against known geometry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fkd_infer.errors import InvalidBoxError, InvalidImageError
from fkd_infer.geometry.arrays import check_image
from fkd_infer.geometry.boxes import apply_rule, as_boxes, points_box
from fkd_infer.geometry.crop import crop, crop_batch, crop_matrices
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.geometry.transforms import invert, similarity, transform


def gradient(height: int = 120, width: int = 160) -> np.ndarray:
    """A gray image whose value is its x coordinate."""
    return np.tile(np.arange(width, dtype=np.uint8), (height, 1))


def test_the_centre_of_the_square_maps_to_the_centre_of_the_crop() -> None:
    matrix = similarity((50, 30), side=40, size=80, roll=0.7)
    assert transform(np.array([[50.0, 30.0]]), matrix) == pytest.approx(np.array([[39.5, 39.5]]))


def test_an_upright_crop_at_the_same_size_copies_pixels() -> None:
    image = gradient()
    matrix = similarity((31.5, 23.5), side=64, size=64)  # pixels 0..63 × -8..55
    found = crop(image, matrix, 64, 1)
    np.testing.assert_array_equal(found[20, :, 0], np.arange(64))


def test_roll_turns_with_the_face_clockwise_on_screen() -> None:
    """A head rolled clockwise has its chin to the left; the crop puts it below again."""
    roll = np.radians(30)
    chin = np.array([[100 - 20 * np.sin(roll), 100 + 20 * np.cos(roll)]])
    upright = transform(chin, similarity((100, 100), 80, 80, roll))
    assert upright == pytest.approx(np.array([[39.5, 59.5]]), abs=1e-4)


def test_a_mirrored_crop_is_the_crop_with_its_columns_reversed() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)
    plain = crop(image, similarity((45, 45), 60, 60), 60, 1)
    mirrored = crop(image, similarity((45, 45), 60, 60, mirror=True), 60, 1)
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


def test_bgr_and_gray_frames_have_the_same_gray_crop() -> None:
    rng = np.random.default_rng(1)
    gray = rng.integers(0, 256, (100, 100), np.uint8)
    matrix = similarity((40, 60), 50, 64, 0.2)
    from_bgr = crop(np.dstack([gray] * 3), matrix, 64, 1)
    np.testing.assert_array_equal(from_bgr, crop(gray, matrix, 64, 1))


def test_a_large_face_is_averaged_and_does_not_alias() -> None:
    """A one-pixel checkerboard becomes uniform gray, not stripes."""
    board = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = crop(board, similarity((200, 200), 330, 64), 64, 1).astype(int)
    assert abs(found - 127).max() < 40
    naive = board[::5, ::5]
    assert naive.std() > 4 * found.std()


def test_averaging_does_not_shift_the_image() -> None:
    image = gradient(240, 240)
    matrix = similarity((119.5, 119.5), 200, 40)
    found = crop(image, matrix, 40, 1)[20, :, 0].astype(float)
    expected = transform(np.column_stack([np.arange(40), np.full(40, 20)]), invert(matrix))[:, 0]
    assert np.abs(found - expected).mean() < 0.2
    assert np.abs(found - expected).max() <= 1  # of 256 levels, in whole numbers


@pytest.mark.parametrize("centre", [(200, 150), (90, 80), (310, 290), (60.3, 299.7)])
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_large_face_is_averaged_in_whole_blocks(
    factor: int, centre: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV takes several times as long for other areas."""
    shapes, resize = [], cv2.resize

    def recorded(image: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
        shapes.append((image.shape[1], image.shape[0], *size))
        return np.asarray(resize(image, size, interpolation=interpolation))

    monkeypatch.setattr("fkd_infer.geometry.crop.cv2.resize", recorded)
    crop(gradient(349, 251), similarity(centre, 33 * factor, 32, roll=0.3), 32, 1)
    ((width, height, *size),) = shapes
    assert [width, height] == [factor * side for side in size]


def test_a_face_larger_than_its_frame_is_averaged() -> None:
    image = gradient(101, 151)
    found = crop(image, similarity((75, 50), 640, 64), 64, 1)[32, :, 0].astype(int)
    assert (np.diff(found) >= 0).all()
    assert found[[0, -1]] == pytest.approx([4, 146], abs=2), "the mean of nine columns"


@pytest.mark.parametrize("centre", [(-300, -300), (5000, 20), (0, 0), (159, 119)])
def test_a_crop_beyond_the_frame_repeats_its_border_or_is_black(centre: tuple[int, int]) -> None:
    image = np.full((120, 160), 200, np.uint8)
    matrix = similarity(centre, 50, 32)
    assert (crop(image, matrix, 32, 1) == 200).all()
    outside = transform(np.array([[0.0, 0.0]]), invert(matrix))[0]
    black = crop(image, matrix, 32, 1, "black")
    if (outside < -2).any() or (outside > (162, 122)).any():
        assert black[0, 0, 0] == 0


def test_a_batch_has_a_crop_for_each_matrix() -> None:
    image = gradient()
    boxes = np.array([[10, 10, 50, 50], [60, 30, 100, 90]], np.float32)
    matrices = crop_matrices(boxes, CropRule(1.25), 32)
    batch = crop_batch(image, matrices, 32, 1)
    assert batch.shape == (2, 32, 32, 1)
    np.testing.assert_array_equal(batch[1], crop(image, matrices[1], 32, 1))
    assert crop_batch(image, matrices[:0], 32, 1).shape == (0, 32, 32, 1)


def test_rules_shift_by_fractions_of_the_longer_side() -> None:
    boxes = np.array([[10, 20, 30, 60]], np.float32)
    centres, sides = apply_rule(boxes, BoxRule(0.5, (0.1, -0.25)))
    np.testing.assert_allclose(centres, [[24, 30]])
    np.testing.assert_allclose(sides, [20])


@settings(max_examples=200, deadline=None)
@given(
    x=st.floats(-500, 2500),
    y=st.floats(-500, 2500),
    side=st.floats(4, 3000),
    roll=st.floats(-np.pi, np.pi),
    mirror=st.booleans(),
)
def test_any_crop_can_be_inverted(
    x: float, y: float, side: float, roll: float, mirror: bool
) -> None:
    points = np.array([[x, y], [x + side / 3, y - side / 4]], np.float32)
    matrix = similarity((x, y), side, 112, roll, mirror)
    back = transform(transform(points, matrix), invert(matrix))
    np.testing.assert_allclose(back, points, atol=0.01)


def test_points_box_is_tight() -> None:
    points = np.array([[[1, 5], [4, 2], [3, 9]]], np.float32)
    np.testing.assert_array_equal(points_box(points), [[1, 2, 4, 9]])


@pytest.mark.parametrize(
    "boxes",
    [
        [1, 2, 3],
        [[1, 2, 3]],
        [[5, 5, 5, 9]],
        [[5, 5, 1, 9]],
        [[0, 0, np.nan, 4]],
        [[0, 0, 1e39, 4]],
        [[0, -1e10, 4, 4]],
        [[0, 0, 1e-45, 4]],
        [[1, 2, 3, 4], [5]],
        [["a", 2, 3, 4]],
    ],
)
def test_invalid_boxes_are_refused(boxes: object) -> None:
    with pytest.raises(InvalidBoxError):
        as_boxes(boxes)  # type: ignore[arg-type]


def test_an_empty_list_of_boxes_is_valid() -> None:
    assert as_boxes([]).shape == (0, 4)


@pytest.mark.parametrize(
    "image",
    [
        None,
        "photo.jpg",
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_invalid_frames_are_refused(image: object) -> None:
    with pytest.raises(InvalidImageError):
        check_image(image)
