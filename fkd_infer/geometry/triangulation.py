"""Delaunay triangulation of points."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Matrix

_MAX_EXTENT = 20_000.0
"""Points are scaled down to this extent: OpenCV computes in float32, and fails for wider sets."""


def delaunay(points: Matrix) -> NDArray[np.intp]:
    """Delaunay triangles (n, 3) of points (k, 2), as indices of points."""
    points = points * min(1.0, _MAX_EXTENT / max(1.0, float(np.ptp(points, axis=0).max())))
    low = points.min(axis=0) - 10
    extent = np.ceil(np.ptp(points, axis=0) + 20).astype(int)
    subdivision = cv2.Subdiv2D((0, 0, int(extent[0]), int(extent[1])))
    inside = (points - low).astype(np.float32)
    for x, y in inside.tolist():
        subdivision.insert((x, y))
    corners = np.asarray(subdivision.getTriangleList(), np.float32).reshape(-1, 3, 1, 2)
    distance = np.linalg.norm(corners - inside, axis=-1)  # (n, 3, k)
    # Leaves out triangles with the far outer corners that Subdiv2D adds.
    return np.asarray(distance.argmin(axis=-1)[(distance.min(axis=-1) < 0.01).all(axis=1)], np.intp)
