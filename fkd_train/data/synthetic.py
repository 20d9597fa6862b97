"""Drawn faces with exact points, for checks without a data set."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.transforms import similarity, transform
from fkd_infer.landmarks.schemes import IBUG68


def face_shape(opened: float = 1.0) -> Floats:
    """A frontal face (68, 2) in a box of about 1 × 1 around (0, 0); `opened` is how far its eyes
    are, 0 for closed ones."""
    nose_base = [(-0.10, 0.14), (-0.05, 0.16), (0.0, 0.17), (0.05, 0.16), (0.10, 0.14)]
    bridge = [(0.0, -0.18), (0.0, -0.09), (0.0, 0.0), (0.0, 0.09)]
    parts = [
        _arc((0.0, -0.12), (0.5, 0.62), 180, 0, 17),
        _arc((-0.24, -0.24), (0.16, 0.09), 190, 350, 5),
        _arc((0.24, -0.24), (0.16, 0.09), 190, 350, 5),
        np.array(bridge, np.float32),
        np.array(nose_base, np.float32),
        _ellipse((-0.22, -0.16), (0.09, 0.04 * opened), 6),
        _ellipse((0.22, -0.16), (0.09, 0.04 * opened), 6),
        _ellipse((0.0, 0.30), (0.18, 0.08), 12),
        _ellipse((0.0, 0.30), (0.14, 0.03), 8),
    ]
    return np.concatenate(parts).astype(np.float32)


def draw_face(
    size: int, rng: np.random.Generator, opened: float = 1.0
) -> tuple[NDArray[np.uint8], Floats]:
    """A gray image (size, size) of a face in a random pose, with its points (68, 2)."""
    side = size * rng.uniform(1.3, 1.7)
    pose = similarity(rng.uniform(-0.05, 0.05, 2), side / size, size, rng.normal(0, 0.15))
    points = transform(face_shape(opened) * rng.uniform(0.9, 1.1, 2), pose)
    skin, dark = int(rng.integers(140, 220)), int(rng.integers(20, 90))
    image = np.full((size, size), rng.integers(30, 120), np.uint8)
    outline = np.concatenate([points[:17], points[26:16:-1]])
    cv2.fillPoly(image, [_fixed_point(outline)], skin, cv2.LINE_AA, 4)
    for name, group in IBUG68.groups.items():
        line, closed = _fixed_point(points[list(group)]), name in IBUG68.closed
        cv2.polylines(image, [line], closed, dark, max(1, size // 60), cv2.LINE_AA, 4)
    noise = rng.normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), points


def _arc(
    centre: tuple[float, float], radii: tuple[float, float], start: float, end: float, count: int
) -> Floats:
    """Points (count, 2) along an ellipse; degrees, clockwise on screen from the right."""
    angles = np.radians(np.linspace(start, end, count))
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    arc: Floats = (np.array(centre) + np.array(radii) * circle).astype(np.float32)
    return arc


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], count: int) -> Floats:
    """Points (count, 2) around an ellipse, clockwise from its left end."""
    return _arc(centre, radii, 180, 540 - 360 / count, count)


def _fixed_point(points: Floats) -> NDArray[np.int32]:
    """Coordinates with 4 fractional bits, as OpenCV's drawing functions read them."""
    return np.rint(points * 16).astype(np.int32)
