"""The annotated faces of an image, on which detectors are trained and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.boxes import points_box

FACE, IGNORED = 1, 2
"""Kinds of boxes: a face to detect; and a region that counts neither as face nor as background."""
EYES_NOSE_MOUTH = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))
"""Ranges of the 68 points whose means are the five points: right eye, left eye, tip of the nose,
right and left corner of the mouth. Right and left are the person's."""


@dataclass(frozen=True)
class GroundTruth:
    """Boxes (n, 4) tight around the 68 points, five points (n, 5, 2) of each face, in pixels, and
    kinds (n,). The points of ignored boxes are meaningless."""

    boxes: Floats
    points: Floats
    kinds: NDArray[np.int64]

    @classmethod
    def of(cls, points: Floats, ignored: Floats | None = None) -> GroundTruth:
        """Faces with 68 points each (n, 68, 2), and boxes (k, 4) to be ignored."""
        others = np.empty((0, 4), np.float32) if ignored is None else ignored
        boxes = np.concatenate([points_box(points), others.astype(np.float32)])
        five = np.concatenate([five_points(points), np.zeros((len(others), 5, 2), np.float32)])
        return cls(boxes, five, np.repeat([FACE, IGNORED], [len(points), len(others)]))

    @classmethod
    def joined(cls, parts: Sequence[GroundTruth]) -> GroundTruth:
        """Concatenates the faces of several parts of an image."""
        if not parts:
            return cls.of(np.empty((0, 68, 2), np.float32))
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.kinds for part in parts]),
        )

    def shifted(self, left: int, top: int) -> GroundTruth:
        """Moves all coordinates right and down by whole pixels."""
        corner = np.array([left, top], np.float32)
        return GroundTruth(self.boxes + np.tile(corner, 2), self.points + corner, self.kinds)

    def ignored(self) -> GroundTruth:
        """The same boxes, none of which counts as a face."""
        return GroundTruth(self.boxes, self.points, np.full_like(self.kinds, IGNORED))

    def __len__(self) -> int:
        return len(self.boxes)


def five_points(points: Floats) -> Floats:
    """Eyes, nose and mouth corners (..., 5, 2) from 68 points (..., 68, 2)."""
    means = [points[..., first:end, :].mean(axis=-2) for first, end in EYES_NOSE_MOUTH]
    return np.stack(means, axis=-2).astype(np.float32)
