"""Draws a texture on a canvas through a matrix or a mesh; touches no more than its part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Canvas, ends_of
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.texture import Texture
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.geometry.transforms import transform
from fkd_infer.geometry.triangulation import delaunay

_NO_SECOND_MAP: Any = None  # absent from OpenCV's types; OpenCV 5 reads an empty array as a map
_MIN_AREA = 0.25
"""Twice the smallest area of a triangle that is drawn, in pixels of the frame."""
_OUTSIDE = -9
"""A coordinate outside every picture."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles (n, 3) between anchors at the pixels `anchors` (k, 2) of a picture."""

    anchors: Matrix
    triangles: NDArray[np.intp]

    @staticmethod
    def over(image: Pixels, anchors: Matrix) -> Mesh:
        """The Delaunay triangulation without the triangles in which the picture is transparent."""
        triangles = [t for t in delaunay(anchors) if _is_visible(image, anchors[t])]
        return Mesh(anchors, np.array(triangles, np.intp).reshape(-1, 3))


def draw_affine(canvas: Canvas, texture: Texture, matrix: Matrix, paint: Paint) -> None:
    """Draws a picture through a matrix (2, 3) from its pixels to the frame's; NaN draws nothing."""
    # Plain numbers: for so few, NumPy's overhead is most of the work.
    (a, b, x), (c, d, y) = matrix.tolist()
    if not all(map(math.isfinite, (a, b, x, c, d, y))):
        return
    scale = math.sqrt(abs(a * d - b * c))
    pixels, (across, left, down, top) = texture.level(scale, canvas.palette, paint)
    x, y = x + a * left + b * top, y + c * left + d * top
    a, b, c, d = a * across, b * down, c * across, d * down
    height, width = pixels.shape[:2]
    # A pixel around the picture fades out.
    xs, ys = (-a, a * width), (-c, c * width)
    xs_down, ys_down = (-b, b * height), (-d, d * height)
    box = canvas.box(
        x + min(xs) + min(xs_down),
        y + min(ys) + min(ys_down),
        x + max(xs) + max(xs_down),
        y + max(ys) + max(ys_down),
    )
    if box is None or abs(a * d - b * c) < 1e-9:
        return
    to_region = np.array([[a, b, x - box[0]], [c, d, y - box[1]]])
    size, flags, border = (box[2] - box[0], box[3] - box[1]), cv2.INTER_LINEAR, cv2.BORDER_CONSTANT
    warped = cv2.warpAffine(pixels, to_region, size, flags=flags, borderMode=border)
    canvas.blend(box, np.asarray(warped), paint)


def draw_mesh(
    canvas: Canvas, texture: Texture, mesh: Mesh, points: Matrix | Floats, paint: Paint
) -> None:
    """Draws a picture with each anchor on its point (k, 2), and affine triangles in between.

    Leaves out triangles that are seen from behind, as where a cheek turns away.
    """
    targets = points[mesh.triangles].astype(np.float64)  # (n, 3, 2)
    sources = mesh.anchors[mesh.triangles]
    if not np.isfinite(targets).all():
        return
    area, source_area = _signed_areas(targets), _signed_areas(sources)
    visible = area * np.sign(source_area) > _MIN_AREA
    if not visible.any():
        return
    targets, sources = targets[visible], sources[visible]
    box = canvas.box(*ends_of(targets.reshape(-1, 2)))
    if box is None:
        return
    x0, y0, x1, y1 = box
    scale = np.sqrt(area[visible].sum() / source_area[visible].sum())
    pixels, to_image = texture.level(float(scale), canvas.palette, paint)
    across, left, down, top = to_image
    to_level = np.array([[1 / across, 0, -left / across], [0, 1 / down, -top / down]])
    lookup = _lookup(targets - (x0, y0), transform(sources, to_level), (y1 - y0, x1 - x0))
    warped = cv2.remap(
        pixels, lookup, _NO_SECOND_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    canvas.blend(box, np.asarray(warped), paint)


def _lookup(targets: Matrix, sources: Floats, shape: tuple[int, int]) -> Floats:
    """Where each pixel of a region (h, w) lies in the picture, (h, w, 2), for cv2.remap.

    Coordinates are complex numbers here, which halves the look-ups.
    """
    homogeneous = np.concatenate([targets, np.ones((len(targets), 3, 1))], axis=-1)
    solved = np.linalg.solve(homogeneous, sources)  # (n, 3, 2)
    table = np.full((len(targets) + 1, 3), 0, np.complex64)
    table[1:] = solved[..., 0] + 1j * solved[..., 1]
    table[0, 2] = _OUTSIDE + 1j * _OUTSIDE
    labels = np.zeros(shape, np.int32)
    fixed = np.rint(targets * 16).astype(np.int32)
    for number, triangle in enumerate(fixed, 1):
        cv2.fillConvexPoly(labels, triangle, number, cv2.LINE_8, 4)
    index = labels.astype(np.intp)
    x = np.arange(shape[1], dtype=np.float32)
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    lookup = table[:, 0].take(index) * x
    lookup += table[:, 1].take(index) * y
    lookup += table[:, 2].take(index)
    return lookup.view(np.float32).reshape(*shape, 2)


def _signed_areas(triangles: Matrix) -> Matrix:
    """Twice the signed areas (n,) of triangles (n, 3, 2)."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    areas: Matrix = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return areas


def _is_visible(image: Pixels, triangle: Matrix) -> bool:
    """Whether any pixel of a picture in a triangle (3, 2) is not transparent."""
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(triangle).astype(np.int32), 1)
    return bool(image[..., 3][inside > 0].any())
