"""Generates frames of a face on a known path, with sensor noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Matrix, Pixels
from fkd_infer.types import Frame

WIDTH, HEIGHT, RATE = 1280, 720, 30
SIGMA = 4.0
"""Standard deviation of the noise, in grey levels of each channel."""


@dataclass(frozen=True)
class MotionPath:
    """The motion of a photo: `pan` (x, y) in pixels of the frame, `zoom` as a fraction of its size
    and `roll` in radians are amplitudes of sines with different phases; `period` is in seconds."""

    name: str
    pan: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0
    roll: float = 0.0
    period: float = 4.0
    scale: float = 2.0
    """Frame pixels per photo pixel, without zoom."""

    @property
    def moves(self) -> bool:
        """Whether it moves at all."""
        return any((*self.pan, self.zoom, self.roll))

    def matrix(self, seconds: float, centre: tuple[float, float]) -> Matrix:
        """The transform photo → frame (2, 3) that maps `centre` to the frame's centre at rest."""
        turn = 2 * np.pi * seconds / self.period
        scale = self.scale * (1 + self.zoom * np.sin(turn + 1.1))
        roll = self.roll * np.sin(0.8 * turn + 0.3)
        cos, sin = scale * np.cos(roll), scale * np.sin(roll)
        linear = np.array([[cos, -sin], [sin, cos]])
        pan = np.array([self.pan[0] * np.sin(turn), self.pan[1] * np.sin(0.7 * turn + 0.5)])
        middle = np.array([WIDTH - 1, HEIGHT - 1]) / 2
        return np.column_stack([linear, middle + pan - linear @ np.array(centre)])


@dataclass(frozen=True, eq=False)
class MovingPhoto:
    """Frames of a photo that moves on a path, with noise."""

    photo: Pixels
    centre: tuple[float, float]
    path: MotionPath
    frames: int
    seed: int

    def matrix(self, index: float) -> Matrix:
        """The transform photo → frame at a frame index, which may be fractional."""
        return self.path.matrix(index / RATE, self.centre)

    def __iter__(self) -> Iterator[Frame]:
        """Generates the frames."""
        rng = np.random.default_rng(self.seed)
        for index in range(self.frames):
            clean = cv2.warpAffine(
                self.photo,
                self.matrix(index),
                (WIDTH, HEIGHT),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REPLICATE,
            )
            noise = np.float32(SIGMA) * rng.standard_normal(clean.shape, np.float32)
            noisy = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
            yield Frame(noisy, self.path.name, index, Fraction(index, RATE))
