"""Aspect ratios of eyes and mouth, which measure how far they are open, from the 68 iBUG points.

The eye aspect ratio is from Soukupová and Čech, Real-Time Eye Blink Detection using Facial
Landmarks, CVWW 2016, equation 1. The ratios do not depend on a face's size, position and roll; they
grow with yaw, since widths shrink.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix

RIGHT_EYE, LEFT_EYE, INNER_LIPS = slice(36, 42), slice(42, 48), slice(60, 68)
"""Closed lines of the 68 points, each from a corner."""


class AspectRatios(NamedTuple):
    """Height over width of the person's eyes and mouth; 0 is closed.

    Eyes: (|p2 p6| + |p3 p5|) / (2 |p1 p4|), with the six points of an eye in order, from a corner.
    Mouth: mean of the three distances between upper and lower inner lip, over the distance of the
    inner corners.
    """

    left_eye: float
    """Of the person's left eye, which is on the right of the picture."""
    right_eye: float
    """Of the person's right eye."""
    mouth: float
    """Of the inner lips."""


def aspect_ratios(points: Floats) -> AspectRatios | None:
    """The ratios of a face's points (68, 2); None if an eye or the mouth has no width.

    Of the eyes, the ratio of Soukupová and Čech (Real-Time Eye Blink Detection, 2016).

    Examples:
        >>> import fkd_infer
        >>> face = fkd_infer.load()(fkd_infer.read_image("photo.jpg"))[0]
        >>> ratios = fkd_infer.aspect_ratios(face.points)
        >>> ratios.left_eye > 0.1  # it is open
        True
    """
    rings = points[LEFT_EYE], points[RIGHT_EYE], points[INNER_LIPS]
    ratios = [_aspect_ratio(ring.astype(np.float64)) for ring in rings]
    return AspectRatios(*ratios) if np.isfinite(ratios).all() else None


def _aspect_ratio(ring: Matrix) -> float:
    """Mean height over width of a closed line (2k, 2) that starts in a corner; NaN without a
    width."""
    half = len(ring) // 2
    upper, lower = ring[1:half], ring[:half:-1]
    height = np.linalg.norm(upper - lower, axis=1).mean()
    width = np.linalg.norm(ring[half] - ring[0])
    return float(height / width) if width > 0 else float("nan")
