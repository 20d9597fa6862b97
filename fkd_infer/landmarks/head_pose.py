"""Head pose in degrees from the 68 iBUG points, with a camera's perspective.

The 3D model is the mean head of `headpose`, which tools/fit_head.py derives from annotated faces.
The camera is assumed: its focal length is the frame's width (a horizontal view of 53 degrees), its
axis goes through the frame's centre. Angles are relative to that axis:

- yaw is positive where the face looks to the right of the picture;
- pitch is positive where it looks up;
- roll is positive where the head is tilted clockwise in the picture, as seen on screen.

In the camera's axes (x right, y down, z away) the head's rotation is Rz(roll) Ry(-yaw) Rx(-pitch),
each by the right-hand rule, so roll alone is the tilt of the line through the eyes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix
from fkd_infer.landmarks.head_model import HeadPose, fit_pose, mean_head

_NOD = np.radians(11.0)
"""The mean head's axes stand on the line from nose bridge to chin. The median annotated face, which
looks straight ahead, has a pitch of -11 degrees by them; here it shall have 0."""


class Pose(NamedTuple):
    """How a head is turned, in degrees."""

    yaw: float
    pitch: float
    roll: float


@lru_cache(maxsize=1)
def head_model() -> Matrix:
    """The head (68, 3) in axes as the camera's, in units of the outer eye corners' distance."""
    head = mean_head() * (1.0, 1.0, -1.0) @ _about_x(_NOD).T
    head.flags.writeable = False
    return head


def head_pose(points: Floats, width: int, height: int) -> Pose | None:
    """The pose of a face's points (68, 2) in a frame of width × height pixels.

    None where no head in front of the camera, with its face to it, has such points.
    """
    guess = fit_pose(points)
    if guess is None:
        return None
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    camera = np.array([[width, 0, centre[0]], [0, width, centre[1]], [0, 0, 1]], np.float64)
    first_turn, first_place = _from_afar(guess, centre, width)
    seen = points.astype(np.float64)
    found, turn, place = cv2.solvePnP(
        head_model(), seen, camera, None, first_turn, first_place, useExtrinsicGuess=True
    )
    if not found or not np.isfinite([turn, place]).all() or place[2, 0] <= 0:
        return None
    rotation = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
    return _angles(rotation) if rotation[2, 2] > 0 else None


def _from_afar(guess: HeadPose, centre: Matrix, focal: float) -> tuple[Matrix, Matrix]:
    """Rotation vector and place (3, 1) that see the head as `guess`, which has no perspective."""
    right, down = guess.turn / guess.scale * (1.0, 1.0, -1.0) @ _about_x(_NOD).T
    depth = focal / guess.scale
    place = np.array([*(guess.centre - centre) / guess.scale, depth])
    turn = np.asarray(cv2.Rodrigues(np.array([right, down, np.cross(right, down)]))[0], np.float64)
    return turn, place[:, None]


def _angles(rotation: Matrix) -> Pose:
    """Yaw, pitch and roll of a rotation (3, 3) in the camera's axes."""
    x, y, z = rotation[2]
    yaw = np.arctan2(x, np.hypot(y, z))
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return Pose(*np.degrees([yaw, -np.arctan2(y, z), roll]).tolist())


def _about_x(angle: float) -> Matrix:
    """The rotation (3, 3) by `angle`, in radians, about the axis to the right."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
