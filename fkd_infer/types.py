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
    """An image of a source. Raises InvalidImageError for an array that is none.

    Examples:
        >>> import fkd_infer
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> frame = fkd_infer.Frame(image, "photo.jpg")
        >>> frame.width, frame.height, frame.time
        (512, 512, Fraction(0, 1))
    """

    image: Pixels
    """What was read: BGR uint8 (H, W, 3), or gray (H, W) if the source was read in gray. It shows
    nothing of what is drawn on `stored`."""
    source: str
    """The source's name, for records."""
    index: int = 0
    """The number of the frame, from 0 on."""
    time: Fraction = Fraction(0)
    """When it is shown, exact, in seconds from the source's start."""
    stored: StoredPicture | None = None
    """The same picture as a video stores it, if `ReadSettings.stored` asked for it."""

    def __post_init__(self) -> None:
        check_image(self.image, gray=True)

    def canvas(self) -> Canvas:
        """What draws on the stored picture, if there is one, or on the image.

        Filters draw on it: `filters.draw(frame.canvas(), faces)`.
        """
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
    """A face in an image or a frame. Raises InvalidBoxError, and ValueError for other points.

    Examples:
        >>> import fkd_infer
        >>> (face,) = fkd_infer.load()(fkd_infer.read_image("photo.jpg"))
        >>> face.points.shape, face.box.shape
        ((68, 2), (4,))
        >>> right_corner, left_corner = face.points[[36, 45]]  # outer corners of the eyes
        >>> bool(right_corner[0] < left_corner[0])  # the person's right is on the left
        True
        >>> face.presence > 0.9, face.id, face.predicted
        (True, None, False)
    """

    points: Floats
    """Points (n, 2) float32, x and y in pixels of the image, in the order of the network's scheme:
    68 in iBUG's order from the shipped networks. Right and left are the person's."""
    box: Floats
    """The box (4,) float32 as the detector draws it: x0, y0, x1, y1 in pixels of the image."""
    score: float = 1.0
    """The detector's confidence, from 0 to 1."""
    id: int | None = None
    """Identifies the face in a video, from 1 on; None if faces are not tracked."""
    presence: float | None = None
    """How good the landmark network expects the points to be, from 0 to 1: below 0.5 there is no
    face, or they are off by more than 15 % of the distance of the eyes. None if the network has no
    such score."""
    roll: float = 0.0
    """How far the image was turned to find the face, in degrees clockwise: 0, or a multiple of 90
    from searches with the roll "any"."""
    spread: Floats | None = None
    """The error (n,) float32 that the network expects of each point, in pixels of the image; None
    if it does not estimate it."""
    predicted: bool = False
    """Whether the points were not placed in this frame of a video, but are those of others, moved
    to where the face should be. It then has no presence and no spread."""

    def __post_init__(self) -> None:
        as_boxes(self.box[None])
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points are (n, 2), got shape {self.points.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The result of a detector for one image, of n faces.

    Examples:
        >>> import fkd_infer
        >>> detector = fkd_infer.load().detector
        >>> found = detector(fkd_infer.read_image("photo.jpg"))
        >>> found.boxes[0].shape, found.scores.dtype  # the best one first
        ((4,), dtype('float32'))
    """

    boxes: Floats
    """Boxes (n, 4) float32: x0, y0, x1, y1 in pixels of the image."""
    scores: NDArray[np.float32]
    """Confidences (n,) float32, from 0 to 1."""
    points: Floats | None = None
    """Five points (n, 5, 2) float32 of some detectors: the person's right and left eye, the tip of
    the nose, and the right and left corner of the mouth."""
    rolls: Floats | None = None
    """The degrees (n,) float32, clockwise, by which faces are turned, at least roughly; None: all
    are upright."""

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
    """Selects frames of a video; by default all. Raises SettingsError.

    Examples:
        >>> from fractions import Fraction
        >>> import fkd_infer
        >>> (video,) = fkd_infer.expand_sources("party.mp4")
        >>> part = fkd_infer.FrameRange(start=Fraction(1), end=Fraction(2), stride=10)
        >>> [float(frame.time) for frame in fkd_infer.frames_from(video, part)]
        [1.0, 1.3333333333333333, 1.6666666666666667]
    """

    start: Fraction = Fraction(0)
    """Select frames from this time on, in seconds."""
    end: Fraction | None = None
    """Select frames before this time, in seconds."""
    max_frames: AtLeastOne | None = None
    """Select at most this many."""
    stride: AtLeastOne = 1
    """Select every Nth frame of these, N = `stride`."""

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
    """How the frames of videos are read. Raises SettingsError.

    Examples:
        >>> import fkd_infer
        >>> (video,) = fkd_infer.expand_sources("party.mp4")
        >>> gray = fkd_infer.ReadSettings(gray=True)
        >>> frame = next(fkd_infer.frames_from(video, settings=gray))
        >>> frame.image.shape
        (360, 640)
    """

    gray: bool = False
    """Read images in gray (H, W), which is quicker."""
    stored: bool = False
    """Also keep the picture as the video stores it, to be drawn on: `Frame.stored`. Animations and
    cameras have none, and are then read in colour."""
    deinterlace: bool = False
    """Make whole pictures of interlaced videos' halves."""
    sdr: bool = False
    """Bring HDR (PQ and HLG) to SDR: tone-mapped to BT.709 with 8 bits."""
    strict: bool = False
    """End a video at its first damage, with UnreadableVideoError, in place of going on."""

    def __post_init__(self) -> None:
        check_fields(self)
