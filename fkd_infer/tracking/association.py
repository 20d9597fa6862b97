"""Square boxes of faces: how far they are apart, and which of them are of one face."""

from __future__ import annotations

import lap  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import apply_rule, points_box, square_boxes
from fkd_infer.geometry.rules import POINTS_BOX

RESIZED = 1.6
"""Boxes of one face do not differ more in size, from a detector or after a while."""
_FAR = 1e6


def assigned(costs: NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Pairs of row and column with the least sum of costs (n, m), each of them below the limit."""
    if not costs.size:
        return []
    _, columns, _ = lap.lapjv(costs, extend_cost=True, cost_limit=limit)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]


def distances(boxes: Floats, others: Floats) -> NDArray[np.float64]:
    """Distances (n, m) of square boxes (n, 4) and (m, 4), in their sides; far where their sizes are
    not those of one face."""
    apart = np.linalg.norm(centres(boxes)[:, None] - centres(others), axis=-1)
    one, two = sides(boxes)[:, None], sides(others)
    costs = apart / np.sqrt(one * two)
    return np.asarray(np.where(np.maximum(one / two, two / one) > RESIZED, _FAR, costs), np.float64)


def nearness(boxes: Floats, others: Floats) -> NDArray[np.float64]:
    """Distances (n, m) of the same in sides of the larger of the two, whatever their sizes."""
    apart = np.linalg.norm(centres(boxes)[:, None] - centres(others), axis=-1)
    return np.asarray(apart / np.maximum(sides(boxes)[:, None], sides(others)), np.float64)


def squares(points: Floats) -> Floats:
    """Tight squares (n, 4) of points (n, k, 2)."""
    return square_boxes(*apply_rule(points_box(points), POINTS_BOX))


def centres(boxes: Floats) -> Floats:
    """Centres (..., 2) of boxes (..., 4)."""
    return (boxes[..., :2] + boxes[..., 2:]) / np.float32(2)


def sides(boxes: Floats) -> Floats:
    """Sides (...) of square boxes (..., 4)."""
    return boxes[..., 2] - boxes[..., 0]
