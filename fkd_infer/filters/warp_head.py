"""The warp `head`: a flat picture fixed to the head in three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.fitting import fit_similarity
from fkd_infer.filters.layer import FilterLayer
from fkd_infer.filters.raster import draw_affine
from fkd_infer.filters.warp import Anchoring, Warp
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.landmarks.head_model import HeadPose, mean_head


class HeadWarp(Warp):
    """Tilts, narrows and moves the picture with the head."""

    min_anchors = 2
    in_depth = True

    def __init__(self, layer: FilterLayer, image: Pixels) -> None:
        super().__init__(layer, image)
        self.billboard = Billboard.of(layer, self.anchors, image.shape[1])

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        """Draws the picture where its billboard faces the camera."""
        draw_affine(canvas, self.texture, self.billboard.matrix(points, pose), paint)


@dataclass(frozen=True, eq=False)
class Billboard:
    """A plane that is fixed to the head and carries a picture.

    The columns of `axes` (3, 3) lead on the head to the next pixel across, to the next one down,
    and from the mean of the anchors to the first pixel. The mean of a face's anchors, of its points
    by `anchor_weights` (68,), places it. A `round` one turns about its middle column.
    """

    axes: Matrix
    middle: float
    anchor_weights: Matrix
    round: bool

    @staticmethod
    def of(layer: FilterLayer, anchors: Anchoring, width: int) -> Billboard:
        """The billboard whose anchors' pixels lie nearest to the mean head's anchors."""
        angle = np.radians(layer.turn)
        x, y = np.array([np.cos(angle), 0, np.sin(angle)]), np.array([0.0, 1.0, 0.0])
        normal = np.array([-np.sin(angle), 0, np.cos(angle)])
        on_head = anchors.of_face(mean_head())
        plane = fit_similarity(anchors.pixels, np.column_stack([on_head @ x, on_head @ y]))
        distance = float((on_head @ normal).mean()) + layer.depth
        across, down, corner = (plane.T[:, :1] * x + plane.T[:, 1:] * y)[:3]
        corner = corner + distance * normal - on_head.mean(axis=0)
        weights: Matrix = anchors.weights.mean(axis=0)
        axes = np.stack([across, down, corner], axis=1)
        return Billboard(axes, (width - 1) / 2, weights, layer.round)

    def matrix(self, points: Floats, pose: HeadPose) -> Matrix:
        """The matrix (2, 3) from the picture's pixels to the frame's; NaN seen from behind."""
        x, y = (self.anchor_weights @ points).tolist()
        (a, b, left), (c, d, top) = (pose.rotation @ self.axes).tolist()
        if self.round:
            length = max(1e-9, math.hypot(b, d))
            wide = pose.scale * float(np.linalg.norm(self.axes[:, 0])) / length
            left, top = left + self.middle * (a - wide * d), top + self.middle * (c + wide * b)
            a, c = wide * d, -wide * b
        if a * d - c * b <= 0:
            return np.full((2, 3), np.nan)
        return np.array([[a, b, x + left], [c, d, y + top]])
