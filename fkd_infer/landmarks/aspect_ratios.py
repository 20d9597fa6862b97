"""How far eyes and mouth are open, as ratios of a face's own lengths, from the 68 iBUG points.

The eye aspect ratio is that of Soukupová and Čech, Real-Time Eye Blink Detection using Facial
Landmarks, CVWW 2016, equation 1. Ratios do not change with a face's size, place and tilt in the
picture; they grow where it is turned aside, since widths shrink then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix

_RIGHT_EYE, _LEFT_EYE, _INNER_LIPS = slice(36, 42), slice(42, 48), slice(60, 68)


class Ratios(NamedTuple):
    """Height over width of the person's eyes and mouth; 0 is shut.

    Eyes: (|p2 p6| + |p3 p5|) / (2 |p1 p4|) of the six points of an eye, from one corner around.
    Mouth: the mean of the three distances between the upper and the lower inner lip, over the
    distance of the inner corners.
    """

    left_eye: float
    right_eye: float
    mouth: float


def ratios(points: Floats) -> Ratios | None:
    """The ratios of a face's points (68, 2); None where an eye or the mouth has no width."""
    rings = points[_LEFT_EYE], points[_RIGHT_EYE], points[_INNER_LIPS]
    found = [_aspect(ring.astype(np.float64)) for ring in rings]
    return Ratios(*found) if np.isfinite(found).all() else None


def _aspect(ring: Matrix) -> float:
    """Mean height over width of a closed line (2k, 2) that begins in a corner; not a number
    where it has no width."""
    half = len(ring) // 2
    upper, lower = ring[1:half], ring[:half:-1]
    height = np.linalg.norm(upper - lower, axis=1).mean()
    width = np.linalg.norm(ring[half] - ring[0])
    return float(height / width) if width > 0 else float("nan")
