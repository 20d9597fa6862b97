"""Merging of detections in several views of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.detection.tiling import View, merge_views, select_detections, to_frame
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.types import Detections

WHOLE, LEFT, RIGHT = View(0, 0, 1000, 500, 2), View(0, 0, 500, 500, 1), View(450, 0, 950, 500, 1)
SIZE = (1000, 500)


def found(*rows: tuple[float, float, float, float, float]) -> Detections:
    """Boxes with scores, and five points each: the corners and the centre."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = table[:, :4]
    x0, y0, x1, y1 = boxes.T
    corners = [(x0, y0), (x1, y0), ((x0 + x1) / 2, (y0 + y1) / 2), (x0, y1), (x1, y1)]
    points = np.stack([np.column_stack(pair) for pair in corners], axis=1)
    return Detections(boxes, table[:, 4], points)


def test_boxes_and_points_are_transformed_by_the_matrix() -> None:
    matrix = np.array([[2, 0, 100.5], [0, 4, 20.25]], np.float32)
    back = to_frame(found((1, 2, 3, 4, 0.7)), matrix)
    np.testing.assert_array_equal(back.boxes, [[102.5, 28.25, 106.5, 36.25]])
    assert back.points is not None
    np.testing.assert_array_equal(back.points[0, [0, 2, 4]], [
        [102.5, 28.25], [104.5, 32.25], [106.5, 36.25]
    ])  # fmt: skip
    assert back.boxes.dtype == back.points.dtype == np.float32
    assert to_frame(Detections(back.boxes, back.scores), matrix).points is None
    assert to_frame(found(), matrix).boxes.shape == (0, 4)


def test_a_face_in_two_tiles_is_merged() -> None:
    parts = [found(), found((455, 100, 485, 130, 0.8)), found((456, 99, 486, 131, 0.9))]
    both = merge_views(parts, [WHOLE, LEFT, RIGHT], SIZE)
    np.testing.assert_array_equal(both.boxes, [[456, 99, 486, 131]])
    assert both.points is not None
    np.testing.assert_array_equal(both.points[0, 2], [471, 115])


def test_boxes_cut_off_by_a_tile_are_left_out() -> None:
    cut = found((480, 100, 498, 130, 0.9), (470, 200, 497.5, 230, 0.8))
    selected = merge_views([found(), cut, found()], [WHOLE, LEFT, RIGHT], SIZE)
    np.testing.assert_allclose(selected.scores, [0.8], rtol=1e-6)
    cut = found((451, 100, 480, 130, 0.9), (451.5, 200, 480, 230, 0.8))
    selected = merge_views([found(), found(), cut], [WHOLE, LEFT, RIGHT], SIZE)
    np.testing.assert_allclose(selected.scores, [0.8], rtol=1e-6)


def test_boxes_at_the_edges_of_the_frame_stay() -> None:
    edge = found((-3, -4, 30, 30, 0.9), (100, 480, 130, 505, 0.8))
    assert len(merge_views([found(), edge], [WHOLE, LEFT], SIZE)) == 2


def test_a_face_too_large_for_tiles_comes_from_the_full_view() -> None:
    """And the part of it that a tile detects is left out."""
    large = (200.0, 10.0, 700.0, 490.0, 0.7)
    piece = found((300, 60, 440, 200, 0.6))
    selected = merge_views([found(large), piece, found()], [WHOLE, LEFT, RIGHT], SIZE)
    np.testing.assert_array_equal(selected.boxes, [large[:4]])


def test_a_suppressed_part_suppresses_no_other_face() -> None:
    first, second = (0.0, 0.0, 100.0, 100.0, 0.9), (88.0, 0.0, 188.0, 100.0, 0.7)
    piece = (70.0, 30.0, 110.0, 70.0, 0.8)  # three quarters in the first, most in the second
    selected = merge_views([found(first, second), found(piece)], [WHOLE, LEFT], SIZE)
    np.testing.assert_array_equal(selected.boxes, [first[:4], second[:4]])


def test_neighbours_stay_apart_and_the_best_comes_first() -> None:
    parts = [found((10, 10, 60, 60, 0.5)), found((50, 10, 100, 60, 0.6)), found()]
    selected = merge_views(parts, [WHOLE, LEFT, RIGHT], SIZE)
    np.testing.assert_allclose(selected.scores, [0.6, 0.5], rtol=1e-6)


def test_empty_views_merge_to_none() -> None:
    none = merge_views([found(), found()], [WHOLE, LEFT], SIZE)
    assert none.boxes.shape == (0, 4)
    assert none.scores.shape == (0,)


def test_small_faces_and_low_scores_are_left_out() -> None:
    boxes = found((0, 0, 30, 40, 0.9), (0, 0, 30, 41, 0.4), (0, 0, 42, 10, 0.5))
    half = BoxRule(0.5)
    assert select_detections(boxes, half, 0.0, 0.0) is boxes
    assert select_detections(boxes, half, 20.5, 0.0).scores.tolist() == pytest.approx([0.4, 0.5])
    assert select_detections(boxes, half, 20.0, 0.5).scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(select_detections(found(), half, 20, 0.5)) == 0
