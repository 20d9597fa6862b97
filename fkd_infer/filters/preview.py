"""A sheet that shows filters as they appear in use: tilted, small, and cut by a border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from fkd_infer.errors import NoFaceError
from fkd_infer.filters.filter import Filter
from fkd_infer.geometry.arrays import Matrix, Pixels
from fkd_infer.geometry.transforms import transform
from fkd_infer.landmarks.head_model import HeadPose, fit_pose
from fkd_infer.types import Face

TILE = 240
"""Side of a tile, in pixels."""
_UNIT = 58.0
"""Pixels in a unit of the head: the distance of the outer eye corners."""
_CENTRE = (0.0, -0.3)
"""The point of the head in the tile's centre, in units of the head."""
_ANGLES = (0.0, -40.0, 40.0)
_SMALL = 0.3
_CUTS = ((0.0, -1.05), (1.6, 0.0), (0.0, 1.2), (-1.6, 0.0))
"""Shifts across each border, in units of the head."""


def sample_portrait() -> Pixels:
    """NASA's portrait of Eileen Collins, BGR, which scikit-image ships."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]


def draw_preview_sheet(photo: Pixels, faces: Sequence[Face], filters: Sequence[Filter]) -> Pixels:
    """Draws a row of tiles for each filter, of the first face; raises NoFaceError without one."""
    pose = fit_pose(faces[0].points) if faces else None
    if pose is None:
        raise NoFaceError("the photo for a sheet")
    views = _views(pose)
    return np.vstack([_row(photo, faces[0], views, drawn) for drawn in filters])


def _row(photo: Pixels, face: Face, views: Sequence[Matrix], drawn: Filter) -> Pixels:
    tiles = []
    for view in views:
        flags, border = cv2.INTER_AREA, cv2.BORDER_REPLICATE
        warped = cv2.warpAffine(photo, view, (TILE, TILE), flags=flags, borderMode=border)
        tile = np.asarray(warped, np.uint8)
        drawn.draw(tile, [replace(face, points=transform(face.points, view))])
        tiles.append(tile)
    return np.hstack(tiles)


def _views(pose: HeadPose) -> list[Matrix]:
    """The matrices (2, 3) from the photo to each tile."""
    tilted = [_view(pose, angle, 1.0, (0.0, 0.0)) for angle in _ANGLES]
    small = _view(pose, 0.0, _SMALL, (0.0, 0.0))
    return [*tilted, small, *(_view(pose, 0.0, 1.0, shift) for shift in _CUTS)]


def _view(pose: HeadPose, angle: float, size: float, shift: tuple[float, float]) -> Matrix:
    """Rotates the photo by an angle in degrees and centres the head in the tile, plus a shift."""
    scale = size * _UNIT / pose.scale
    radians = np.radians(angle)
    cos, sin = scale * np.cos(radians), scale * np.sin(radians)
    linear = np.array([[cos, -sin], [sin, cos]])
    target = (TILE - 1) / 2 + _UNIT * (np.array(shift) - _CENTRE)
    return np.column_stack([linear, target - linear @ pose.centre])
