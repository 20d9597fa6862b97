"""Similarity transforms as (2, 3) matrices."""

from __future__ import annotations

import math

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
    x, y = np.asarray(centre, np.float64).tolist()
    return np.array(similarity_rows(x, y, side, size, roll, mirror))


def similarity_rows(
    x: float, y: float, side: float, size: int, roll: float, mirror: bool = False
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The rows of the matrix of a crop around (x, y), as plain numbers."""
    scale, middle = size / side, (size - 1) / 2
    cos, sin = scale * math.cos(roll), scale * math.sin(roll)
    sign = -1.0 if mirror else 1.0
    return (
        (sign * cos, sign * sin, middle - sign * (cos * x + sin * y)),
        (-sin, cos, middle - (cos * y - sin * x)),
    )


def transform(points: ArrayLike, matrices: Matrix) -> Floats:
    """Transforms points (..., n, 2) by matrices (..., 2, 3)."""
    transformed = np.asarray(points, np.float64) @ matrices[..., :2].swapaxes(-1, -2)
    return np.asarray(transformed + matrices[..., None, :, 2], np.float32)


def invert(matrices: Matrix) -> Matrix:
    """Inverts matrices (..., 2, 3): crop → frame from frame → crop."""
    # Plain numbers: for a few faces, calls of numpy take longer than the arithmetic.
    inverses = [inverse(*entries) for entries in matrices.reshape(-1, 6).tolist()]
    return np.array(inverses, np.float64).reshape(matrices.shape)


def inverse(
    a: float, b: float, x: float, c: float, d: float, y: float
) -> tuple[float, float, float, float, float, float]:
    """The inverse of the matrix with the rows (a, b, x) and (c, d, y), row by row."""
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return a, b, -(a * x + b * y), c, d, -(c * x + d * y)
