"""Similarity transforms as (2, 3) matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.geometry.arrays import Floats, Matrix

_REACH = 2**24
"""Pixels from the frame's corner, beyond which nothing is drawn."""


def is_drawable(points: Floats) -> bool:
    """Whether points (n, 2) are finite and so near that drawing computes with them exactly."""
    return bool((np.abs(points) < _REACH).all())


def similarity(
    centre: ArrayLike, side: float, size: int, roll: float = 0.0, mirror: bool = False
) -> Matrix:
    """The matrix (2, 3) of a crop; `roll` in radians, `mirror` swaps left and right in the crop."""
    scale = size / side
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    linear = np.array([[cos, sin], [-sin, cos]])
    if mirror:
        linear[0] *= -1
    offset = (size - 1) / 2 - linear @ np.asarray(centre, dtype=np.float64)
    return np.column_stack([linear, offset])


def transform(points: ArrayLike, matrices: Matrix) -> Floats:
    """Points (..., n, 2) through matrices (..., 2, 3)."""
    array = np.asarray(points, dtype=np.float64)
    moved = array @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]
    return moved.astype(np.float32)


def invert(matrices: Matrix) -> Matrix:
    """Crop → frame matrices (..., 2, 3) of frame → crop matrices (..., 2, 3)."""
    linear = np.linalg.inv(matrices[..., :2])
    offset = -(linear @ matrices[..., 2:])
    return np.concatenate([linear, offset], axis=-1)


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The matrix that applies `inner` and then `outer`."""
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([outer[:, :2] @ inner[:, :2], offset])
