"""Non-maximum suppression of known boxes, and against a plain implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fkd_infer.geometry.nms import coverage, iou, suppress

BOXES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)),
    max_size=12,
)


def as_boxes(xywh: list[tuple[int, int, int, int]]) -> np.ndarray:
    boxes = np.array(xywh, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def shared_area(one: np.ndarray, other: np.ndarray) -> float:
    """Counted cell by cell, for integer boxes."""
    grids = []
    for x0, y0, x1, y1 in (one.astype(int), other.astype(int)):
        grid = np.zeros((60, 60), bool)
        grid[y0:y1, x0:x1] = True
        grids.append(grid)
    return float((grids[0] & grids[1]).sum())


def area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def plainly_suppressed(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    selected: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: (-scores[row], row)):
        rivals = [shared_area(boxes[row], boxes[other]) for other in selected]
        unions = [area(boxes[row]) + area(boxes[other]) for other in selected]
        pairs = zip(rivals, unions, strict=True)
        if all(np.float32(both / (union - both)) <= limit for both, union in pairs):
            selected.append(row)
    return selected


def test_known_boxes_have_known_overlaps() -> None:
    boxes = as_boxes([(0, 0, 4, 4), (2, 0, 4, 4), (1, 1, 2, 2), (8, 8, 1, 1), (4, 0, 4, 4)])
    np.testing.assert_allclose(iou(boxes[:1], boxes), [[1, 1 / 3, 1 / 4, 0, 0]])
    np.testing.assert_allclose(coverage(boxes[:1], boxes), [[1, 1 / 2, 1, 0, 0]])


def test_boxes_that_touch_at_a_corner_do_not_overlap() -> None:
    boxes = as_boxes([(0, 0, 2, 2), (2, 2, 2, 2), (5, 5, 1, 1)])
    np.testing.assert_array_equal(iou(boxes, boxes), np.eye(3))


@settings(max_examples=60, deadline=None)
@given(first=BOXES, second=BOXES)
def test_every_pair_is_measured(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> None:
    one, two = as_boxes(first), as_boxes(second)
    shared = np.array([[shared_area(a, b) for b in two] for a in one]).reshape(len(one), len(two))
    areas = [np.array([area(box) for box in boxes]) for boxes in (one, two)]
    union = areas[0][:, None] + areas[1][None] - shared
    np.testing.assert_allclose(iou(one, two), shared / union, rtol=1e-6)
    smaller = np.minimum(areas[0][:, None], areas[1][None])
    np.testing.assert_allclose(coverage(one, two), shared / smaller, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    xywh=BOXES,
    ranks=st.lists(st.integers(0, 4), min_size=12, max_size=12),
    limit=st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]),
)
def test_suppression_equals_a_plain_implementation(
    xywh: list[tuple[int, int, int, int]], ranks: list[int], limit: float
) -> None:
    boxes, scores = as_boxes(xywh), (np.array(ranks[: len(xywh)]) / 4).astype(np.float32)
    assert suppress(boxes, scores, limit).tolist() == plainly_suppressed(boxes, scores, limit)


def test_a_suppressed_box_suppresses_no_other() -> None:
    """The middle box overlaps both neighbours, but is suppressed itself."""
    boxes = as_boxes([(0, 0, 10, 10), (4, 0, 10, 10), (8, 0, 10, 10)])
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert suppress(boxes, scores, 0.4).tolist() == [0, 2]
    assert suppress(boxes, scores[::-1], 0.4).tolist() == [2, 0]
    assert suppress(boxes, scores, 0.5, coverage).tolist() == [0, 2]


@pytest.mark.parametrize("measure", [iou, coverage])
def test_a_box_inside_another_is_suppressed_by_coverage_only(measure: object) -> None:
    boxes = as_boxes([(0, 0, 20, 20), (5, 5, 5, 5)])
    scores = np.array([0.5, 0.9], np.float32)
    selected = suppress(boxes, scores, 0.45, iou if measure is iou else coverage)
    assert selected.tolist() == ([1, 0] if measure is iou else [1])


def test_no_boxes_are_selected_from_none() -> None:
    selected = suppress(as_boxes([]), np.empty(0, np.float32), 0.5)
    assert selected.shape == (0,)
    assert selected.dtype == np.intp
