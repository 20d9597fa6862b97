"""A sheet that shows filters as people will meet them: tilted, small, and cut by a border."""

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
"""Pixels of a picture's side."""
_UNIT = 58.0
"""Pixels between the outer eye corners."""
_MIDDLE = (0.0, -0.3)
"""Where in the tile's middle a head lies, in its units."""
_ANGLES = (0.0, -40.0, 40.0)
_SMALL = 0.3
_CUT = ((0.0, -1.05), (1.6, 0.0), (0.0, 1.2), (-1.6, 0.0))
"""How far a face is pushed across each border, in units of the head."""


def sample_portrait() -> Pixels:
    """NASA's portrait of Eileen Collins, BGR, which scikit-image ships."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]


def draw_preview_sheet(photo: Pixels, faces: Sequence[Face], filters: Sequence[Filter]) -> Pixels:
    """A row of tiles for each filter, on the first face; raises NoFaceError without one."""
    pose = fit_pose(faces[0].points) if faces else None
    if pose is None:
        raise NoFaceError("the photo for a sheet")
    views = _views(pose)
    return np.vstack([_row(photo, faces[0], views, one) for one in filters])


def _row(photo: Pixels, face: Face, views: Sequence[Matrix], one: Filter) -> Pixels:
    tiles = []
    for view in views:
        flags, border = cv2.INTER_AREA, cv2.BORDER_REPLICATE
        tile = cv2.warpAffine(photo, view, (TILE, TILE), flags=flags, borderMode=border)
        seen = np.asarray(tile, np.uint8)
        one.draw(seen, [replace(face, points=transform(face.points, view))])
        tiles.append(seen)
    return np.hstack(tiles)


def _views(pose: HeadPose) -> list[Matrix]:
    """The matrices (2, 3) from the photo to each tile."""
    tilted = [_view(pose, angle, 1.0, (0.0, 0.0)) for angle in _ANGLES]
    small = _view(pose, 0.0, _SMALL, (0.0, 0.0))
    return [*tilted, small, *(_view(pose, 0.0, 1.0, push) for push in _CUT)]


def _view(pose: HeadPose, angle: float, size: float, push: tuple[float, float]) -> Matrix:
    """The photo turned by an angle in degrees, its head in the tile's middle but for a push."""
    scale = size * _UNIT / pose.scale
    turn = np.radians(angle)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = (TILE - 1) / 2 + _UNIT * (np.array(push) - _MIDDLE)
    return np.column_stack([linear, middle - linear @ pose.centre])
