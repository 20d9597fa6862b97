"""Tiles cover the frame, and each face is detected once, in frame pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from property_strategies import boxes, float32s, with_examples

from fkd_infer.detection.tiling import Search, View, merge_views, plan_views, to_frame
from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.nms import coverage, iou, suppress
from fkd_infer.geometry.transforms import invert
from fkd_infer.types import Detections

SMALLEST = 12.0
WHOLE, CUT = 0.8, 0.9
"""Scores of faces that fit into a view, and of cut faces, which must lose despite theirs."""


@with_examples(120)
@given(
    some=st.lists(boxes(1e9, 1e9) | boxes(50, 60), max_size=30),
    levels=st.lists(float32s(0, 1), min_size=30, max_size=30),
    limit=float32s(0.05, 0.95),
    by=st.sampled_from([iou, coverage]),
)
def test_suppressed_boxes_overlap_a_better_one(
    some: list[Floats], levels: list[float], limit: float, by: object
) -> None:
    measure = iou if by is iou else coverage
    table = np.array(some, np.float32).reshape(-1, 4)
    scores = np.array(levels[: len(table)], np.float32)
    selected = suppress(table, scores, limit, measure)
    assert len(set(selected.tolist())) == len(selected)
    assert (np.diff(scores[selected]) <= 0).all()
    shared = measure(table, table) > limit
    assert not np.triu(shared[np.ix_(selected, selected)], 1).any()
    for row in set(range(len(table))) - set(selected.tolist()):
        better = selected[scores[selected] >= scores[row]]
        assert shared[better, row].any()


@with_examples(150)
@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    max_size=st.sampled_from([64, 320, 640, 1280]),
    min_face=st.none() | float32s(4, 400),
)
def test_tiles_of_each_size_cover_every_pixel(
    width: int, height: int, max_size: int, min_face: float | None
) -> None:
    views = plan_views(width, height, Search(max_size, min_face), SMALLEST)
    for factor in {view.factor for view in views}:
        cells = [view for view in views if view.factor == factor]
        xs = np.unique([edge for view in cells for edge in (view.left, view.right)])
        ys = np.unique([edge for view in cells for edge in (view.top, view.bottom)])
        covered = np.zeros((len(ys) - 1, len(xs) - 1), bool)
        for view in cells:
            rows = slice(*np.searchsorted(ys, (view.top, view.bottom)))
            covered[rows, slice(*np.searchsorted(xs, (view.left, view.right)))] = True
        assert (xs[0], xs[-1], ys[0], ys[-1]) == (0, width, 0, height)
        assert covered.all()


def perfectly_found(faces: Floats, view: View, matrix: Floats) -> Detections:
    """The detections of a perfect detector in a view: large enough faces, and the visible parts of
    cut faces if most of the face is visible."""
    frame = np.array([view.left, view.top, view.right, view.bottom], np.float32) - 0.5
    clipped = np.concatenate(
        [np.maximum(faces[:, :2], frame[:2]), np.minimum(faces[:, 2:], frame[2:])], axis=1
    )
    sides = (clipped[:, 2:] - clipped[:, :2]).clip(0)
    seen = sides.prod(axis=1) / (faces[:, 2:] - faces[:, :2]).prod(axis=1)
    large = (faces[:, 2] - faces[:, 0]) / view.factor >= SMALLEST * 0.999
    rows = np.flatnonzero(large & (seen > 0.55))
    to_view = invert(matrix.astype(np.float64))
    scale, offset = np.diag(to_view[:, :2]), to_view[:, 2]
    inside = clipped[rows] * np.tile(scale, 2) + np.tile(offset, 2)
    scores = np.where(seen[rows] > 0.999, WHOLE, CUT).astype(np.float32)
    return Detections(inside.astype(np.float32), scores)


@with_examples(120)
@given(
    width=st.integers(200, 3000),
    height=st.integers(200, 3000),
    max_size=st.sampled_from([320, 640, 1280]),
    min_face=float32s(6, 60),
    seed=st.integers(0, 2**32 - 1),
    cell=st.integers(80, 700),
)
def test_a_perfect_detector_has_one_detection_per_face(
    width: int, height: int, max_size: int, min_face: float, seed: int, cell: int
) -> None:
    """Faces of any size from `min_face` on, in separate cells of a grid."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(np.arange(0, width, cell), np.arange(0, height, cell)), axis=-1)
    corners = corners.reshape(-1, 2)[:40]
    sides = np.exp(rng.uniform(np.log(min_face), np.log(max(cell, min_face + 1)), len(corners)))
    low = corners + rng.uniform(0, 1, (len(corners), 2)) * (cell - sides.clip(0, cell))[:, None]
    anywhere = np.concatenate([low, low + sides[:, None]], axis=1) - 0.5
    inside = (anywhere[:, 2:] <= np.array([width, height]) - 0.5).all(axis=1) & (sides <= cell)
    faces = anywhere[inside].astype(np.float32)

    views = plan_views(width, height, Search(max_size, min_face), SMALLEST)
    parts = []
    for view in views:
        shown = View(0, 0, view.right - view.left, view.bottom - view.top, view.factor)
        image = np.zeros((shown.bottom, shown.right), np.uint8)
        matrix = shown.extract(image)[1]
        matrix[:, 2] += (view.left, view.top)
        parts.append(to_frame(perfectly_found(faces, view, matrix), matrix))
    found = merge_views(parts, views, (width, height))
    assert len(found) == len(faces)
    apart = np.abs(found.boxes[:, None] - faces).max(axis=-1)
    assert apart.min(axis=0, initial=np.inf).max(initial=0) < 0.05


@pytest.mark.parametrize("measure", [iou, coverage])
def test_overlaps_of_extreme_boxes_are_finite(measure: object) -> None:
    by = iou if measure is iou else coverage
    table = np.array([[0, 0, 1e9, 1e9], [0, 0, 1e-6, 1e-6]], np.float32)
    assert np.isfinite(by(table, table)).all()
