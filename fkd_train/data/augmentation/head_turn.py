"""Turns a face in its picture sideways, as if the head were an upright cylinder.

Far more faces look at the camera than past it; this shows the network more of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.data.augmentation.photometric import with_shape_of

_RADIUS = 0.58
"""Radius of the cylinder relative to the extent of the points across the face."""
_EDGES = np.array([-np.pi / 2, np.pi / 2])
"""Angles of the left and right edge of the visible half of the cylinder."""


@dataclass(frozen=True)
class HeadTurn:
    """A turn by `angle` (radians) about the axis of a cylinder.

    `across` (2,) is the direction across the face; along it, the axis is at `middle` and the
    cylinder has `radius`, in pixels.
    """

    across: NDArray[np.float64]
    middle: float
    radius: float
    angle: float

    @classmethod
    def of(cls, points: Floats, eye_corners: Floats, angle: float) -> HeadTurn:
        """The turn of a face with points (n, 2) and outer eye corners (2, 2); a positive angle
        turns the nose towards the second corner."""
        across = (eye_corners[1] - eye_corners[0]).astype(np.float64)
        across /= max(float(np.linalg.norm(across)), 1e-6)
        places = points @ across
        extent = max(float(np.ptp(places)), 1.0)
        return cls(across, float(places.max() + places.min()) / 2, _RADIUS * extent, angle)

    def moved(self, points: Floats) -> Floats:
        """The points (n, 2) after the turn.

        Those that would turn out of sight stay at the visible edge, where 300-W has them.
        """
        offsets = points @ self.across - self.middle
        angles = np.arcsin(np.clip(offsets / self.radius, -1, 1)) + self.angle
        shifts = self.radius * np.sin(np.clip(angles, *_EDGES)) - offsets
        moved: Floats = (points + shifts[:, None] * self.across).astype(np.float32)
        return moved

    def turned(self, pixels: Pixels, margin: int) -> Pixels:
        """The picture (S, S, C) after the turn, without a margin of so many pixels on each side."""
        y, x = np.mgrid[margin : len(pixels) - margin, margin : len(pixels) - margin]
        offsets = x * self.across[0] + y * self.across[1] - self.middle
        angles = np.arcsin(np.clip(offsets / self.radius, -1, 1)) - self.angle
        sources = self.radius * np.sin(np.clip(angles, *_EDGES))
        # Beside the head, the picture moves with the edge that it touches.
        sources += offsets - np.clip(offsets, -self.radius, self.radius)
        shifts = sources - offsets
        maps = (x + shifts * self.across[0], y + shifts * self.across[1])
        x_map, y_map = (values.astype(np.float32) for values in maps)
        turned = cv2.remap(pixels, x_map, y_map, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return with_shape_of(pixels[: len(x), : len(x)], turned)
