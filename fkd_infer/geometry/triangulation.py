"""Delaunay triangulation of points."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Matrix

_WIDEST = 20_000.0
"""Pixels that places of triangles are apart at most when they are told."""


def delaunay(places: Matrix) -> NDArray[np.intp]:
    """Delaunay's triangles (n, 3) of places (k, 2), as numbers of them."""
    # OpenCV counts in float32, and gives up where places are too far apart for it.
    places = places * min(1.0, _WIDEST / max(1.0, float(np.ptp(places, axis=0).max())))
    low = places.min(axis=0) - 10
    extent = np.ceil(np.ptp(places, axis=0) + 20).astype(int)
    plane = cv2.Subdiv2D((0, 0, int(extent[0]), int(extent[1])))
    inside = (places - low).astype(np.float32)
    for place in inside:
        plane.insert((float(place[0]), float(place[1])))
    corners = np.asarray(plane.getTriangleList(), np.float32).reshape(-1, 3, 1, 2)
    distance = np.linalg.norm(corners - inside, axis=-1)  # (n, 3, k)
    # Subdiv2D adds corners far outside of its own.
    return np.asarray(distance.argmin(axis=-1)[(distance.min(axis=-1) < 0.01).all(axis=1)], np.intp)
