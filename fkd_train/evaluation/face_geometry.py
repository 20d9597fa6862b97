"""Size, roll, estimated yaw and the mean of faces, from their points."""

from __future__ import annotations

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme

_NOSE_TIP = 30


def box_sides(points: Floats) -> Floats:
    """Returns the longer side (n,) of each points' box, in pixels."""
    return apply_rule(points_box(points), POINTS_BOX)[1]


def rolls(points: Floats, scheme: LandmarkScheme) -> Floats:
    """Returns the angle (n,) of the line between the outer eye corners, degrees, clockwise."""
    left, right = scheme.outer_eye_corners
    x, y = np.moveaxis(points[:, right] - points[:, left], -1, 0)
    angles: Floats = np.degrees(np.arctan2(y, x))
    return angles


def yaws(points: Floats, scheme: LandmarkScheme) -> Floats | None:
    """Returns the estimated yaw (n,) in degrees, positive towards the image's right.

    Assumes that the tip of the nose is in front of the midpoint of the outer eye corners by half
    their distance: a yaw of a then shifts it sideways by tan(a) of that half, as the camera sees
    it. None for schemes other than ibug68, which name no tip of the nose.
    """
    if scheme != IBUG68:
        return None
    sideways = 2 * upright(points, scheme)[:, _NOSE_TIP, 0]
    angles: Floats = np.degrees(np.arctan(sideways))
    return angles


def mean_face(points: Floats, scheme: LandmarkScheme) -> Floats:
    """Averages upright faces (k, 2)."""
    mean: Floats = upright(points, scheme).mean(axis=0)
    return mean


def upright(points: Floats, scheme: LandmarkScheme) -> Floats:
    """Normalises faces (n, k, 2): outer eye corners at (-0.5, 0) and (0.5, 0)."""
    left, right = scheme.outer_eye_corners
    # As complex numbers: one division rotates and scales.
    complex_points = points[..., 0] + 1j * points[..., 1]
    first, last = complex_points[:, left, None], complex_points[:, right, None]
    normalised = (complex_points - (first + last) / 2) / (last - first)
    return np.stack([normalised.real, normalised.imag], axis=-1).astype(np.float32)
