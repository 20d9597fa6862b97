"""Generates frames of a face that moves so fast that it is blurred, and knows where it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.faces.motion import HEIGHT, RATE, SIGMA, WIDTH
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.boxes import points_box
from fkd_infer.types import Frame

RAMP, SWIPE, REST = 2, 7, 20
"""Frames in which a face reaches its speed (or stops), of a swipe, and of a rest."""
SUBFRAME = 3.0
"""Pixels between the places that are averaged into a blurred frame, at most."""
MIDDLE = np.array([WIDTH, HEIGHT]) / 2
End = Literal["stays", "leaves", "covered", "cut"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cutout:
    """A face cut out of a photo with soft edges: `colours` (h, w, 3) and `cover` (h, w, 1) from 0
    to 1, both float32; `points` (k, 2) are in its pixels."""

    colours: Floats
    cover: Floats
    points: Floats

    @classmethod
    def of(cls, photo: Pixels, points: Floats, side: float) -> Cutout:
        """Cuts out a head so that the longer side of its points is `side` pixels."""
        box = points_box(points)
        scale = side / float((box[2:] - box[:2]).max())
        middle = box.reshape(2, 2).mean(axis=0) * scale
        half = np.array([0.85, 1.0], np.float32) * np.float32(side)
        size = int(2 * half[0]), int(2 * half[1])
        # A head is higher above its brows than its chin below: the cut is a tenth above the points.
        shift = half - middle + (0, 0.1 * side)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        colours = cv2.warpAffine(photo, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        y, x = np.mgrid[: size[1], : size[0]]
        radius = np.hypot((x - half[0]) / half[0], (y - half[1]) / half[1])
        cover = np.clip((1 - radius) / 0.15, 0, 1)[..., None]
        placed = (points * scale + shift).astype(np.float32)
        return cls(colours.astype(np.float32), cover.astype(np.float32), placed)


@dataclass(frozen=True)
class Swipe:
    """How fast (pixels a frame) and in which direction (radians) the face moves; if `camera`, the
    backdrop moves with it. `shutter` is the share of a frame's time in which it is exposed."""

    speed: float
    direction: float = 0.0
    camera: bool = False
    shutter: float = 1.0
    end: End = "stays"

    def offset(self, index: float) -> Reals:
        """Where the face is in frame `index`, in pixels (2,) from the frame's middle."""
        # The speed's trapezium is the difference of two ramps.
        length = 0.8 * WIDTH / self.speed if self.end == "leaves" else SWIPE - RAMP
        way = self._travel(index - REST, length)
        if self.end == "stays":
            way -= self._travel(index - 2 * REST - SWIPE, length)
        if self.end != "leaves":
            way -= self.speed * length / 2
        return way * np.array([np.cos(self.direction), np.sin(self.direction)])

    def _travel(self, frames: float, length: float) -> float:
        """Pixels travelled so many frames after the start, at full speed for `length` of them."""
        return self.speed * (_ramp(frames) - _ramp(frames - length))


def _ramp(frames: float) -> float:
    """Frames travelled at full speed after a ramp."""
    late = max(0.0, frames)
    return late**2 / (2 * RAMP) if late < RAMP else late - RAMP / 2


@dataclass(frozen=True, eq=False)
class SwipedFace:
    """Frames of a cut-out face in front of a backdrop, blurred by their motion, with noise.

    It is swiped to one side and back, or leaves the frame. In the end "covered", it rests, and a
    part of `other`, a picture without faces, is swiped over it instead; in the end "cut", `other`
    follows in the middle of a swipe.
    """

    face: Cutout
    backdrop: Pixels
    other: Pixels
    swipe: Swipe
    seed: int
    frames: int = 3 * REST + 2 * SWIPE

    def points(self, index: int) -> Floats | None:
        """The face's points (k, 2) in the middle of a frame's exposure; None if it is not there, or
        if less than half of it is visible."""
        if self._is_cut(index):
            return None
        corners = [self._corner(self._place(at)) for at in self._exposed(index)]
        points = self.face.points + np.mean(corners, axis=0).astype(np.float32)
        visible = ((points >= 0) & (points < (WIDTH, HEIGHT))).all(axis=1)
        if self.swipe.end == "covered":
            height, width = self.face.cover.shape[:2]
            off = (points - self._cover_place(index)) / (width / 2, height / 2)
            visible &= np.linalg.norm(off, axis=1) > 0.9
        return points if visible.mean() >= 0.5 else None

    def __iter__(self) -> Iterator[Frame]:
        """Generates the frames."""
        rng = np.random.default_rng(self.seed)
        for index in range(self.frames):
            exposed = self._exposed(index)
            total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
            for at in exposed:
                total += self._sharp(index, at)
            noise = np.float32(SIGMA) * rng.standard_normal(total.shape, np.float32)
            noisy = np.clip(np.rint(total / len(exposed) + noise), 0, 255).astype(np.uint8)
            yield Frame(noisy, str(self.seed), index, Fraction(index, RATE))

    def _is_cut(self, index: int) -> bool:
        return self.swipe.end == "cut" and index > REST + RAMP

    def _exposed(self, index: int) -> Reals:
        """The times, in frames, of the places that a frame averages."""
        half = self.swipe.shutter / 2
        way = self.swipe.offset(index + half) - self.swipe.offset(index - half)
        count = 1 + int(np.ceil(np.linalg.norm(way) / SUBFRAME))
        return index + np.linspace(-half, half, count) if count > 1 else np.array([float(index)])

    def _place(self, at: float) -> Reals:
        """The middle (2,) of the cut-out face."""
        rests = self.swipe.end == "covered"
        return MIDDLE + (np.zeros(2) if rests else self.swipe.offset(at))

    def _cover_place(self, at: float) -> Reals:
        """The middle (2,) of what covers the face: it ends on the face."""
        return MIDDLE + self.swipe.offset(at) - self.swipe.offset(REST + SWIPE)

    def _corner(self, place: Reals) -> NDArray[np.intp]:
        """The top left corner (2,) of a cut-out whose middle is in a place."""
        return np.asarray(np.rint(place - np.array(self.face.cover.shape[1::-1]) / 2), np.intp)

    def _sharp(self, index: int, at: float) -> Floats:
        """The scene at one moment, float32 (HEIGHT, WIDTH, 3)."""
        scene = self.other if self._is_cut(index) else self.backdrop
        moved = -self.swipe.offset(at) if self.swipe.camera else np.zeros(2)
        left, top = np.rint((np.array(scene.shape[1::-1]) - (WIDTH, HEIGHT)) / 2 + moved).astype(
            int
        )
        view = scene[top : top + HEIGHT, left : left + WIDTH].astype(np.float32)
        if scene is self.backdrop:
            self._paste(view, self._place(at), self.face.colours)
        if self.swipe.end == "covered":
            part = self.other[HEIGHT:, WIDTH:].astype(np.float32)
            self._paste(view, self._cover_place(at), part)
        return view

    def _paste(self, view: Floats, place: Reals, colours: Floats) -> None:
        """Draws colours with the outline of the face around a place."""
        height, width = self.face.cover.shape[:2]
        x, y = (int(n) for n in self._corner(place))
        if x >= WIDTH or x + width <= 0:
            return
        rows = slice(max(0, y), min(HEIGHT, y + height))
        columns = slice(max(0, x), min(WIDTH, x + width))
        part = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
        under = view[rows, columns]
        under += self.face.cover[part] * (colours[part] - under)


def widened(picture: Pixels) -> Pixels:
    """A backdrop larger than a frame by as much on each side, mirrored there."""
    scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    border = HEIGHT, HEIGHT, WIDTH, WIDTH
    return np.asarray(cv2.copyMakeBorder(large, *border, cv2.BORDER_REFLECT_101), np.uint8)
