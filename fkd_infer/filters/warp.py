"""What every warp of a filter's picture has: its texture, its anchors, and `draw`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.filters.fitting import fit_similarity
from fkd_infer.filters.layer import FilterLayer
from fkd_infer.filters.texture import Texture
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.landmarks.head_model import HeadPose, mean_head

_MIN_EXTENT = 0.02
"""Smallest extent of the anchors' points on the mean head, in its units."""
_MIN_FIT = 0.05
"""Smallest part of that extent that the anchors' pixels keep when fitted to the head."""


class Warp(ABC):
    """Draws one layer's picture onto faces.

    A new warp is a subclass in a file filters/warp_*.py and a row in warp_table.py.
    """

    min_anchors: ClassVar[int]
    """Anchors that a layer needs: 2 for a similarity, 3 for a warp of more freedom."""
    in_depth: ClassVar[bool] = False
    """Whether the layer's `depth`, `turn` and `round` apply."""

    def __init__(self, layer: FilterLayer, image: Pixels) -> None:
        """Raises ValueError for anchors that cannot place the picture on a head."""
        self.texture = Texture(image, layer.opacity)
        self.anchors = Anchoring.of(layer)

    @abstractmethod
    def draw(self, canvas: Canvas, points: Floats, pose: HeadPose, paint: Paint) -> None:
        """Draws the picture on a canvas, for a face's points (68, 2) and its pose."""

    @classmethod
    def check(cls, layer: FilterLayer) -> None:
        """Raises ValueError for a layer that lacks what this warp needs."""
        if not cls.in_depth and (layer.depth or layer.turn or layer.round):
            raise ValueError(f"depth, turn and round are for the warp 'head', not {layer.warp!r}")
        if len(layer.anchors) < cls.min_anchors:
            raise ValueError(
                f"anchors has {len(layer.anchors)}, but the warp {layer.warp!r} needs "
                f"{cls.min_anchors} or more"
            )
        pixels = layer.anchor_pixels
        rank = np.linalg.matrix_rank(pixels - pixels.mean(axis=0), tol=0.5)
        if rank < min(2, cls.min_anchors - 1):
            where = "in one place" if rank == 0 else "on one line"
            raise ValueError(f"anchors lie {where} of the picture; move them apart")


@dataclass(frozen=True, eq=False)
class Anchoring:
    """The anchors of a layer: `pixels` (k, 2) of the picture, after its offset and scale, and
    `weights` (k, 68), which average the points of each anchor."""

    pixels: Matrix
    weights: Matrix

    @staticmethod
    def of(layer: FilterLayer) -> Anchoring:
        """Raises ValueError for anchors that are arranged unlike their points on a head."""
        weights = np.zeros((len(layer.anchors), len(mean_head())))
        for row, anchor in zip(weights, layer.anchors, strict=True):
            for point in anchor.points:
                row[point] += 1 / len(anchor.points)
        return Anchoring(_adjusted_pixels(layer, weights), weights)

    def of_face(self, points: Matrix | Floats) -> Matrix:
        """The anchors (k, d) of a face's points (68, d)."""
        anchors: Matrix = self.weights @ points
        return anchors


def _adjusted_pixels(layer: FilterLayer, weights: Matrix) -> Matrix:
    """The anchors' pixels (k, 2), moved so that the picture has the layer's offset and scale."""
    pixels = layer.anchor_pixels
    centre = pixels.mean(axis=0)
    pixels = centre + (pixels - centre) / layer.scale
    on_head = (weights @ mean_head())[:, :2]
    to_head = fit_similarity(pixels, on_head)
    extent, fitted = np.ptp(on_head, axis=0).max(), np.ptp(pixels @ to_head[:, :2].T, axis=0).max()
    if extent < _MIN_EXTENT or fitted < _MIN_FIT * extent:
        raise ValueError(
            f"the anchors of {layer.image!r} lie in one place of a face, or so unlike their points "
            "there that they do not place the picture"
        )
    adjusted: Matrix = pixels - np.linalg.solve(to_head[:, :2], np.array(layer.offset))
    return adjusted
