"""The state of one tracked face."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.tracking.association import centres, squares
from fkd_infer.tracking.pattern import Pattern
from fkd_infer.tracking.scene_change import Cells, are_alike, face_cells
from fkd_infer.types import Face, Frame

SPEED_SECONDS = 0.05
"""Time constant of the low-pass of a face's speed."""
MAX_EXTRAPOLATION = 0.2
"""Seconds for which a face is assumed to keep its speed."""
MAX_PREDICTED = Fraction(3, 10)
"""Seconds since its points were last placed for which a face is predicted, at most."""


@dataclass(eq=False)
class Track:
    """A face that is tracked, or was lost a short while ago.

    `box` is the tight square (4,) of its last points, `time` that of the frame they are in.
    `first` and `observed` are the times of the frames in which points were placed first since the
    face was found, and last; a face whose points were only moved since is `predicted`. `presence`
    is NaN if the network has no score. `speed` is in pixels per second. `misses` counts the
    searches in a row that did not detect the face. `tilt` is how far it is turned, in degrees
    clockwise; it counts only if `any_roll` faces are searched for. `spread` (k,) is as in Face.
    `cells` is the face's thumbnail in the frame `observed`, `cut` whether a new shot began since,
    and `pattern` its picture in the frame of `time`.
    """

    id: int
    points: Floats
    box: Floats
    score: float
    presence: float
    time: Fraction
    first: Fraction
    observed: Fraction
    speed: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    misses: int = 0
    lost: bool = False
    predicted: bool = False
    any_roll: bool = False
    tilt: float = 0.0
    spread: Floats | None = None
    cells: Cells | None = None
    cut: bool = False
    pattern: Pattern | None = None

    @classmethod
    def start(cls, number: int, face: Face, time: Fraction, any_roll: bool = False) -> Track:
        """A track of a face that was detected for the first time."""
        box = squares(face.points[None])[0]
        track = cls(number, face.points, box, face.score, _presence(face), time, time, time)
        track.any_roll, track.tilt, track.spread = any_roll, face.roll, face.spread
        return track

    @property
    def roll(self) -> float:
        """By how many degrees the frame has to be turned for an upright face: a quarter's."""
        return 90.0 * (round(self.tilt / 90) % 4) if self.any_roll else 0.0

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Of two tracks on one face, the one of lower rank stays: a seen one, then the older."""
        return self.lost, self.predicted, self.id

    def box_at(self, time: Fraction) -> Floats:
        """The box (4,) moved on by the face's speed."""
        seconds = min(float(time - self.time), MAX_EXTRAPOLATION)
        return self.box + np.tile(self.speed * seconds, 2).astype(np.float32)

    def move(
        self,
        points: Floats,
        box: Floats,
        presence: float,
        time: Fraction,
        spread: Floats | None = None,
    ) -> None:
        """Continues with the points of a later frame, and the tight square (4,) around them."""
        self.tilt += _rotation(self.points, points)
        if self.lost:
            self.first = time
        self._shift_to(box, time)
        self.points, self.presence, self.spread = points, presence, spread
        self.observed, self.lost, self.predicted = time, False, False

    def find(self, image: Pixels, time: Fraction) -> Floats | None:
        """The box (4,) around its picture in the next frame, at `time`; None if it is not there."""
        if self.pattern is None or self.cut:
            return None
        return self.pattern.find(image, self.box_at(time))

    def is_predictable(self, time: Fraction) -> bool:
        """Whether its points may be moved on to a frame where none can be placed.

        A face is not predicted for longer than it was seen before, so that false detections, which
        the network accepts in one frame and rejects in the next, do not stay.
        """
        return time - self.observed <= min(MAX_PREDICTED, self.observed - self.first)

    def predict(self, box: Floats, time: Fraction) -> None:
        """Continues with its points moved to the box (4,) of a later frame."""
        self.points = self.points + (centres(box) - centres(self.box))
        self._shift_to(box, time)
        self.predicted = True

    def _shift_to(self, box: Floats, time: Fraction) -> None:
        seconds = float(time - self.time)
        if self.lost:
            self.speed = np.zeros(2)
        elif seconds > 0:
            speed = (centres(box) - centres(self.box)) / seconds
            self.speed = self.speed + (speed - self.speed) * seconds / (SPEED_SECONDS + seconds)
        self.box, self.time = box, time

    def may_be(self, cells: Cells) -> bool:
        """Whether a face that looks like this may be the same; within a shot its place decides."""
        return not self.cut or self.cells is None or are_alike(self.cells, cells)

    def is_another(self, frame: Frame, box: Floats) -> bool:
        """Whether what the network sees where the face was lost, in a box (4,), looks different."""
        if not self.lost or self.cells is None:
            return False
        return not are_alike(self.cells, face_cells(frame.image, box))

    def recover(self, face: Face, time: Fraction) -> None:
        """Continues with a detected face, wherever it is."""
        self.lost = True  # so that the leap does not count as speed
        box = squares(face.points[None])[0]
        self.move(face.points, box, _presence(face), time, face.spread)
        self.score, self.misses, self.tilt = face.score, 0, face.roll

    def to_face(self) -> Face:
        """The face as it is now."""
        seen = not self.predicted
        presence = self.presence if seen and not np.isnan(self.presence) else None
        spread = self.spread if seen else None
        return Face(
            self.points, self.box, self.score, self.id, presence, self.roll, spread, self.predicted
        )


def _rotation(before: Floats, after: Floats) -> float:
    """The angle, in degrees clockwise, that turns points (k, 2) most nearly to others."""
    one, other = (points - points.mean(axis=0) for points in (before, after))
    x, y = (one * other).sum(), (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]).sum()
    return float(np.degrees(np.arctan2(y, x)))


def _presence(face: Face) -> float:
    return np.nan if face.presence is None else face.presence
