from __future__ import annotations

import numpy as np
import pytest

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.reports.point_marks import draw_points


def drawn(points: Floats, side: int = 224) -> Pixels:
    picture = np.full((side, side, 3), 128, np.uint8)
    draw_points(picture, points)
    return picture


def covered(points: Floats, side: int = 224) -> int:
    """Pixels that change."""
    return int((drawn(points, side) != 128).any(axis=2).sum())


def grid(columns: int, spacing: float) -> Floats:
    steps = np.arange(columns, dtype=np.float32) * spacing + 20
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2).astype(np.float32)


def test_few_points_close_together_are_as_large_as_many_over_the_face() -> None:
    few, many = grid(2, 60.0), grid(8, 20.0)
    assert covered(few) / len(few) == pytest.approx(covered(many) / len(many), rel=0.1)
    assert covered(few) / len(few) > 20


def test_points_grow_with_the_picture() -> None:
    points = grid(2, 60.0)
    assert covered(points, 896) > 10 * covered(points, 224)


def test_crowded_points_can_be_told_apart() -> None:
    points = grid(20, 4.0)
    picture = drawn(points)
    middle = np.rint(points).astype(int)
    greens = picture[middle[:, 1], middle[:, 0], 1]
    between = picture[middle[:-1, 1], middle[:-1, 0] + 2, 1]
    assert greens.min() > 230
    assert np.median(between) < 100


def test_no_points_change_nothing() -> None:
    assert covered(np.zeros((0, 2), np.float32)) == 0
