"""Drawing faces on frames. The style is in the constructor; a call answers a new frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.crop import Floats, Pixels
from fkd_infer.names import DEFAULT_LAYERS, Layer
from fkd_infer.schemes import LandmarkScheme
from fkd_infer.types import Face, Frame

Colour = tuple[int, int, int]

_BITS = 4
"""OpenCV draws at 1/16 pixel with this shift."""


@dataclass(frozen=True)
class Annotator:
    """Draws `layers` of each face, in this order; line widths follow the face's size."""

    scheme: LandmarkScheme
    layers: tuple[Layer, ...] = DEFAULT_LAYERS
    point_colour: Colour = (80, 255, 120)
    line_colour: Colour = (255, 190, 60)
    box_colour: Colour = (60, 200, 255)

    def __call__(self, frame: Frame, faces: Sequence[Face]) -> Frame:
        """The frame with the faces drawn; the given one is left as it is."""
        if not faces:
            return frame
        canvas = frame.image.copy()
        self.draw(canvas, faces)
        return replace(frame, image=canvas)

    def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
        """Draws the faces into a BGR image itself, which saves a copy where nobody needs it."""
        draw = {
            "contours": self._contours,
            "points": self._points,
            "box": self._box,
            "score": self._score,
        }
        for layer in self.layers:
            for face in faces:
                draw[layer](canvas, face)

    def _contours(self, canvas: Pixels, face: Face) -> None:
        width = max(1, round(_extent(face) / 160))
        for name, group in self.scheme.groups.items():
            line = _fixed_point(face.points[list(group)])
            closed = name in self.scheme.closed
            cv2.polylines(canvas, [line], closed, self.line_colour, width, cv2.LINE_AA, _BITS)

    def _points(self, canvas: Pixels, face: Face) -> None:
        radius = max(0.9, _extent(face) / 110)
        if radius > 1.3:
            _discs(canvas, face.points, radius * 1.35, (0, 0, 0))
        _discs(canvas, face.points, radius, self.point_colour)

    def _box(self, canvas: Pixels, face: Face) -> None:
        width = max(1, round(_extent(face) / 120))
        x0, y0, x1, y1 = _fixed_point(face.box).tolist()
        cv2.rectangle(canvas, (x0, y0), (x1, y1), self.box_colour, width, cv2.LINE_AA, _BITS)

    def _score(self, canvas: Pixels, face: Face) -> None:
        name = f"{face.score:.2f}" if face.id is None else f"{face.id}: {face.score:.2f}"
        scale = float(np.clip(_extent(face) / 250, 0.4, 2.0))
        thickness = max(1, round(2 * scale))
        (width, height), base = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        # Above the box, but never outside the picture.
        x = int(np.clip(face.box[0], 0, max(0, canvas.shape[1] - width)))
        y = int(np.clip(face.box[1] - base, height, canvas.shape[0] - base))
        for colour, extra in (((0, 0, 0), 2), (self.box_colour, 0)):
            cv2.putText(
                canvas,
                name,
                (x, y),
                cv2.FONT_HERSHEY_SIMPLEX,
                scale,
                colour,
                thickness + extra,
                cv2.LINE_AA,
            )


def _discs(canvas: Pixels, points: Floats, radius: float, colour: Colour) -> None:
    """Round, antialiased discs at any fraction of a pixel; OpenCV's small circles are crosses."""
    reach = int(np.ceil(radius)) + 1
    steps = np.arange(-reach, reach + 1)
    height, width = canvas.shape[:2]
    near = points[(np.abs(points) < 2**24).all(axis=1)]
    corner = np.rint(near).astype(np.int64)[:, None, None]
    pixels = corner + np.stack(np.meshgrid(steps, steps), axis=-1)  # (n, k, k, 2)
    distance = np.linalg.norm(pixels - near[:, None, None], axis=-1)
    cover = np.clip(radius + 0.5 - distance, 0, 1)
    x, y = pixels[..., 0], pixels[..., 1]
    seen = (cover > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y, cover = x[seen], y[seen], cover[seen]
    # Where discs meet, the pixel takes the fuller cover, which comes last.
    order = np.argsort(cover, kind="stable")
    x, y, share = x[order], y[order], cover[order, None]
    canvas[y, x] = np.rint(canvas[y, x] * (1 - share) + np.array(colour) * share).astype(np.uint8)


def _extent(face: Face) -> float:
    """The longer side of the points' box, in pixels."""
    return float(np.ptp(face.points, axis=0).max())


def _fixed_point(values: Floats) -> NDArray[np.int32]:
    """Coordinates in 1/16 pixel, kept in the range that OpenCV draws in."""
    fixed: NDArray[np.int32] = np.clip(np.rint(values * 2**_BITS), -(2**26), 2**26).astype(np.int32)
    return fixed
