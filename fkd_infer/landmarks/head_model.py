"""Fits a scaled rotation of a mean head to points, by least squares.

The head's axes: x to the image's right, y down, z towards the camera. The outer eye corners of the
mean head are at (-0.5, 0, 0) and (0.5, 0, 0), so their distance is the unit. Without perspective,
a point p of the head is projected to rotation · p + centre in the frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix

_MEAN_HEAD = Path(__file__).with_name("head.json")
_MOVING_POINTS = {**dict.fromkeys(range(3, 14), 0.3), **dict.fromkeys(range(17, 27), 0.4)}
_MOVING_POINTS |= dict.fromkeys(range(48, 68), 0.2)
"""Weights of the points that move with speech and facial expressions; the others have 1."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Projection of the mean head into a frame: scaled rotation (2, 3), centre (2,), in pixels."""

    rotation: Matrix
    centre: Matrix

    @property
    def scale(self) -> float:
        """Pixels of the frame per unit of the head."""
        return float(np.linalg.norm(self.rotation[0]))

    def project(self, points: Matrix) -> Matrix:
        """Frame points (..., 2) of the head's points (..., 3)."""
        projected: Matrix = points @ self.rotation.T + self.centre
        return projected


@lru_cache(maxsize=1)
def mean_head() -> Matrix:
    """The mean head's points (68, 3) in iBUG order, fitted by tools/fit_head.py."""
    head: Matrix = np.array(json.loads(_MEAN_HEAD.read_text()), np.float64)
    head.flags.writeable = False
    return head


def fit_pose(points: Floats) -> HeadPose | None:
    """The pose of a face's points (68, 2); None if they are not finite or coincide."""
    if not np.isfinite(points).all():
        return None
    head_centre, weights, solver = _solver()
    points_px = points.astype(np.float64)
    centre = weights @ points_px
    u, singular, vt = np.linalg.svd((solver @ (points_px - centre)).T, full_matrices=False)
    scale = float(singular.mean())
    if scale < 1e-3:
        return None
    rotation = scale * (u @ vt)
    return HeadPose(rotation, centre - rotation @ head_centre)


@lru_cache(maxsize=1)
def _solver() -> tuple[Matrix, Matrix, Matrix]:
    """The head's weighted centre (3,), the points' weights (68,), and the least squares (3, 68)."""
    head = mean_head()
    weights = np.array([_MOVING_POINTS.get(i, 1.0) for i in range(len(head))])
    weights /= weights.sum()
    centre = weights @ head
    centred = head - centre
    weighted = centred.T * weights
    return centre, weights, np.linalg.solve(weighted @ centred, weighted)
