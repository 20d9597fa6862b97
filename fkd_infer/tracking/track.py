"""The state of one tracked face."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.tracking.association import centres, squares
from fkd_infer.types import Face

SPEED_SECONDS = 0.05
"""Time constant of the low-pass of a face's speed."""
MAX_EXTRAPOLATION = 0.2
"""Seconds for which a face is assumed to keep its speed."""


@dataclass(eq=False)
class Track:
    """A face that is tracked, or was lost a short while ago.

    `box` is the tight square (4,) of its last points, `time` that of the frame they were placed in;
    `presence` is NaN if the network has no score. `speed` is in pixels per second. `misses` counts
    the searches in a row that did not detect the face.
    """

    id: int
    points: Floats
    box: Floats
    score: float
    presence: float
    time: Fraction
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    misses: int = 0
    lost: bool = False

    @classmethod
    def start(cls, number: int, face: Face, time: Fraction) -> Track:
        """A track of a face that was detected for the first time."""
        box = squares(face.points[None])[0]
        return cls(number, face.points, box, face.score, _presence(face), time)

    def box_at(self, time: Fraction) -> Floats:
        """The box (4,) moved on by the face's speed."""
        seconds = min(float(time - self.time), MAX_EXTRAPOLATION)
        return self.box + np.tile(self.speed * seconds, 2).astype(np.float32)

    def move(self, points: Floats, presence: float, time: Fraction) -> None:
        """Continues with the points of a later frame."""
        box = squares(points[None])[0]
        seconds = float(time - self.time)
        if self.lost:
            self.speed = np.zeros(2)
        elif seconds > 0:
            speed = (centres(box) - centres(self.box)) / seconds
            self.speed = self.speed + (speed - self.speed) * seconds / (SPEED_SECONDS + seconds)
        self.points, self.box, self.presence = points, box, presence
        self.time, self.lost = time, False

    def recover(self, face: Face, time: Fraction) -> None:
        """Continues with a detected face, wherever it is."""
        self.lost = True  # so that the leap does not count as speed
        self.move(face.points, _presence(face), time)
        self.score, self.misses = face.score, 0

    def to_face(self) -> Face:
        """The face as it is now."""
        presence = None if np.isnan(self.presence) else self.presence
        return Face(self.points, self.box, self.score, self.id, presence)


def _presence(face: Face) -> float:
    return np.nan if face.presence is None else face.presence
