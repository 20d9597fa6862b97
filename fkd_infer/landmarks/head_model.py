"""How a head is turned, from its points: a scaled rotation of a mean head, by least squares.

The head's axes: x to the image's right, y down, z towards the camera; the outer eye corners of the
mean head lie at (-0.5, 0, 0) and (0.5, 0, 0), so their distance is the unit. Seen from far, without
perspective, a point p of the head lies in the frame at turn · p + centre.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix

_MEAN_HEAD = Path(__file__).with_name("head.json")
_LOOSE = {**dict.fromkeys(range(3, 14), 0.3), **dict.fromkeys(range(17, 27), 0.4)}
_LOOSE |= dict.fromkeys(range(48, 68), 0.2)
"""Weights of the points that move with speech and mimics; the others have 1."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """Where the mean head lies in a frame: turn (2, 3), centre (2,), in pixels."""

    turn: Matrix
    centre: Matrix

    @property
    def scale(self) -> float:
        """Pixels of the frame in a unit of the head."""
        return float(np.linalg.norm(self.turn[0]))

    def project(self, places: Matrix) -> Matrix:
        """Frame points (..., 2) of the head's points (..., 3)."""
        found: Matrix = places @ self.turn.T + self.centre
        return found


@lru_cache(maxsize=1)
def mean_head() -> Matrix:
    """The mean head's points (68, 3) in iBUG order, fitted by tools/fit_head.py."""
    head: Matrix = np.array(json.loads(_MEAN_HEAD.read_text()), np.float64)
    head.flags.writeable = False
    return head


def fit_pose(points: Floats) -> HeadPose | None:
    """The pose of a face's points (68, 2); None where they are not finite or all in one place."""
    if not np.isfinite(points).all():
        return None
    middle, weights, solve = _solver()
    seen = points.astype(np.float64)
    centre = weights @ seen
    u, stretch, vt = np.linalg.svd((solve @ (seen - centre)).T, full_matrices=False)
    scale = float(stretch.mean())
    if scale < 1e-3:
        return None
    turn = scale * (u @ vt)
    return HeadPose(turn, centre - turn @ middle)


@lru_cache(maxsize=1)
def _solver() -> tuple[Matrix, Matrix, Matrix]:
    """The head's weighted middle (3,), the points' weights (68,), and the least squares (3, 68)."""
    head = mean_head()
    weights = np.array([_LOOSE.get(i, 1.0) for i in range(len(head))])
    weights /= weights.sum()
    middle = weights @ head
    around = head - middle
    return middle, weights, np.linalg.solve((around.T * weights) @ around, around.T * weights)
