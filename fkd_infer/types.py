"""The data that passes through the pipeline: frames, detections, faces.

Images are BGR uint8 (H, W, 3); points are (x, y) in frame pixels, boxes x0, y0, x1, y1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.image_canvas import ImageCanvas
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image, check_image
from fkd_infer.geometry.boxes import as_boxes
from fkd_infer.system.arguments import AtLeastOne, check_fields


class StoredPicture(Protocol):
    """A picture in the form in which its source stores it."""

    def canvas(self) -> Canvas:
        """What draws on it in place."""
        ...

    def bgr(self) -> Pixels:
        """It as players show it, (H, W, 3)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An image of a source; `time` is exact, in seconds from the source's start.

    `image` is BGR (H, W, 3), or gray (H, W) if the source was read in gray. `stored` is the same
    picture as a video stores it, if it was asked for.
    """

    image: Pixels
    source: str
    index: int = 0
    time: Fraction = Fraction(0)
    stored: StoredPicture | None = None

    def __post_init__(self) -> None:
        check_image(self.image, gray=True)

    def canvas(self) -> Canvas:
        """What draws on the stored picture, if there is one, or on the image."""
        return ImageCanvas(self.image) if self.stored is None else self.stored.canvas()

    def bgr(self) -> Pixels:
        """The picture (H, W, 3), with what was drawn on it."""
        return bgr_image(self.image) if self.stored is None else self.stored.bgr()

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face: points (n, 2) float32 and box (4,) float32 as the detector draws it, in frame pixels.

    `score` is the detector's confidence from 0 to 1; `presence` the landmark network's confidence
    that it saw a well-framed face, None if the network has no score. `id` identifies the face in
    a video if faces are tracked, and is None otherwise. `roll` is how far the image was turned to
    find the face, in degrees clockwise: 0 except for searches with the roll "any". `spread` (n,)
    float32 is the error that the landmark network expects of each point, in frame pixels; None if
    the network does not estimate it. If a face is `predicted`, its points were not placed in this
    frame, but are those of others, moved to where it should be; it has no presence and no spread.
    """

    points: Floats
    box: Floats
    score: float = 1.0
    id: int | None = None
    presence: float | None = None
    roll: float = 0.0
    spread: Floats | None = None
    predicted: bool = False

    def __post_init__(self) -> None:
        as_boxes(self.box[None])
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points are (n, 2), got shape {self.points.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The result of a detector: boxes (n, 4) float32 and scores (n,) float32.

    Some detectors add five points (n, 5, 2) float32: the person's right and left eye, the tip of
    the nose, and the right and left corner of the mouth. `rolls` (n,) are the degrees, clockwise,
    by which faces are turned, at least roughly; None: all are upright.
    """

    boxes: Floats
    scores: NDArray[np.float32]
    points: Floats | None = None
    rolls: Floats | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, rows: NDArray[np.intp]) -> Detections:
        """The detections of these rows."""
        points = None if self.points is None else self.points[rows]
        rolls = None if self.rolls is None else self.rolls[rows]
        return Detections(self.boxes[rows], self.scores[rows], points, rolls)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """All detections of one or more parts, in order."""
        points = [part.points for part in parts if part.points is not None]
        turned = any(part.rolls is not None for part in parts)
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate(points) if len(points) == len(parts) else None,
            np.concatenate([part.known_rolls() for part in parts]) if turned else None,
        )

    def known_rolls(self) -> Floats:
        """The rolls (n,), 0 for upright faces."""
        return np.zeros(len(self), np.float32) if self.rolls is None else self.rolls


class Prediction(NamedTuple):
    """The output of a landmark network for n crops: points (n, k, 2) float32 in crop pixels, scores
    (n,) float32 from 0 to 1, and spreads (n, k) float32 in crop pixels; None for outputs that the
    network does not have."""

    points: Floats
    scores: Floats | None = None
    spreads: Floats | None = None

    def first(self, count: int) -> Prediction:
        """The outputs for the first crops."""
        scores = None if self.scores is None else self.scores[:count]
        spreads = None if self.spreads is None else self.spreads[:count]
        return Prediction(self.points[:count], scores, spreads)

    @classmethod
    def concatenate(cls, parts: Sequence[Prediction]) -> Prediction:
        """The predictions of one or more batches of one network, in order."""
        scores = [part.scores for part in parts if part.scores is not None]
        spreads = [part.spreads for part in parts if part.spreads is not None]
        return cls(
            np.concatenate([part.points for part in parts]),
            np.concatenate(scores) if scores else None,
            np.concatenate(spreads) if spreads else None,
        )


@dataclass(frozen=True)
class FrameRange:
    """Selects frames of a video: every `stride`-th of those from `start` on and before `end`, in
    seconds, and `max_frames` at most. The default selects all frames. Raises SettingsError."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    max_frames: AtLeastOne | None = None
    stride: AtLeastOne = 1

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yields the selected frames, and stops reading after the last."""
        selected = 0
        number = 0
        for frame in frames:
            if self.start > 0 and frame.time < self.start:
                continue  # times before 0 are part of the whole
            if self.end is not None and frame.time >= self.end:
                return
            if number % self.stride == 0:
                yield frame
                selected += 1
                if selected == self.max_frames:
                    return
            number += 1

    def count(self, frames: int, rate: Fraction | None) -> int:
        """The number of selected frames, out of `frames` at a constant rate."""
        if rate is not None:
            end = frames if self.end is None else min(frames, ceil(self.end * rate))
            frames = max(0, end - ceil(self.start * rate))
        selected = ceil(frames / self.stride)
        return selected if self.max_frames is None else min(selected, self.max_frames)


@dataclass(frozen=True)
class ReadSettings:
    """How the frames of videos are read.

    With `gray`, their images are gray (H, W), which is quicker. With `stored`, they also have the
    picture as the video stores it, to be drawn on. Animations and cameras have none, and are then
    read in colour. `deinterlace` makes whole pictures of interlaced ones, `sdr` brings HDR to SDR,
    and `strict` ends a video at its first damage. Raises SettingsError.
    """

    gray: bool = False
    stored: bool = False
    deinterlace: bool = False
    sdr: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
