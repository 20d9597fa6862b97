"""Where a filter's picture lies on a face: transforms fitted to landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fkd_infer.filters.blend import Paint
from fkd_infer.filters.pack import FilterLayer
from fkd_infer.filters.warp import Mesh, Texture, draw_affine, draw_mesh
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels
from fkd_infer.landmarks.head_model import HeadPose, mean_head

_APART, _LIKE = 0.02, 0.05
"""Units of the head that anchors are apart, at least; and so much of it is left where their pixels
are laid over the head."""


Placer = Callable[[Pixels, Floats, HeadPose, Paint], None]


def placer(layer: FilterLayer, image: Pixels) -> Placer:
    """How a layer of this warp is drawn."""
    texture = Texture(image, layer.opacity)
    select = _selection(layer)
    at = _moved(layer, select)
    if layer.warp == "head":
        card = _Card.of(layer, select, at, image.shape[1])
        return lambda canvas, points, pose, paint: draw_affine(
            canvas, texture, card.matrix(points, pose), paint
        )
    if layer.warp == "piecewise":
        mesh = Mesh.over(image, at)
        return lambda canvas, points, _, paint: draw_mesh(
            canvas, texture, mesh, select @ points, paint
        )
    fit = fit_similarity if layer.warp == "similarity" else fit_affine
    return lambda canvas, points, _, paint: draw_affine(
        canvas, texture, fit(at, select @ points), paint
    )


@dataclass(frozen=True, eq=False)
class _Card:
    """A flat picture that is fixed to the head.

    `top` (3,) is where its pixel (middle, 0) lies on the head, `across` and `down` (3,) lead to the
    next pixels. What the face's own anchors differ by from the mean head's moves it.
    """

    top: Matrix
    middle: float
    across: Matrix
    down: Matrix
    select: Matrix
    anchors: Matrix
    round: bool

    @staticmethod
    def of(layer: FilterLayer, select: Matrix, at: Matrix, width: int) -> _Card:
        """The card whose pixels `at` (k, 2) lie nearest to the mean head's anchors."""
        angle = np.radians(layer.turn)
        x, y = np.array([np.cos(angle), 0, np.sin(angle)]), np.array([0.0, 1.0, 0.0])
        out = np.array([-np.sin(angle), 0, np.cos(angle)])
        anchors = select @ mean_head()
        plane = fit_similarity(at, np.column_stack([anchors @ x, anchors @ y]))
        away = float((anchors @ out).mean()) + layer.depth
        across, down, corner = (plane.T[:, :1] * x + plane.T[:, 1:] * y)[:3]
        middle = (width - 1) / 2
        top = corner + middle * across + away * out
        return _Card(top, middle, across, down, select, anchors, layer.round)

    def matrix(self, points: Floats, pose: HeadPose) -> Matrix:
        """From the picture's pixels to the frame's; NaN where it is seen from behind."""
        across, down = pose.turn @ self.across, pose.turn @ self.down
        if self.round:
            across = np.array([down[1], -down[0]]) / max(1e-9, float(np.linalg.norm(down)))
            across *= pose.scale * np.linalg.norm(self.across)
        if across[0] * down[1] - across[1] * down[0] <= 0:
            return np.full((2, 3), np.nan)
        differs = (self.select @ points - pose.project(self.anchors)).mean(axis=0)
        corner = pose.project(self.top) - self.middle * across + differs
        return np.column_stack([across, down, corner])


def _selection(layer: FilterLayer) -> Matrix:
    """The matrix (anchors, points) that means the points of each anchor."""
    matrix = np.zeros((len(layer.anchors), len(mean_head())))
    for row, anchor in zip(matrix, layer.anchors, strict=True):
        for point in anchor.points:
            row[point] += 1 / len(anchor.points)
    return matrix


def _moved(layer: FilterLayer, select: Matrix) -> Matrix:
    """The anchors' pixels (k, 2), such that the picture has the layer's offset and scale.

    Raises ValueError for anchors that lie nowhere near like their points on a head.
    """
    at = np.array([anchor.at for anchor in layer.anchors], np.float64)
    middle = at.mean(axis=0)
    at = middle + (at - middle) / layer.scale
    places = (select @ mean_head())[:, :2]
    to_head = fit_similarity(at, places)
    fitted, wanted = np.ptp(at @ to_head[:, :2].T, axis=0).max(), np.ptp(places, axis=0).max()
    if wanted < _APART or fitted < _LIKE * wanted:
        raise ValueError(
            f"the anchors of {layer.image!r} lie in one place of a face, or so unlike their points "
            "there that they do not place the picture"
        )
    moved: Matrix = at - np.linalg.solve(to_head[:, :2], np.array(layer.offset))
    return moved


def fit_similarity(at: Matrix, points: Matrix | Floats) -> Matrix:
    """The turn, scale and shift (2, 3) that lead pixels (k, 2) nearest to points (k, 2)."""
    source = at[:, 0] + 1j * at[:, 1]
    target = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    source_mean, target_mean = source.mean(), target.mean()
    around = source - source_mean
    turn = np.vdot(around, target - target_mean) / np.vdot(around, around).real
    shift = target_mean - turn * source_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def fit_affine(at: Matrix, points: Matrix | Floats) -> Matrix:
    """The affine matrix (2, 3) that leads pixels (k, 2) nearest to points (k, 2)."""
    homogeneous = np.column_stack([at, np.ones(len(at))])
    found: Matrix = np.linalg.lstsq(homogeneous, points.astype(np.float64), rcond=None)[0].T
    return found
