"""What flows through the pipeline: frames in, faces out.

Images are BGR uint8 (H, W, 3); points are (x, y) in frame pixels, boxes x0, y0, x1, y1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels, check_image
from fkd_infer.geometry.boxes import as_boxes


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source; `time` is exact, in seconds from the source's own zero.

    `image` is BGR (H, W, 3), or gray (H, W) where the source was read so.
    """

    image: Pixels
    source: str
    index: int = 0
    time: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        check_image(self.image, gray=True)

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face: points (n, 2) float32, box (4,) float32 as its detector drew it, in frame pixels.

    `score` is the detector's confidence from 0 to 1; `presence` is the landmark network's: how
    sure it is that it saw a well-framed face, None where it does not say. `id` names the face
    through a video where faces are tracked, and is None elsewhere.
    """

    points: Floats
    box: Floats
    score: float = 1.0
    id: int | None = None
    presence: float | None = None

    def __post_init__(self) -> None:
        as_boxes(self.box[None])
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points are (n, 2), got shape {self.points.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found in a frame: boxes (n, 4) float32 and scores (n,) float32; and, where it
    says so, five points (n, 5, 2) float32: the person's right and left eye, the nose's tip, and
    the right and left corner of the mouth."""

    boxes: Floats
    scores: NDArray[np.float32]
    points: Floats | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, rows: NDArray[np.intp]) -> Detections:
        """The detections of these rows."""
        points = None if self.points is None else self.points[rows]
        return Detections(self.boxes[rows], self.scores[rows], points)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """All detections of one or more parts, in order."""
        points = [part.points for part in parts if part.points is not None]
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate(points) if len(points) == len(parts) else None,
        )


class Prediction(NamedTuple):
    """What a network says of crops: points (n, k, 2) float32, crop pixels, and scores (n,) float32
    from 0 to 1, None where the network has no such output."""

    points: Floats
    scores: Floats | None


@dataclass(frozen=True)
class FrameRange:
    """Which frames of a video are taken: those shown from `start` on and before `end`, in seconds;
    of these every `stride`-th, and `max_frames` at most. The default takes all."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    max_frames: int | None = None
    stride: int = 1

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames that are taken; what comes after them is not read."""
        taken = 0
        number = 0
        for frame in frames:
            if frame.time < self.start:
                continue
            if self.end is not None and frame.time >= self.end:
                return
            if number % self.stride == 0:
                yield frame
                taken += 1
                if taken == self.max_frames:
                    return
            number += 1

    def count(self, frames: int, rate: Fraction | None) -> int:
        """How many of so many frames are taken, at a steady rate."""
        if rate is not None:
            end = frames if self.end is None else min(frames, ceil(self.end * rate))
            frames = max(0, end - ceil(self.start * rate))
        taken = ceil(frames / self.stride)
        return taken if self.max_frames is None else min(taken, self.max_frames)
