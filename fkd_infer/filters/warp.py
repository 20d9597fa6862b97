"""Pictures with transparency, warped into a frame: only the part of it that they touch is read.

Colours are multiplied by alpha once, when a picture is loaded, so that sampling between pixels
mixes no colour of what cannot be seen. A frame's pixel d becomes

    d · keep / 255 + add,   normal:   keep = 255 - a,      add = c
                            multiply: keep = 255 - a + c,  add = 0
                            screen:   keep = 255 - c,      add = c

with c the colour times alpha and a the alpha, both from 0 to 255.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.filters.blend import Paint, blend
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.crop import downscale
from fkd_infer.geometry.transforms import transform
from fkd_infer.geometry.triangulation import delaunay

_SMALLEST = 8
"""Pixels of the shorter side below which a picture is not halved again."""
_ROWS = 128
"""Rows of a picture that are multiplied by alpha at once."""
_ONE_MAP: Any = None  # which OpenCV's types forget; OpenCV 5 would read an empty array as a map
"""What cv2.remap takes for a second map where the first has both coordinates."""


@dataclass(frozen=True, eq=False)
class Texture:
    """A BGRA picture (H, W, 4), not multiplied by alpha, ready to be drawn at any size."""

    image: Pixels
    opacity: float = 1.0

    @cached_property
    def levels(self) -> list[tuple[Pixels, Matrix]]:
        """The picture times alpha, halved again and again, each with the matrix back to it."""
        whole = np.empty_like(self.image)
        # In parts, since floats of all of a large picture would fill a gigabyte.
        for top in range(0, len(whole), _ROWS):
            part = self.image[top : top + _ROWS]
            cover = part[..., 3:].astype(np.float32) * self.opacity
            colour = part[..., :3].astype(np.float32) * (cover / 255)
            whole[top : top + _ROWS] = np.rint(np.concatenate([colour, cover], axis=-1))
        found = [(whole, np.eye(2, 3))]
        while min(found[-1][0].shape[:2]) >= 2 * _SMALLEST:
            found.append(downscale(whole, 2 ** len(found)))
        return found

    def level(self, scale: float) -> tuple[Pixels, Matrix]:
        """The smallest level that is not enlarged where the picture's pixels measure `scale`."""
        number = math.floor(-math.log2(max(scale, 1e-6)))
        return self.levels[max(0, min(number, len(self.levels) - 1))]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles (n, 3) between anchors, whose places (k, 2) in the picture are `at`."""

    at: Matrix
    triangles: NDArray[np.intp]

    @staticmethod
    def over(image: Pixels, at: Matrix) -> Mesh:
        """Delaunay's triangles, but for those in which the picture shows nothing."""
        triangles = delaunay(at)
        shown = [t for t in triangles if _shows(image, at[t])]
        return Mesh(at, np.array(shown, np.intp).reshape(-1, 3))


def draw_affine(canvas: Pixels, texture: Texture, matrix: Matrix, paint: Paint) -> None:
    """Draws a picture through a matrix (2, 3) from its pixels to the frame's."""
    if not np.isfinite(matrix).all():
        return
    pixels, to_image = texture.level(math.sqrt(abs(_determinant(matrix))))
    linear = matrix[:, :2] @ to_image[:, :2]
    shift = matrix[:, :2] @ to_image[:, 2] + matrix[:, 2]
    height, width = pixels.shape[:2]
    edges = np.array([[-1, -1], [width, -1], [width, height], [-1, height]], np.float64)
    box = clipped(edges @ linear.T + shift, canvas)
    if box is None or abs(_determinant(linear)) < 1e-9:
        return
    x0, y0, x1, y1 = box
    local = np.empty((2, 3))
    local[:, :2], local[:, 2] = linear, shift - (x0, y0)
    warped = cv2.warpAffine(
        pixels, local, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    blend(canvas[y0:y1, x0:x1], np.asarray(warped, np.uint8), paint)


def draw_mesh(
    canvas: Pixels, texture: Texture, mesh: Mesh, points: Matrix | Floats, paint: Paint
) -> None:
    """Draws a picture so that each anchor lies on its point (k, 2), straight in between.

    Triangles that are seen from behind are left out, as where a cheek turns away.
    """
    corners = points[mesh.triangles].astype(np.float64)  # (n, 3, 2)
    sources = mesh.at[mesh.triangles]
    if not np.isfinite(corners).all():
        return
    area, source_area = _areas(corners), _areas(sources)
    seen = area * np.sign(source_area) > 0.25
    if not seen.any():
        return
    corners, sources = corners[seen], sources[seen]
    box = clipped(corners.reshape(-1, 2), canvas)
    if box is None:
        return
    x0, y0, x1, y1 = box
    scale = np.sqrt(area[seen].sum() / source_area[seen].sum())
    pixels, to_image = texture.level(float(scale))
    to_level = np.linalg.inv(np.vstack([to_image, [0, 0, 1]]))[:2]
    places = _map(corners - (x0, y0), transform(sources, to_level), (y1 - y0, x1 - x0))
    warped = cv2.remap(pixels, places, _ONE_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    blend(canvas[y0:y1, x0:x1], np.asarray(warped, np.uint8), paint)


def clipped(points: Matrix, canvas: Pixels) -> tuple[int, int, int, int] | None:
    """The whole pixels x0, y0, x1, y1 of a frame that points (n, 2) span; None where outside."""
    height, width = canvas.shape[:2]
    # Plain numbers: a frame has many layers, and arrays of two take longer to set up than to count.
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    if not all(map(math.isfinite, (*low, *high))):
        return None
    x0, y0 = (max(0, math.floor(value)) for value in low)
    x1, y1 = min(width, math.ceil(high[0]) + 1), min(height, math.ceil(high[1]) + 1)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _determinant(matrix: Matrix) -> float:
    """That of the first two columns of a matrix (2, …)."""
    (a, b), (c, d) = matrix[:, :2].tolist()
    return float(a * d - b * c)


def _map(corners: Matrix, sources: Floats, shape: tuple[int, int]) -> Floats:
    """Where each pixel of a region (h, w) lies in the picture, (h, w, 2); -9 outside of triangles.

    Places are complex numbers here, which halves the look-ups.
    """
    ones = np.ones((len(corners), 3, 1))
    solved = np.linalg.solve(np.concatenate([corners, ones], axis=-1), sources)  # (n, 3, 2)
    table = np.full((len(corners) + 1, 3), 0, np.complex64)
    table[1:] = solved[..., 0] + 1j * solved[..., 1]
    table[0, 2] = -9 - 9j
    label = np.zeros(shape, np.int32)
    fixed = np.rint(corners * 16).astype(np.int32)
    for number, triangle in enumerate(fixed, 1):
        cv2.fillConvexPoly(label, triangle, number, cv2.LINE_8, 4)
    index = label.astype(np.intp)
    x = np.arange(shape[1], dtype=np.float32)
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    found = table[:, 0].take(index) * x
    found += table[:, 1].take(index) * y
    found += table[:, 2].take(index)
    return found.view(np.float32).reshape(*shape, 2)


def _areas(triangles: Matrix) -> Matrix:
    """Twice the signed areas (n,) of triangles (n, 3, 2)."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    found: Matrix = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return found


def _shows(image: Pixels, triangle: Matrix) -> bool:
    """Whether a picture has anything to see in a triangle (3, 2)."""
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(triangle).astype(np.int32), 1)
    return bool(image[..., 3][inside > 0].any())
