"""Drawing faces on frames. The style is in the constructor; a call answers a new frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DrawLayer
from fkd_infer.drawing.marks import FONT, Colour, draw_discs, draw_outlined_text
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.geometry.transforms import is_drawable
from fkd_infer.geometry.triangulation import delaunay
from fkd_infer.landmarks.head_model import mean_head
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme
from fkd_infer.types import Face, Frame

PALETTE: tuple[Colour, ...] = (
    (233, 180, 86),
    (0, 159, 230),
    (66, 228, 240),
    (167, 121, 204),
    (115, 158, 0),
    (0, 94, 213),
)
"""Colours of followed faces, by id, BGR: those that people of any colour vision tell apart
(Okabe and Ito, 2008)."""
_DARK: Colour = (0, 0, 0)
_BITS = 4
"""OpenCV draws at 1/16 pixel with this shift."""
_OUTLINED = 120
"""Faces of so many pixels have room for a dark outline around lines."""
_LARGEST = 20_000.0
"""Pixels of a face, beyond which it is none."""
_SPACED = 11
"""Pixels between neighbouring points, at least, for their numbers to be readable."""


@dataclass(frozen=True)
class Annotator:
    """Draws `layers` of each face, in this order; lines and text follow the face's size.

    Faces with an id have a colour of their own from PALETTE instead of those given.
    """

    scheme: LandmarkScheme
    layers: tuple[DrawLayer, ...] = DEFAULT_DRAW_LAYERS
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
        draw: dict[DrawLayer, Callable[[Pixels, Face], None]] = {
            "contours": self._contours,
            "points": self._points,
            "mesh": self._mesh,
            "box": self._box,
            "score": self._score,
            "id": self._id,
            "numbers": self._numbers,
        }
        whole = [face for face in faces if is_drawable(face.points)]
        for layer in self.layers:
            for face in whole:
                draw[layer](canvas, face)

    def _contours(self, canvas: Pixels, face: Face) -> None:
        extent = _extent(face)
        width = max(1, round(extent / 240))
        lines: dict[bool, list[NDArray[np.int32]]] = {True: [], False: []}
        for name, group in self.scheme.groups.items():
            lines[name in self.scheme.closed].append(_fixed_point(face.points[list(group)]))
        strokes = [(self._colour(face, self.line_colour), width)]
        if extent >= _OUTLINED:
            strokes.insert(0, (_DARK, width + 1 + width // 3))
        for colour, thickness in strokes:
            for closed, some in lines.items():
                cv2.polylines(canvas, some, closed, colour, thickness, cv2.LINE_AA, _BITS)

    def _points(self, canvas: Pixels, face: Face) -> None:
        radius = max(0.9, _extent(face) / 110)
        if radius > 1.3:
            draw_discs(canvas, face.points, radius * 1.35, _DARK)
        colour = self.point_colour
        if face.id is not None:
            # Lighter than the lines that they lie on.
            blue, green, red = ((255 + c) // 2 for c in self._colour(face, colour))
            colour = blue, green, red
        draw_discs(canvas, face.points, radius, colour)

    def _mesh(self, canvas: Pixels, face: Face) -> None:
        edges = _edges() if self.scheme == IBUG68 else _edges_of(face.points)
        lines = list(_fixed_point(face.points)[edges])
        colour = self._colour(face, self.line_colour)
        width = max(1, round(_extent(face) / 300))
        cv2.polylines(canvas, lines, False, colour, width, cv2.LINE_AA, _BITS)

    def _box(self, canvas: Pixels, face: Face) -> None:
        width = max(1, round(_extent(face) / 120))
        x0, y0, x1, y1 = _fixed_point(face.box).tolist()
        for colour, thickness in (
            (_DARK, width + 1 + width // 2),
            (self._colour(face, self.box_colour), width),
        ):
            cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA, _BITS)

    def _score(self, canvas: Pixels, face: Face) -> None:
        text = f"{face.score:.2f}" if face.id is None else f"{face.id}: {face.score:.2f}"
        self._label(canvas, face, text)

    def _id(self, canvas: Pixels, face: Face) -> None:
        if face.id is not None and "score" not in self.layers:
            self._label(canvas, face, str(face.id))

    def _label(self, canvas: Pixels, face: Face, text: str) -> None:
        """Text above the box, but never outside the picture."""
        largest = max(0.6, canvas.shape[0] / 500)
        scale = float(np.clip(_extent(face) / 250, 0.35, largest))
        x, y = float(face.box[0]), float(face.box[1]) - 6 * scale
        _write(canvas, text, (x, y), scale, self._colour(face, self.box_colour))

    def _numbers(self, canvas: Pixels, face: Face) -> None:
        """Each point's number, where points are far enough apart to read it."""
        apart = np.linalg.norm(face.points[:, None] - face.points, axis=-1)
        np.fill_diagonal(apart, np.inf)
        room = apart.min(axis=1)
        for number in np.flatnonzero(room >= _SPACED).tolist():
            x, y = face.points[number].tolist()
            scale = float(np.clip(room[number] / 45, 0.25, 0.8))
            _write(canvas, str(number), (x + 3, y - 2), scale, (255, 255, 255))

    def _colour(self, face: Face, usual: Colour) -> Colour:
        return usual if face.id is None else PALETTE[(face.id - 1) % len(PALETTE)]


def _write(
    canvas: Pixels, text: str, corner: tuple[float, float], scale: float, colour: Colour
) -> None:
    """Outlined text whose bottom left corner is there, moved into the picture."""
    thickness = max(1, round(1.6 * scale))
    outline = thickness + 2 * max(1, round(scale))
    (width, height), base = cv2.getTextSize(text, FONT, scale, thickness)
    rim = outline // 2 + 2
    far = np.nan_to_num(np.array(corner), posinf=1e6, neginf=-1e6)
    x = int(np.clip(far[0], rim, max(rim, canvas.shape[1] - width - rim)))
    y = int(np.clip(far[1], height + rim, max(height + rim, canvas.shape[0] - base - rim)))
    draw_outlined_text(canvas, text, (x, y), scale, colour, (thickness, outline))


@lru_cache(maxsize=1)
def _edges() -> NDArray[np.intp]:
    """The lines (n, 2) between the 68 points' triangles, told from a mean face."""
    return _edges_of(mean_head()[:, :2] * 1000)


def _edges_of(places: NDArray[np.floating]) -> NDArray[np.intp]:
    """The lines (n, 2) between the triangles of places (k, 2)."""
    triangles = delaunay(places.astype(np.float64))
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _extent(face: Face) -> float:
    """The longer side of the points' box, in pixels, as far as strokes grow with it."""
    return min(float(np.ptp(face.points, axis=0).max()), _LARGEST)


def _fixed_point(values: Floats) -> NDArray[np.int32]:
    """Coordinates in 1/16 pixel, kept in the range that OpenCV draws in."""
    fixed: NDArray[np.int32] = np.clip(np.rint(values * 2**_BITS), -(2**26), 2**26).astype(np.int32)
    return fixed
