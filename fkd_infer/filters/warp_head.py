"""The warp `head`: a flat picture fixed to the head in three dimensions."""

from __future__ import annotations

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

    `top` (3,) is where the picture's pixel (middle, 0) lies on the head; `across` and `down` (3,)
    lead to the next pixels. The mean offset of a face's anchors from the mean head's moves it.
    """

    top: Matrix
    middle: float
    across: Matrix
    down: Matrix
    anchors: Anchoring
    anchors_on_head: Matrix
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
        middle = (width - 1) / 2
        top = corner + middle * across + distance * normal
        return Billboard(top, middle, across, down, anchors, on_head, layer.round)

    def matrix(self, points: Floats, pose: HeadPose) -> Matrix:
        """The matrix (2, 3) from the picture's pixels to the frame's; NaN seen from behind."""
        across, down = pose.rotation @ self.across, pose.rotation @ self.down
        if self.round:
            across = np.array([down[1], -down[0]]) / max(1e-9, float(np.linalg.norm(down)))
            across *= pose.scale * np.linalg.norm(self.across)
        if across[0] * down[1] - across[1] * down[0] <= 0:
            return np.full((2, 3), np.nan)
        projected = pose.project(self.anchors_on_head)
        difference = (self.anchors.of_face(points) - projected).mean(axis=0)
        corner = pose.project(self.top) - self.middle * across + difference
        return np.column_stack([across, down, corner])
