"""Warps in the plane of the frame, fitted to the anchors of each face."""

from __future__ import annotations

import numpy as np

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.fitting import fit_affine, fit_similarity
from fkd_infer.filters.layer import FilterLayer
from fkd_infer.filters.raster import Mesh, draw_affine, draw_mesh
from fkd_infer.filters.warp import Warp
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.head_model import HeadPose


class SimilarityWarp(Warp):
    """Rotates, scales and moves the picture."""

    min_anchors = 2

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        """Draws the picture with its anchors nearest to the face's."""
        matrix = fit_similarity(self.anchors.pixels, self.anchors.of_face(points))
        draw_affine(canvas, self.texture, matrix, paint)


class AffineWarp(Warp):
    """Rotates, scales, shears and moves the picture."""

    min_anchors = 3

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        """Draws the picture with its anchors nearest to the face's."""
        matrix = fit_affine(self.anchors.pixels, self.anchors.of_face(points))
        draw_affine(canvas, self.texture, matrix, paint)


class PiecewiseWarp(Warp):
    """Puts each anchor exactly on its points, with affine triangles in between."""

    min_anchors = 3

    def __init__(self, layer: FilterLayer, image: Pixels) -> None:
        super().__init__(layer, image)
        self.mesh = Mesh.over(image, self.anchors.pixels)

    @classmethod
    def check(cls, layer: FilterLayer) -> None:
        """Raises ValueError also for two anchors at one pixel."""
        super().check(layer)
        pixels = layer.anchor_pixels
        if len(np.unique(pixels, axis=0)) < len(pixels):
            raise ValueError("anchors has two with the same at; a piecewise warp needs them apart")

    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        """Draws the picture's triangles that face the camera."""
        draw_mesh(canvas, self.texture, self.mesh, self.anchors.of_face(points), paint)
