"""Head pose in degrees from the 68 iBUG points, with the perspective of a camera.

The 3D model is the mean head of `head_model`, which tools/fit_head.py derives from annotated faces.
The camera is an assumption: its focal length is the frame's width (a horizontal view of 53
degrees), and its axis passes through the frame's centre. Angles are relative to that axis:

- yaw is positive if the face looks to the right of the picture;
- pitch is positive if it looks up;
- roll is positive if the head is tilted clockwise, as seen on screen.

In the camera's axes (x right, y down, z away) the head's rotation is Rz(roll) Ry(-yaw) Rx(-pitch),
each by the right-hand rule, so roll is the tilt of the line through the eyes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Floats, Matrix
from fkd_infer.landmarks.head_model import HeadPose, fit_pose, mean_head

_PITCH_OFFSET = np.radians(11.0)
"""In radians. The axes of the mean head follow the line from nose bridge to chin, by which the
median annotated face, looking straight ahead, has a pitch of -11 degrees; here it has 0."""


class PoseAngles(NamedTuple):
    """Rotation of a head, in degrees."""

    yaw: float
    """Positive where the person looks to their left, the right of the picture."""
    pitch: float
    """Positive where the person looks up."""
    roll: float
    """Positive where the head is tilted clockwise in the picture."""


@lru_cache(maxsize=1)
def camera_head() -> Matrix:
    """The mean head (68, 3) in the camera's axes, in units of the outer eye corners' distance."""
    head = mean_head() * (1.0, 1.0, -1.0) @ _about_x(_PITCH_OFFSET).T
    head.flags.writeable = False
    return head


def head_pose(points: Floats, width: int, height: int) -> PoseAngles | None:
    """The pose of a face's points (68, 2) in a frame of width × height pixels.

    None if no head in front of the camera, facing it, has such points.

    Examples:
        >>> import fkd_infer
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> face = fkd_infer.load()(image)[0]
        >>> height, width = image.shape[:2]
        >>> pose = fkd_infer.head_pose(face.points, width, height)
        >>> abs(pose.roll) < 20
        True
    """
    guess = fit_pose(points)
    if guess is None:
        return None
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    camera = np.array([[width, 0, centre[0]], [0, width, centre[1]], [0, 0, 1]], np.float64)
    start_rotation, start_translation = _camera_pose(guess, centre, width)
    points_px = points.astype(np.float64)
    solved, rotation_vector, translation = cv2.solvePnP(
        camera_head(),
        points_px,
        camera,
        None,
        start_rotation,
        start_translation,
        useExtrinsicGuess=True,
    )
    finite = np.isfinite([rotation_vector, translation]).all()
    if not solved or not finite or translation[2, 0] <= 0:
        return None
    rotation = np.asarray(cv2.Rodrigues(rotation_vector)[0], np.float64)
    return _angles(rotation) if rotation[2, 2] > 0 else None


def _camera_pose(pose: HeadPose, centre: Matrix, focal: float) -> tuple[Matrix, Matrix]:
    """Rotation vector and translation (3, 1) that project the head like a pose, at its depth."""
    right, down = pose.rotation / pose.scale * (1.0, 1.0, -1.0) @ _about_x(_PITCH_OFFSET).T
    depth = focal / pose.scale
    translation = np.array([*(pose.centre - centre) / pose.scale, depth])
    rotation = np.array([right, down, np.cross(right, down)])
    return np.asarray(cv2.Rodrigues(rotation)[0], np.float64), translation[:, None]


def _angles(rotation: Matrix) -> PoseAngles:
    """Yaw, pitch and roll of a rotation (3, 3) in the camera's axes."""
    x, y, z = rotation[2]
    yaw = np.arctan2(x, np.hypot(y, z))
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return PoseAngles(*np.degrees([yaw, -np.arctan2(y, z), roll]).tolist())


def _about_x(angle: float) -> Matrix:
    """The rotation (3, 3) by `angle`, in radians, about the axis to the right."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
