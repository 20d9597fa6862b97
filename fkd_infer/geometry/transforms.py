"""Similarity transforms as (2, 3) matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fkd_infer.geometry.arrays import Floats, Matrix

_MAX_DRAWABLE = 2**24
"""Largest coordinate, in pixels, with which drawing computes exactly."""


def is_drawable(points: Floats) -> bool:
    """Whether points (n, 2) are finite and small enough for exact drawing."""
    return bool((np.abs(points) < _MAX_DRAWABLE).all())


def similarity(
    centre: ArrayLike, side: float, size: int, roll: float = 0.0, mirror: bool = False
) -> Matrix:
    """The matrix (2, 3) of a crop; `roll` is in radians, `mirror` swaps left and right."""
    scale = size / side
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    linear = np.array([[cos, sin], [-sin, cos]])
    if mirror:
        linear[0] *= -1
    offset = (size - 1) / 2 - linear @ np.asarray(centre, dtype=np.float64)
    return np.column_stack([linear, offset])


def transform(points: ArrayLike, matrices: Matrix) -> Floats:
    """Transforms points (..., n, 2) by matrices (..., 2, 3)."""
    array = np.asarray(points, dtype=np.float64)
    transformed = array @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]
    return transformed.astype(np.float32)


def invert(matrices: Matrix) -> Matrix:
    """Inverts matrices (..., 2, 3): crop → frame from frame → crop."""
    linear = np.linalg.inv(matrices[..., :2])
    offset = -(linear @ matrices[..., 2:])
    return np.concatenate([linear, offset], axis=-1)


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The matrix that applies `inner` and then `outer`."""
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([outer[:, :2] @ inner[:, :2], offset])
