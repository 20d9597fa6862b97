"""Points on pictures of faces, of a size that can be seen however few or many they are."""

from __future__ import annotations

import numpy as np

from fkd_infer.drawing.marks import Disc, draw_discs
from fkd_infer.geometry.arrays import Floats, Pixels

_COLOUR, _DARK = (80, 255, 120), (0, 0, 0)
_RADIUS = 1 / 85
"""Of a point with enough room, as a share of the picture's longer side."""
_SPACING = 0.4
"""Largest radius as a share of the usual distance to the next point."""
_SMALLEST = 1.0


def draw_points(picture: Pixels, points: Floats) -> None:
    """Draws points (n, 2) into a BGR picture in place: discs whose radius follows the picture's
    size, smaller where points are crowded. Points that are NaN are left out."""
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return
    radius = max(_SMALLEST, min(_RADIUS * max(picture.shape[:2]), _SPACING * _spacing(points)))
    draw_discs(picture, points, [Disc(radius * 1.35, _DARK), Disc(radius, _COLOUR)])


def _spacing(points: Floats) -> float:
    """The median distance from a point to the nearest other one, in pixels."""
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float(np.median(distances.min(axis=1)))
