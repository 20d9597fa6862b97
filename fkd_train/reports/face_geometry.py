"""What the points of faces tell without their pixels: size, roll, yaw, and the mean face."""

from __future__ import annotations

import numpy as np

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import apply_rule, points_box
from fkd_infer.geometry.rules import POINTS_BOX
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme

_NOSE_TIP = 30


def box_sides(points: Floats) -> Floats:
    """The longer side (n,) of each face's points' box, in pixels."""
    return apply_rule(points_box(points), POINTS_BOX)[1]


def rolls(points: Floats, scheme: LandmarkScheme) -> Floats:
    """The angle (n,) of the line between the outer eye corners, degrees, clockwise on screen."""
    left, right = scheme.outer_eye_corners
    x, y = np.moveaxis(points[:, right] - points[:, left], -1, 0)
    angles: Floats = np.degrees(np.arctan2(y, x))
    return angles


def yaws(points: Floats, scheme: LandmarkScheme) -> Floats | None:
    """An estimate (n,) of how far faces are turned, degrees, positive to the image's right.

    As if the nose's tip stood half the distance of the outer eye corners in front of the middle
    between them: turned by an angle a, it then moves sideways by tan(a) of half that distance as
    the camera sees it. None for schemes other than ibug68, whose nose's tip is not known.
    """
    if scheme != IBUG68:
        return None
    sideways = 2 * upright(points, scheme)[:, _NOSE_TIP, 0]
    angles: Floats = np.degrees(np.arctan(sideways))
    return angles


def mean_face(points: Floats, scheme: LandmarkScheme) -> Floats:
    """The mean (k, 2) of upright faces."""
    mean: Floats = upright(points, scheme).mean(axis=0)
    return mean


def upright(points: Floats, scheme: LandmarkScheme) -> Floats:
    """Faces (n, k, 2) with their outer eye corners on (-0.5, 0) and (0.5, 0)."""
    left, right = scheme.outer_eye_corners
    # As complex numbers, so that one division turns and scales.
    places = points[..., 0] + 1j * points[..., 1]
    first, last = places[:, left, None], places[:, right, None]
    moved = (places - (first + last) / 2) / (last - first)
    return np.stack([moved.real, moved.imag], axis=-1).astype(np.float32)
