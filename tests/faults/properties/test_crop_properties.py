"""Crops of any box, frame and roll: points map to the crop and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from property_strategies import assert_single_line, boxes, float32s, with_examples

from fkd_infer.choices import Border
from fkd_infer.errors import InvalidBoxError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import (
    apply_rule,
    as_boxes,
    derived_boxes,
    points_box,
    square_boxes,
)
from fkd_infer.geometry.crop import crop_batch, crop_matrices, downscale
from fkd_infer.geometry.rules import POINTS_BOX, BoxRule, CropRule
from fkd_infer.geometry.transforms import invert, similarity, transform
from fkd_infer.pipeline import decode

RULES = st.builds(CropRule, float32s(0.5, 4), st.tuples(float32s(-1, 1), float32s(-1, 1)))
SIZES = st.tuples(st.integers(1, 150), st.integers(1, 150))
INSIDE = st.lists(st.tuples(float32s(-0.5, 1.5), float32s(-0.5, 1.5)), min_size=1, max_size=8)
"""Positions in a crop and around it, in fractions of its side."""


@with_examples(300)
@given(box=boxes(), rule=RULES, size=st.integers(8, 512), places=INSIDE)
def test_points_of_any_crop_can_be_mapped_back(
    box: Floats, rule: CropRule, size: int, places: list[tuple[float, float]]
) -> None:
    matrices = crop_matrices(as_boxes([box]), rule, size)
    points = (np.array(places, np.float32) * size)[None]
    frame = decode(points, matrices, "a model")
    again = transform(frame, matrices)
    # Pixels of the crop may be far smaller than those of the frame, or than float32 resolves.
    pixel = max(1.0, matrices[0, 0, 0])
    exact = float(np.spacing(np.abs(frame).max())) * matrices[0, 0, 0]
    np.testing.assert_allclose(again, points, atol=0.01 * pixel + 2 * exact, rtol=0)


@with_examples(300)
@given(box=boxes(), roll=float32s(-7, 7), mirror=st.booleans(), size=st.integers(8, 512), at=INSIDE)
def test_any_rotation_can_be_inverted(
    box: Floats, roll: float, mirror: bool, size: int, at: list[tuple[float, float]]
) -> None:
    (centre,), (side,) = apply_rule(as_boxes([box]), CropRule(1.25))
    matrix = similarity(centre, float(side), size, roll, mirror)
    points = centre + (np.array(at, np.float32) - 0.5) * side
    back = transform(transform(points, matrix), invert(matrix))
    np.testing.assert_allclose(back, points, atol=0.01)
    unturned = similarity(centre, float(side), size)
    np.testing.assert_allclose(
        abs(np.linalg.det(matrix[:, :2])), np.linalg.det(unturned[:, :2]), rtol=1e-9
    )


@with_examples(200)
@given(at=st.lists(st.tuples(float32s(-1e5, 1e5), float32s(-1e5, 1e5)), min_size=2, max_size=9))
def test_the_square_of_points_contains_them_tightly(at: list[tuple[float, float]]) -> None:
    """The pipeline's second placement relies on it."""
    points = np.array(at, np.float32)
    box = points_box(points)
    assert (points >= box[:2]).all()
    assert (points <= box[2:]).all()
    centres, sides = apply_rule(box[None], POINTS_BOX)
    square = square_boxes(centres, sides)[0]
    room = float(np.spacing(np.float32(3e5)))
    assert (square[:2] <= box[:2] + room).all()
    assert (square[2:] >= box[2:] - room).all()
    np.testing.assert_allclose(sides, (box[2:] - box[:2]).max(), rtol=1e-6)


@with_examples(300)
@given(box=boxes(), scale=float32s(0.25, 4), shift=st.tuples(float32s(-1, 1), float32s(-1, 1)))
def test_rules_compute_in_float32_as_end_to_end_files_do(
    box: Floats, scale: float, shift: tuple[float, float]
) -> None:
    array = as_boxes([box])
    low, high = array[:, :2], array[:, 2:]
    longer = (high - low).max(axis=1)
    expected = (low + high) / 2 + longer[:, None] * np.array(shift, np.float32)
    sides = longer * np.float32(scale)
    rule = BoxRule(scale, shift)
    centres, found = apply_rule(array, rule)
    np.testing.assert_array_equal(centres, expected)
    np.testing.assert_array_equal(found, sides)
    np.testing.assert_array_equal(derived_boxes(array, rule), square_boxes(centres, found))


@with_examples(200)
@given(
    box=boxes(1e4, 1e4), scale=float32s(0.25, 4), shift=st.tuples(float32s(-1, 1), float32s(-1, 1))
)
def test_rules_can_be_inverted(box: Floats, scale: float, shift: tuple[float, float]) -> None:
    there = square_boxes(*apply_rule(as_boxes([box]), BoxRule(scale, shift)))
    back = BoxRule(1 / scale, (-shift[0] / scale, -shift[1] / scale))
    centres, sides = apply_rule(there, back)
    expected, longer = apply_rule(as_boxes([box]), POINTS_BOX)
    np.testing.assert_allclose(centres, expected, atol=0.05)
    np.testing.assert_allclose(sides, longer, atol=0.05)


@with_examples(250)
@given(
    box=boxes(1e7, 1e7),
    frame=SIZES,
    size=st.integers(8, 64),
    channels=st.sampled_from([1, 3]),
    border=st.sampled_from(["replicate", "black"]),
)
def test_any_crop_of_a_uniform_frame_is_uniform(
    box: Floats, frame: tuple[int, int], size: int, channels: int, border: Border
) -> None:
    width, height = frame
    image = np.full((height, width, 3), 200, np.uint8)
    matrices = crop_matrices(as_boxes([box]), CropRule(1.25), size)
    crops = crop_batch(image, matrices, size, channels, border)
    assert crops.shape == (1, size, size, channels)
    assert (crops == 200).all() if border == "replicate" else (crops <= 200).all()


@with_examples(100)
@given(frame=SIZES, factor=float32s(1, 400))
def test_averaging_maps_corners_to_corners(frame: tuple[int, int], factor: float) -> None:
    width, height = frame
    small, back = downscale(np.full((height, width, 3), 9, np.uint8), factor)
    assert (small == 9).all()
    corners = np.array([[-0.5, -0.5], [small.shape[1] - 0.5, small.shape[0] - 0.5]])
    expected = [[-0.5, -0.5], [width - 0.5, height - 0.5]]
    np.testing.assert_allclose(transform(corners, back), expected, atol=1e-3)


@with_examples(200)
@given(st.lists(st.lists(st.floats(width=32) | st.floats(), max_size=6), max_size=4))
def test_any_numbers_are_valid_boxes_or_refused(values: list[list[float]]) -> None:
    try:
        found = as_boxes(values)
    except InvalidBoxError as error:
        assert_single_line(error, "boxes are")
        return
    assert found.shape == (len(found), 4)
    crops = crop_batch(np.zeros((9, 9, 3), np.uint8), crop_matrices(found, CropRule(1.25), 8), 8, 1)
    assert crops.shape == (len(found), 8, 8, 1)


def test_frames_wider_than_opencv_can_warp_are_cropped() -> None:
    """A panorama, with a face that fills its height and one that fills its width."""
    image = np.full((300, 40_000, 3), 90, np.uint8)
    found = as_boxes([[39_000, 20, 39_250, 280], [0, -19_000, 39_999, 19_000]])
    assert (crop_batch(image, crop_matrices(found, CropRule(1.25), 64), 64, 3) == 90).all()
    tall = np.ascontiguousarray(image.transpose(1, 0, 2))
    turned = found[:, [1, 0, 3, 2]]
    assert (crop_batch(tall, crop_matrices(turned, CropRule(1.25), 64), 64, 3) == 90).all()
