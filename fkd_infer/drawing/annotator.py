"""Draws faces on frames: the style is set in the constructor, and a call returns a new frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Canvas, Colour, Ink, ends_of
from fkd_infer.canvas.image_canvas import as_canvas
from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DrawLayer
from fkd_infer.drawing.marks import FONT, Disc, Strokes, draw_discs, draw_outlined_text
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
"""Colours of tracked faces by id, which people of any colour vision can tell apart (Okabe and Ito,
2008)."""
_DARK: Colour = (0, 0, 0)
_LABELS = frozenset({"id", "score"})
"""Layers that write a line about a face, over all else of it."""
_BITS = 4
"""Fractional bits of the coordinates that OpenCV draws at: 1/16 pixel."""
_MIN_OUTLINED_EXTENT = 120
"""Pixels of a face from which its lines have a dark outline."""
_MAX_EXTENT = 20_000.0
"""Pixels of a face up to which strokes grow with it."""
_MAX_SPARSE = 4.0
"""Discs of fewer points are larger, of equal area in all, up to this factor."""
_MIN_SPACING = 11
"""Pixels between neighbouring points from which their numbers are readable."""


@dataclass(frozen=True)
class Annotator:
    """Draws the points of faces, as `fkd-infer --out` does.

    Lines and text scale with the face. A face with an id has one of six colours in place of those
    here, which people of any colour vision can tell apart.

    Examples:
        >>> import fkd_infer
        >>> pipeline = fkd_infer.load()
        >>> image = fkd_infer.read_image("photo.jpg")
        >>> annotator = fkd_infer.Annotator(pipeline.card.landmarks, ("contours", "points"))
        >>> annotator.draw(image, pipeline(image))  # on the image itself
    """

    scheme: LandmarkScheme
    """The order of the points, of which `pipeline.card.landmarks` is that of a network."""
    layers: tuple[DrawLayer, ...] = DEFAULT_DRAW_LAYERS
    """What is drawn, in this order, with text above all else: "contours", "points", "mesh", "box",
    "score", "id", and "numbers" of points."""
    point_colour: Colour = (80, 255, 120)
    """Blue, green, red."""
    line_colour: Colour = (255, 190, 60)
    """Blue, green, red."""
    box_colour: Colour = (60, 200, 255)
    """Blue, green, red."""

    def __call__(self, frame: Frame, faces: Sequence[Face]) -> Frame:
        """Returns a frame with the faces drawn; the argument is not changed."""
        if not faces:
            return frame
        canvas = frame.image.copy()
        self.draw(canvas, faces)
        return replace(frame, image=canvas)

    def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
        """Draws the faces on a BGR image or a canvas in place."""
        canvas = as_canvas(image)
        for face in faces:
            if is_drawable(face.points):
                self._draw_face(canvas, face)

    def _draw_face(self, canvas: Canvas, face: Face) -> None:
        draw: dict[DrawLayer, Callable[[Ink, Face], None]] = {
            "contours": self._draw_contours,
            "points": self._draw_points,
            "mesh": self._draw_mesh,
            "box": self._draw_box,
        }
        texts = {layer: self._texts(layer, face, canvas) for layer in self.layers}
        around = [*self._around(face), *(end for many in texts.values() for end in _ends(many))]
        box = canvas.box(*ends_of(np.array(around)))
        if box is None:
            return
        with canvas.ink(box) as ink:
            x, y = ink.corner
            corners = np.array([x, y, x, y], np.float32)
            local = replace(face, points=face.points - corners[:2], box=face.box - corners)
            for layer in self.layers:
                if layer in draw:
                    draw[layer](ink, local)
            for layer in sorted(self.layers, key=_LABELS.__contains__):  # the labels last
                for text in texts[layer]:
                    text.draw(ink)

    def _around(self, face: Face) -> NDArray[np.float64]:
        """The corners (2, 2) of what is drawn of a face, without text."""
        shapes = [face.points, face.box.reshape(2, 2)] if "box" in self.layers else [face.points]
        ends = np.concatenate(shapes)
        margin = 4 + _extent(face) / 20
        return np.stack([ends.min(axis=0) - margin, ends.max(axis=0) + margin])

    def _draw_contours(self, ink: Ink, face: Face) -> None:
        extent = _extent(face)
        width = max(1, round(extent / 240))
        lines: dict[bool, list[NDArray[np.int32]]] = {True: [], False: []}
        for name, group in self.scheme.lines.items():
            lines[name in self.scheme.closed].append(_fixed_point(face.points[list(group)]))
        strokes = [(self._colour(face, self.line_colour), width)]
        if extent >= _MIN_OUTLINED_EXTENT:
            strokes.insert(0, (_DARK, width + 1 + width // 3))
        for colour, thickness in strokes:
            mark = ink.palette.mark(colour)
            for closed, polylines in lines.items():
                cv2.polylines(ink.pixels, polylines, closed, mark, thickness, cv2.LINE_AA, _BITS)

    def _draw_points(self, ink: Ink, face: Face) -> None:
        sparse = min(_MAX_SPARSE, math.sqrt(IBUG68.count / len(face.points)))
        radius = max(0.9, _extent(face) / 110 * sparse)
        colour = self.point_colour
        if face.id is not None:
            # Lighter than the lines below them.
            blue, green, red = ((255 + c) // 2 for c in self._colour(face, colour))
            colour = blue, green, red
        discs = [Disc(radius, ink.palette.mark(colour))]
        if radius > 1.3:
            discs.insert(0, Disc(radius * 1.35, ink.palette.mark(_DARK)))
        draw_discs(ink.pixels, face.points, discs)

    def _draw_mesh(self, ink: Ink, face: Face) -> None:
        edges = _mean_edges() if self.scheme == IBUG68 else _mesh_edges(face.points)
        lines = list(_fixed_point(face.points)[edges])
        mark = ink.palette.mark(self._colour(face, self.line_colour))
        width = max(1, round(_extent(face) / 300))
        cv2.polylines(ink.pixels, lines, False, mark, width, cv2.LINE_AA, _BITS)

    def _draw_box(self, ink: Ink, face: Face) -> None:
        width = max(1, round(_extent(face) / 120))
        x0, y0, x1, y1 = _fixed_point(face.box).tolist()
        for colour, thickness in (
            (_DARK, width + 1 + width // 2),
            (self._colour(face, self.box_colour), width),
        ):
            mark = ink.palette.mark(colour)
            cv2.rectangle(ink.pixels, (x0, y0), (x1, y1), mark, thickness, cv2.LINE_AA, _BITS)

    def _texts(self, layer: DrawLayer, face: Face, canvas: Canvas) -> list[_Text]:
        """What a layer writes of a face."""
        size = canvas.width, canvas.height
        if layer == "numbers":
            return self._numbers(face, size)
        if layer == "score":
            label = f"{face.score:.2f}" if face.id is None else f"{face.id}: {face.score:.2f}"
        elif layer == "id" and face.id is not None and "score" not in self.layers:
            label = str(face.id)
        else:
            return []
        # Above the box.
        scale = float(np.clip(_extent(face) / 250, 0.35, max(0.6, canvas.height / 500)))
        x, y = float(face.box[0]), float(face.box[1]) - 6 * scale
        return [_Text.at((x, y), label, scale, self._colour(face, self.box_colour), size)]

    def _numbers(self, face: Face, size: tuple[int, int]) -> list[_Text]:
        """Each point's number if its neighbours are far enough away."""
        distances = np.linalg.norm(face.points[:, None] - face.points, axis=-1)
        np.fill_diagonal(distances, np.inf)
        spacing = distances.min(axis=1)
        texts = []
        for number in np.flatnonzero(spacing >= _MIN_SPACING).tolist():
            x, y = face.points[number].tolist()
            scale = float(np.clip(spacing[number] / 45, 0.25, 0.8))
            texts.append(_Text.at((x + 3, y - 2), str(number), scale, (255, 255, 255), size))
        return texts

    def _colour(self, face: Face, default: Colour) -> Colour:
        return default if face.id is None else PALETTE[(face.id - 1) % len(PALETTE)]


@dataclass(frozen=True, slots=True)
class _Text:
    """Outlined text; `start` is the left end of its base line, (x, y), and `ends` are its upper
    left and lower right corner."""

    text: str
    start: tuple[int, int]
    scale: float
    colour: Colour
    thickness: tuple[int, int]
    ends: tuple[tuple[int, int], tuple[int, int]]

    @classmethod
    def at(
        cls,
        corner: tuple[float, float],
        text: str,
        scale: float,
        colour: Colour,
        size: tuple[int, int],
    ) -> _Text:
        """Text from its bottom left corner, moved into a picture of this width and height."""
        thin = max(1, round(1.6 * scale))
        wide = thin + 2 * max(1, round(scale))
        (width, height), base = cv2.getTextSize(text, FONT, scale, thin)
        margin = wide // 2 + 2
        finite = np.nan_to_num(np.array(corner), posinf=1e6, neginf=-1e6)
        x = int(np.clip(finite[0], margin, max(margin, size[0] - width - margin)))
        y_max = max(height + margin, size[1] - base - margin)
        y = int(np.clip(finite[1], height + margin, y_max))
        ends = (x - wide, y - height - wide), (x + width + wide, y + base + wide)
        return cls(text, (x, y), scale, colour, (thin, wide), ends)

    def draw(self, ink: Ink) -> None:
        """Draws the text."""
        start = self.start[0] - ink.corner[0], self.start[1] - ink.corner[1]
        mark = ink.palette.mark
        strokes = Strokes(mark(self.colour), mark(_DARK), *self.thickness)
        draw_outlined_text(ink.pixels, self.text, start, self.scale, strokes)


def _ends(texts: Sequence[_Text]) -> list[tuple[int, int]]:
    return [end for text in texts for end in text.ends]


@lru_cache(maxsize=1)
def _mean_edges() -> NDArray[np.intp]:
    """The edges (n, 2) of a mesh of the 68 points, from the mean head."""
    return _mesh_edges(mean_head()[:, :2] * 1000)


def _mesh_edges(points: NDArray[np.floating]) -> NDArray[np.intp]:
    """The edges (n, 2) of the Delaunay triangulation of points (k, 2)."""
    triangles = delaunay(points.astype(np.float64))
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _extent(face: Face) -> float:
    """The longer side of the points' bounding box, in pixels, up to _MAX_EXTENT."""
    return min(float(np.ptp(face.points, axis=0).max()), _MAX_EXTENT)


def _fixed_point(values: Floats) -> NDArray[np.int32]:
    """Coordinates in 1/16 pixel, clipped to the range in which OpenCV draws."""
    fixed: NDArray[np.int32] = np.clip(np.rint(values * 2**_BITS), -(2**26), 2**26).astype(np.int32)
    return fixed
