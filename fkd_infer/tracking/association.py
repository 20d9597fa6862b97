"""Distances between square boxes of faces, and the assignment with the lowest total distance."""

from __future__ import annotations

import lap  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import derived_boxes, points_box
from fkd_infer.geometry.rules import POINTS_BOX

MAX_SIZE_RATIO = 1.6
"""Boxes of one face do not differ more in size."""
FAR = 1e6
"""The distance of boxes that are of two faces, whatever lies between them."""
GRID_BITS = 10
"""Bits of a box's side in steps of the grid that it is rounded to: 512 to 1024 steps."""


def assign(costs: NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Pairs of row and column with the lowest sum of costs (n, m), each cost below the limit."""
    if not costs.size:
        return []
    _, columns, _ = lap.lapjv(costs, extend_cost=True, cost_limit=limit)
    return [(row, int(column)) for row, column in enumerate(columns) if column >= 0]


def face_distances(boxes: Floats, others: Floats) -> NDArray[np.float64]:
    """Distances (n, m) between square boxes (n, 4) and (m, 4), in sides.

    Boxes whose sizes differ by more than MAX_SIZE_RATIO are far from each other.
    """
    distances = np.linalg.norm(centres(boxes)[:, None] - centres(others), axis=-1)
    one, two = sides(boxes)[:, None], sides(others)
    costs = distances / np.sqrt(one * two)
    too_unlike = np.maximum(one / two, two / one) > MAX_SIZE_RATIO
    return np.asarray(np.where(too_unlike, FAR, costs), np.float64)


def centre_distances(boxes: Floats, others: Floats) -> NDArray[np.float64]:
    """Distances (n, m) between boxes of any size, in sides of the larger box."""
    distances = np.linalg.norm(centres(boxes)[:, None] - centres(others), axis=-1)
    larger = np.maximum(sides(boxes)[:, None], sides(others))
    return np.asarray(distances / larger, np.float64)


def squares(points: Floats) -> Floats:
    """Tight squares (n, 4) around points (n, k, 2)."""
    return derived_boxes(points_box(points), POINTS_BOX)


def rounded(boxes: Floats) -> Floats:
    """Square boxes (n, 4), with sides and centres rounded to 1/1024 to 1/512 of the side.

    Points placed in a rounded box do not depend on the last digits of the points before. So
    trackers that began at different frames come to the same points, to the bit; without it, they
    stay as far apart as the noise of the network, for ever.
    """
    steps = np.exp2(np.frexp(sides(boxes))[1] - GRID_BITS)[:, None]
    middle = np.rint(centres(boxes) / steps) * steps
    half = np.rint(sides(boxes)[:, None] / steps) * steps / 2
    return np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)


def centres(boxes: Floats) -> Floats:
    """Centres (..., 2) of boxes (..., 4)."""
    return (boxes[..., :2] + boxes[..., 2:]) / np.float32(2)


def sides(boxes: Floats) -> Floats:
    """Sides (...) of square boxes (..., 4)."""
    return boxes[..., 2] - boxes[..., 0]
