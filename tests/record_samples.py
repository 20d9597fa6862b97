"""A frame, faces and a scheme of two points, for tests of record formats."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec

import numpy as np

from fkd_infer.choices import EXTRAS
from fkd_infer.formats.registry import BUILT_IN
from fkd_infer.landmarks.head_pose import camera_head
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.types import Face, Frame

FRAME = Frame(np.zeros((48, 64, 3), np.uint8), "trip/Zoë.mp4", 3, Fraction(1001, 10000))
LARGE_FRAME = Frame(np.zeros((480, 640, 3), np.uint8), "a.png")
TWO = LandmarkScheme("two", 2, {"eyes": (0, 1)}, ((0, 1),), (0, 1))
INSTALLED = [row for row in BUILT_IN if row.name != "parquet" or find_spec("pyarrow")]
"""Formats whose packages are installed."""
ALL_EXTRAS = frozenset(EXTRAS)
CLOSED = Face(np.full((68, 2), 9, np.float32), np.array([1, 2, 30, 40], np.float32))
"""A face whose points are all in one place, so that it has no extras."""


def face(face_id: int | None = None, count: int = 68) -> Face:
    """Returns a face whose numbers have to be rounded."""
    points = np.arange(2 * count, dtype=np.float32).reshape(count, 2) + np.float32(0.126)
    box = np.array([1, 2, 30.333, 40.999], np.float32)
    return Face(points, box, score=0.98765, id=face_id, presence=face_id and 0.12345)


def frontal_face() -> Face:
    """Returns a head in LARGE_FRAME that looks straight ahead, from far away."""
    points = (100 * camera_head()[:, :2] + (320, 240)).astype(np.float32)
    spread = (np.arange(68) / 8).astype(np.float32)
    return Face(points, np.array([1, 2, 30, 40], np.float32), spread=spread)
